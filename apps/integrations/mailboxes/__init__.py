"""Reading firms' mailboxes: what Nightshift needs of a mail server.

Nothing is ever changed there: folders are opened read-only and letters are read without
marking them as seen, because people share the mailbox. Nothing here touches the database,
and no verb may be called inside a transaction. Texts of errors are clauses of a sentence
("Sales Inbox: authentication failed") and repeat nothing that the server said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from django.db.models import TextChoices

from apps.core.problems import Problem
from apps.installations.leaving import refuse_if_strange

__all__ = [
    "Account",
    "Auth",
    "AuthenticationFailed",
    "Broken",
    "Fetched",
    "Folder",
    "Listed",
    "Mailbox",
    "MailboxError",
    "Refused",
    "Security",
    "Unreachable",
    "open_mailbox",
]


# ---- errors -------------------------------------------------------------------------------


class MailboxError(Problem):
    """The server could not do it. The text is safe to show."""


class AuthenticationFailed(MailboxError):
    """User name, password or token are wrong, and stay so until somebody changes them."""


class Unreachable(MailboxError):
    """No answer: network, time-out, a connection that was lost. Try again later."""


class Broken(MailboxError):
    """Half an answer, or an absurd one. Try again later."""


class Refused(MailboxError):
    """The server says no to this one request; the connection goes on."""


# ---- what there is ------------------------------------------------------------------------


class Security(TextChoices):
    TLS = "tls", "TLS"
    STARTTLS = "starttls", "STARTTLS"
    NONE = "none", "None (only on this machine)"


class Auth(TextChoices):
    PASSWORD = "password"  # noqa: S105 - a way to sign in
    XOAUTH2 = "xoauth2", "OAuth 2 (XOAUTH2)"


@dataclass(frozen=True, slots=True)
class Account:
    """Where a mailbox is, and who we are there. ``secret`` is a password or an access token."""

    host: str
    port: int
    security: Security
    username: str
    auth: Auth
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is now open. Another ``uidvalidity`` than last time: all UIDs are new."""

    name: str
    uidvalidity: int
    highest: int  # no letter in it has a UID above; the next one will


@dataclass(frozen=True, slots=True)
class Listed:
    """What is known of a letter before it is fetched."""

    uid: int
    size: int  # bytes, as the server says
    received_at: datetime | None  # the server's internal date; none if it cannot be read
    message_id: bytes  # the header line as it stands, if there is one


@dataclass(frozen=True, slots=True)
class Fetched:
    """A letter's bytes (or its header's), or nothing when the server will not hand it out."""

    uid: int
    raw: bytes | None


class Mailbox(Protocol):
    """An account on a mail server that we are signed in to. Every call has a time-out."""

    def folders(self) -> list[str]:
        """Return the names of the folders that can be opened."""

    def open(self, name: str) -> Folder:
        """Open a folder read-only; the other verbs are about the one opened last."""

    def uids(self, *, above: int, since: date | None = None) -> list[int]:
        """Return the UIDs above one, in ascending order; of letters from that day on."""

    def look(self, uids: Sequence[int]) -> list[Listed]:
        """Return size, date and Message-ID of letters; those that have gone are left out."""

    def fetch(self, letters: Sequence[Listed]) -> Iterator[Fetched]:
        """Yield letters in ascending order of their UIDs; those that have gone are left out.

        When this raises, everything yielded before is whole and nothing between was skipped.
        """

    def headers(self, letters: Sequence[Listed]) -> Iterator[Fetched]:
        """Yield the headers of letters, up to what is bearable, as ``fetch`` does the whole."""

    def close(self) -> None:
        """Sign out and hang up."""


def open_mailbox(account: Account) -> Mailbox:
    """Connect and sign in; raises ``AuthenticationFailed``, ``Unreachable`` or ``Broken``."""
    refuse_if_strange()
    from apps.integrations.mailboxes.imap import ImapMailbox  # noqa: PLC0415 - slow import

    return ImapMailbox(account)
