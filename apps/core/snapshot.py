"""Read much at one moment, while others go on writing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """Let everything that the block reads be of one moment. Nothing may be written in it.

    Nobody waits for it. On PostgreSQL it is a read-only REPEATABLE READ transaction; on SQLite
    one that does not begin, as all others do, by asking for the right to write
    (docs/adr/0004): the write-ahead log keeps what it sees until it ends.
    """
    connection: Any = transaction.get_connection()
    is_within = connection.in_atomic_block  # a test's: no other is allowed by durable
    with ExitStack() as block:
        with _begun_as(connection, "DEFERRED"):
            block.enter_context(transaction.atomic(durable=True))
        if connection.vendor == "postgresql" and not is_within:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def _begun_as(connection: Any, mode: str) -> Iterator[None]:
    """Let a transaction that begins in the block begin in a mode of SQLite's."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()  # connecting sets the mode anew
    usual, connection.transaction_mode = connection.transaction_mode, mode
    try:
        yield
    finally:
        connection.transaction_mode = usual
