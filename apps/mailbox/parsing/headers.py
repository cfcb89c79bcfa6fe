"""What stands above a letter: who wrote to whom, when, about what, in answer to what."""

import email.utils
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from itertools import chain

from apps.mailbox.parsing.texts import clean_line, decode_bytes

LONGEST_HEADER = 65_536  # characters of one field that are looked at
LONGEST_SUBJECT = 500
LONGEST_NAME = 150
LONGEST_EMAIL = 254
LONGEST_ID = 250
MOST_PEOPLE = 100  # of one field
MOST_REFERENCES = 50  # the youngest

_ID = re.compile(r"<([^<>]{1,2000})>")
_EMAIL = re.compile(r"[^\s<>()\[\],;:\"\\@]{1,64}@[^\s<>()\[\],;:\"\\@]{1,190}")
_DAEMON = re.compile(r"mailer[- ]daemon", re.IGNORECASE)
_NAMED = re.compile(rf"([^<>,]*)<({_EMAIL.pattern})>")
_EMPTY = re.compile(r"\s*<?\s*>?\s*")
_BULK = {"bulk", "junk", "auto_reply"}

Fields = Mapping[str, Sequence[str]]  # by lower-case name, in their order


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody in a header. Nobody has checked that they are who it says."""

    name: str
    email: str  # lower case

    def __str__(self) -> str:
        if self.name and self.email:
            return f"{self.name} <{self.email}>"
        return self.name or self.email


def collect_fields(items: Iterable[tuple[str, str]]) -> Fields:
    """Return a header by its names; each field as a text, encoded words not yet decoded."""
    fields: dict[str, list[str]] = {}
    for name, value in items:
        raw = str(value)[:LONGEST_HEADER].encode("ascii", "surrogateescape")
        unfolded = re.sub(r"[\r\n]+[ \t]*", " ", decode_bytes(raw))
        fields.setdefault(name.strip().lower(), []).append(unfolded)
    return fields


def read_words(value: str) -> str:
    """Return a field with its encoded words (RFC 2047) decoded, as far as they can be."""
    try:
        parts = decode_header(value)
    except (HeaderParseError, ValueError, LookupError):  # no base64, no charset
        return value
    return "".join(
        part if isinstance(part, str) else decode_bytes(part, charset or "")
        for part, charset in parts
    )


def read_subject(fields: Fields) -> str:
    return clean_line(read_words(_first(fields, "subject")), LONGEST_SUBJECT)


def read_people(fields: Fields, name: str) -> list[Address]:
    """Return who stands in a field; groups (RFC 5322, 3.4) are the people in them."""
    values = [value for value in fields.get(name, ()) if value.strip()]
    if not values:
        return []
    try:
        found = email.utils.getaddresses(values)
    except (AttributeError, IndexError, TypeError, ValueError, RecursionError):
        found = []
    people = [_person(*one) for one in found[:MOST_PEOPLE]]
    people = [one for one in people if one.email]
    if people and "?=" not in people[0].email:
        return people
    # Not as the rules say; but there may be an address.
    told = ", ".join(values)[:LONGEST_HEADER]
    found = _NAMED.findall(told) or [("", one) for one in _EMAIL.findall(told)]
    return [_person(*one) for one in found[:MOST_PEOPLE]]


def read_sender(fields: Fields) -> Address:
    """Return who wrote it; without an address, whatever stands there as a name."""
    for name in ("from", "sender", "reply-to"):
        if people := read_people(fields, name):
            return people[0]
    return Address(clean_line(read_words(_first(fields, "from")), LONGEST_NAME), "")


def read_ids(fields: Fields, name: str) -> list[str]:
    """Return the message ids in a field, in the way that ``normal_id`` writes them."""
    found: dict[str, None] = {}
    for value in fields.get(name, ()):
        ids = _ID.findall(value) or value.split()
        found.update(dict.fromkeys(filter(None, map(normal_id, ids))))
    return list(found)


def read_message_id(line: bytes) -> str:
    """Return the id in a header line ``Message-ID: <…>`` as it came, or nothing."""
    _, _, value = line.decode("ascii", "surrogateescape").partition(":")
    ids = read_ids(collect_fields([("message-id", value)]), "message-id")
    return ids[0] if ids else ""


def normal_id(told: str) -> str:
    """Return a message id without what varies: brackets, spaces, the case of the domain."""
    text = clean_line(told.strip().removeprefix("<").removesuffix(">"), 2000).replace(" ", "")
    local, at, domain = text.rpartition("@")
    normal = f"{local}{at}{domain.lower()}"
    if len(normal) <= LONGEST_ID:
        return normal
    return f"sha256:{hashlib.sha256(normal.encode()).hexdigest()}"


def read_date(fields: Fields) -> datetime | None:
    """Return when the sender says that it was written; none if that cannot be."""
    try:
        told = email.utils.parsedate_to_datetime(_first(fields, "date"))
        return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def is_automatic(fields: Fields, sender: Address) -> bool:
    """Tell whether a machine wrote it: nobody may answer that by machine (spec D31)."""
    submitted = _first(fields, "auto-submitted").partition(";")[0].strip().lower()
    if submitted not in {"", "no"}:
        return True
    if any(value.strip().lower() in _BULK for value in fields.get("precedence", ())):
        return True
    if any(_EMPTY.fullmatch(value) for value in fields.get("return-path", ())):
        return True
    return bool(_DAEMON.match(sender.email) or _DAEMON.match(sender.name))


def addressees(fields: Fields, named: Iterable[Address]) -> Iterator[str]:
    """Yield the addresses that a letter was sent to: of those named in it, and by servers."""
    noted = (read_people(fields, by) for by in ("delivered-to", "x-original-to", "envelope-to"))
    for person in chain(named, *noted):
        yield person.email


def _person(name: str, email: str) -> Address:
    found = _EMAIL.search(email)
    return Address(
        clean_line(read_words(name), LONGEST_NAME),
        clean_line(found[0].lower(), LONGEST_EMAIL) if found else "",
    )


def _first(fields: Fields, name: str) -> str:
    values = fields.get(name)
    return values[0] if values else ""
