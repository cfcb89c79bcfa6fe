"""What mail servers report about mail of ours: bounces (RFC 3464) and complaints (RFC 5965).

Reports come from anywhere and are often malformed; what cannot be read says nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import parseaddr
from enum import StrEnum

_OURS = re.compile(r"<(delivery-\d{1,18}-\d{20})@[^<>\s]+>")
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_REPLY = re.compile(r"\b([245]\d\d)\b")
_NO_SUCH_MAILBOX = {"550", "551", "553"}  # where nothing more exact is said
_VAGUE = {"", "5.0.0"}
_UNSUBSCRIBE = re.compile(r"^\s*unsubscribe\s+(\S+)\s*$", re.IGNORECASE)


class Kind(StrEnum):
    GONE = "gone"  # there is no such address, and there will be none
    FAILED = "failed"  # this message was given up; the next may arrive
    DELAYED = "delayed"  # it may still arrive
    COMPLAINT = "complaint"  # the recipient says it is spam


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one message: its name (``Letter.reference``) and whom we wrote to."""

    kind: Kind
    reference: str
    address: str
    code: str = ""  # "5.1.1"


def read_report(raw: bytes) -> Report | None:
    """Return what a mail server says of a message of ours, if it does."""
    message = message_from_bytes(raw)
    if message.get_content_type() != "multipart/report":
        return None
    parts = list(message.walk())
    original = next(filter(None, map(_original, parts)), None)
    if original is None:
        return None
    name, to = original
    for part in parts:
        if part.get_content_type() == "message/delivery-status":
            return _bounce(part, name, to)
        if part.get_content_type() == "message/feedback-report":
            return _complaint(part, name, to)
    return None


def read_unsubscribing(raw: bytes) -> str:
    """Return the token of a mail that a ``List-Unsubscribe`` header asked for, or nothing."""
    subject = str(message_from_bytes(raw).get("Subject", ""))
    match = _UNSUBSCRIBE.match("".join(subject.splitlines()))
    return match.group(1) if match else ""


def _original(part: Message) -> tuple[str, str] | None:
    """Return name and recipient of a message of ours that is given back, whole or in part."""
    headers: Message | None = None
    if part.get_content_type() == "message/rfc822" and part.is_multipart():
        headers = part.get_payload(0)  # type: ignore[assignment]  # of one message
    elif part.get_content_type() == "text/rfc822-headers":
        text = part.get_payload(decode=True)
        headers = message_from_bytes(text) if isinstance(text, bytes) else None
    if headers is None:
        return None
    name = _OURS.search(str(headers.get("Message-ID", "")))
    if name is None:
        return None
    return name.group(1), parseaddr(str(headers.get("To", "")))[1].lower()


def _bounce(part: Message, name: str, to: str) -> Report | None:
    """Return what a bounce says: the worst, if it says several things of one message."""
    found = []
    for fields in _fields(part):
        action = str(fields.get("Action", "")).strip().lower()
        if action not in {"failed", "delayed"}:
            continue
        code, gone = _code(fields)
        if action == "delayed" or code.startswith("4."):
            kind = Kind.DELAYED if action == "delayed" else Kind.FAILED
        else:
            kind = Kind.GONE if gone else Kind.FAILED
        found.append(Report(kind, name, to, code))
    order = [Kind.DELAYED, Kind.FAILED, Kind.GONE]
    return max(found, key=lambda report: order.index(report.kind), default=None)


def _code(fields: Message) -> tuple[str, bool]:
    """Return the most exact code, and whether it says that there is no such address.

    As when a mail server says it at once: 5.1.x does; a full mailbox (5.2.x) or mistrust of
    us (5.7.x) is no reason to give an address up for ever.
    """
    said = str(fields.get("Diagnostic-Code", ""))
    enhanced = _ENHANCED.search(str(fields.get("Status", "")))
    code = enhanced.group(1) if enhanced else ""
    if code in _VAGUE and (better := _ENHANCED.search(said)):
        code = better.group(1)
    if code not in _VAGUE:
        return code, code.startswith("5.1.")
    if reply := _REPLY.search(said):
        return reply.group(1), reply.group(1) in _NO_SUCH_MAILBOX
    return code, False


def _complaint(part: Message, name: str, to: str) -> Report | None:
    kinds = [str(fields.get("Feedback-Type", "")).strip().lower() for fields in _fields(part)]
    if not any(kinds) or "not-spam" in kinds:
        return None
    return Report(Kind.COMPLAINT, name, to)


def _fields(part: Message) -> Iterator[Message]:
    """Yield the blocks of fields of a report, however the library has read it."""
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (each for each in payload if isinstance(each, Message))
        for each in payload:  # a feedback report is read as one message whose body has them
            if isinstance(each, Message) and isinstance(each.get_payload(), str):
                yield message_from_string(str(each.get_payload()))
    else:
        yield message_from_string(str(payload))
