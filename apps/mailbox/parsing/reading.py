"""From bytes to what they say."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from email.parser import BytesFeedParser
from time import thread_time

from apps.core.problems import Problem
from apps.mailbox.parsing import headers, parts
from apps.mailbox.parsing.headers import Address
from apps.mailbox.parsing.parts import Body, File

PATIENCE = 20.0  # seconds of work on one letter: many boundaries make many comparisons
_PIECE = 65_536
_KNOWN = {"from", "to", "subject", "date", "message-id", "received", "sender"}


class Unreadable(Problem):
    """This is no letter, or one that is made to do harm."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a letter says."""

    sender: Address
    to: Sequence[Address]
    cc: Sequence[Address]
    subject: str
    date: datetime | None  # the sender's; nothing is ever put in order by it
    message_id: str  # normal; empty if there is none
    in_reply_to: Sequence[str]
    references: Sequence[str]  # oldest first
    is_automatic: bool
    addressees: frozenset[str]  # every address that it came to, as far as it tells
    fingerprint: str  # tells letters of the same id from one another
    text: str = ""
    html: str = ""  # as it came; ``apps.mailbox.showing`` makes it fit to be shown
    files: Sequence[File] = field(default_factory=tuple)


NOTHING = Parsed(Address("", ""), (), (), "", None, "", (), (), False, frozenset(), "")


def parse_letter(raw: bytes) -> Parsed:
    """Return what a letter says; raises ``Unreadable``."""
    message = _parse(raw)
    try:
        body = parts.read_body(message)
    except parts.TooManyParts:
        raise Unreadable("it has too many parts") from None
    return _parsed(message, raw, body)


def parse_header(raw: bytes) -> Parsed:
    """Return what the header of a letter says; raises ``Unreadable``."""
    return _parsed(_parse(raw), raw, Body())


def _parse(raw: bytes) -> "Message[str, str]":
    parser, until = BytesFeedParser(), thread_time() + PATIENCE
    try:
        for start in range(0, len(raw), _PIECE):
            parser.feed(raw[start : start + _PIECE])
            if thread_time() > until:
                raise Unreadable("it takes too long to read")
        message = parser.close()
    except Unreadable:
        raise
    except Exception:  # parts within parts without an end, and what nobody has met yet
        raise Unreadable("it cannot be taken apart") from None
    if not _KNOWN.intersection(name.lower() for name in message.keys()):  # noqa: SIM118
        raise Unreadable("it has no header")
    return message


def _parsed(message: "Message[str, str]", raw: bytes, body: Body) -> Parsed:
    fields = headers.collect_fields(message.raw_items())
    ids = headers.read_ids(fields, "message-id")
    sender = headers.read_sender(fields)
    to, cc = (headers.read_people(fields, name) for name in ("to", "cc"))
    return Parsed(
        sender=sender,
        to=to,
        cc=cc,
        subject=headers.read_subject(fields),
        date=headers.read_date(fields),
        message_id=ids[0] if ids else "",
        in_reply_to=headers.read_ids(fields, "in-reply-to"),
        references=headers.read_ids(fields, "references")[-headers.MOST_REFERENCES :],
        is_automatic=headers.is_automatic(fields, sender),
        addressees=frozenset(headers.addressees(fields, (*to, *cc))),
        fingerprint=_fingerprint(fields, raw),
        text=body.text,
        html=body.html,
        files=tuple(body.files),
    )


def _fingerprint(fields: headers.Fields, raw: bytes) -> str:
    """Return what stays as it is when servers add to a header or end lines otherwise."""
    said = [*fields.get("from", ()), *fields.get("date", ()), *fields.get("subject", ())]
    below = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip()
    told = "\n".join(said).encode("utf-8", "replace")
    return hashlib.sha256(told + b"\n\n" + below).hexdigest()
