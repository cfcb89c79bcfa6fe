"""Letters to put into a mailbox, and how the adapter is asked for them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from apps.integrations.mailboxes import Fetched, Listed, Mailbox, open_mailbox
from tests.servers.imap import MailHost


def letter(number: int, *, body: bytes = b"Hello.\r\n") -> bytes:
    """A letter as it stands in a file."""
    head = f"From: ada@example.test\r\nSubject: Letter {number}\r\n"
    return f"{head}Message-ID: <{number}@example.test>\r\n\r\n".encode() + body


@contextmanager
def reading(
    server: MailHost, user: str, folder: str = "INBOX", **how: Any
) -> Iterator[Mailbox]:
    """Sign in and open a folder."""
    with closing(open_mailbox(server.account(user, **how))) as mailbox:
        mailbox.open(folder)
        yield mailbox


def listed(uid: int, size: int = 100) -> Listed:
    return Listed(uid, size, None, b"")


def raw(fetched: Iterator[Fetched]) -> list[bytes]:
    """The letters' bytes. How lines end is each server's own affair."""
    return [unix(one.raw or b"") for one in fetched]


def unix(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n")
