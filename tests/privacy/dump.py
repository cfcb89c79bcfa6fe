"""Everything that is written anywhere: all columns of all tables, and all files.

Read past Django, table by table as the database lists them, so that nothing is left out
because somebody forgot it; what is pickled, signed or compressed is read through.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from apps.core.personal import read_signed, read_text

# Holds nothing but counters and the clusters' figures, and forgets them by itself.
LEFT_OUT = {"cache", "django_migrations", "sqlite_sequence"}
PICKLED = {"django_q_task": {"args", "kwargs", "result"}}
SIGNED = {"django_q_ormq": {"payload"}, "django_session": {"session_data"}}


def everything() -> Iterator[tuple[str, str]]:
    """Yield each piece of text with where it stands: ``billing_payment.note``."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in sorted(set(tables) - LEFT_OUT):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description or ()]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    yield f"{table}.{name}", _readable(table, name, value)
    for folder in (settings.STORAGE["folder"], settings.EXPORTS_DIR):
        for path in sorted(Path(folder).rglob("*")):
            yield f"file {path.name}", str(path)
            if path.is_file():
                yield f"file {path.name}", read_text(path.read_bytes())


def places(pattern: str) -> set[str]:
    """Return where something stands that matches, whatever its case."""
    found = re.compile(pattern, re.IGNORECASE)
    return {place for place, text in everything() if found.search(text)}


def _readable(table: str, name: str, value: Any) -> str:
    if isinstance(value, memoryview | bytes):
        return read_text(bytes(value))
    text = "" if value is None else str(value)
    if name in PICKLED.get(table, ()):
        return read_text(b64decode(text))
    if name in SIGNED.get(table, ()):
        return read_signed(text)
    return read_text(text.encode())  # JSON may be escaped
