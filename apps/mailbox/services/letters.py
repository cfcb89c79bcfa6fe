"""Letters on their way from a mailbox into the database."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings

from apps.core.reports import Subject
from apps.integrations.storage import Storage
from apps.mailbox.models import EmailConnection, EmailMessage
from apps.mailbox.parsing import Parsed, Unreadable, parse_header, parse_letter
from apps.mailbox.services.files import Files

State = EmailMessage.State


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a mailbox, as numbered now; ``since`` is from when on it is read."""

    connection: EmailConnection
    folder: str
    uidvalidity: int
    since: datetime
    now: datetime
    storage: Storage  # where raw copies and attachments go
    ours: frozenset[str] = frozenset()  # the firm's own addresses


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it was fetched, and what it says if that can be told."""

    place: Place
    uid: int
    size: int
    received_at: datetime
    raw: bytes | None  # of one that is too large, its header
    parsed: Parsed | None = None
    problem: str = ""

    @property
    def subject(self) -> Subject:
        connection = self.place.connection
        return Subject(
            EmailMessage._meta.label_lower,
            f"{connection.pk}:{self.place.uidvalidity}:{self.uid}",
            f"{connection}: message {self.uid} of {self.place.folder}",
            self.place.folder,
            connection.firm_id,
        )

    @property
    def files(self) -> Files:
        attachments = self.parsed.files if self.parsed else ()
        return Files(self.raw, attachments, f"message {self.uid} of {self.place.folder}")

    @property
    def is_truncated(self) -> bool:
        return self.size > settings.MAIL_LARGEST

    @property
    def state(self) -> EmailMessage.State:
        if self.parsed is None:
            return State.UNPARSEABLE
        return State.TRUNCATED if self.is_truncated else State.STORED

    @property
    def is_auto(self) -> bool:
        """Whether a machine wrote it, or we ourselves."""
        if self.parsed is None:
            return False
        return self.parsed.is_automatic or self.parsed.sender.email in self.place.ours

    @property
    def key(self) -> str:
        """Its message id, or what stands in for one."""
        if self.parsed is not None:
            return key_of(self.parsed, self.size)
        if self.raw is not None:
            return f"raw:{hashlib.sha256(self.raw).hexdigest()}"
        return f"uid:{_hash(self.place.folder)}:{self.place.uidvalidity}:{self.uid}"

    @property
    def fingerprint(self) -> str:
        return self.parsed.fingerprint if self.parsed else _hash(self.key)


def read_letter(letter: Letter) -> Letter:
    """Return a letter with what it says, or with why that cannot be told."""
    if letter.raw is None:
        return replace(letter, problem="the server does not hand it out")
    read = parse_header if letter.is_truncated else parse_letter
    try:
        return replace(letter, parsed=read(letter.raw))
    except Unreadable as unreadable:
        return replace(letter, problem=str(unreadable))


def key_of(parsed: Parsed, size: int) -> str:
    """Return what a letter is known by: its id, or a hash where it has none (spec D31).

    Programs that skip letters without an id lose them.
    """
    if parsed.message_id:
        return key_of_id(parsed.message_id)
    people = ",".join(person.email for person in parsed.to)
    told = (str(parsed.date), parsed.sender.email, people, parsed.subject, str(size))
    return "of:" + _hash("\0".join(told))


def key_of_id(message_id: str) -> str:
    return f"id:{message_id}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
