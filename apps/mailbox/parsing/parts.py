"""What a letter consists of: its text, its HTML, and the files that came with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message

from apps.documents.kinds import Kind
from apps.documents.names import fit_name
from apps.mailbox.parsing.headers import collect_fields, read_words
from apps.mailbox.parsing.texts import clean_line, clean_text, decode_bytes

DEEPEST = 30  # parts within parts
MOST_PARTS = 1_000
MOST_FILES = 100
LONGEST_TEXT = 200_000  # characters; the whole is in the raw copy
LONGEST_HTML = 250_000  # more than is ever shown

_OCTETS = "application/octet-stream"
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_SUFFIX = re.compile(r"[A-Za-z0-9]{1,10}")
_ENDINGS = {"message/rfc822": ".eml", "text/plain": ".txt", "text/html": ".html"}


class TooManyParts(Exception):  # noqa: N818 - what it is
    """Nobody writes letters like this."""


@dataclass(frozen=True, slots=True)
class File:
    """Something that came with a letter. It is kept as it is: nothing is ever unpacked."""

    name: str  # without any path
    content_type: str  # what the sender says it is
    content: bytes = field(repr=False)
    content_id: str = ""
    is_inline: bool = False


@dataclass(slots=True)
class Body:
    """What there is to read, and the files beside it."""

    text: str = ""
    html: str = ""
    files: list[File] = field(default_factory=list)


def read_body(message: "Message[str, str]") -> Body:
    """Return what a letter consists of; raises ``TooManyParts``."""
    body, texts = Body(), list[str]()
    for part in _leaves(message, 0, [0]):
        kind = _content_type(part)
        if kind in {"text/plain", "text/html"} and not _is_file(part):
            words = decode_bytes(_content(part), _charset(part))
            if kind == "text/plain":
                texts.append(words)
            else:
                body.html = body.html or words
        elif len(body.files) < MOST_FILES:
            body.files.append(_file(part, kind, len(body.files) + 1))
    body.text = clean_text("\n\n".join(filter(str.strip, texts)), LONGEST_TEXT)
    body.html = clean_text(body.html, LONGEST_HTML)
    return body


def _leaves(
    part: "Message[str, str]", depth: int, seen: list[int]
) -> Iterator["Message[str, str]"]:
    """Yield the parts that have no parts. A letter within the letter is one of them."""
    seen[0] += 1
    if depth > DEEPEST or seen[0] > MOST_PARTS:
        raise TooManyParts
    children = part.get_payload()
    if part.get_content_maintype() != "multipart" or not isinstance(children, list):
        yield part
        return
    for child in children:
        if isinstance(child, Message):
            yield from _leaves(child, depth + 1, seen)


def _content(part: "Message[str, str]") -> bytes:
    """Return the bytes of a part, of a letter within the letter as they would be sent."""
    try:
        if part.is_multipart():
            inner = part.get_payload()
            return b"\n".join(one.as_bytes() for one in inner if isinstance(one, Message))
        content = part.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""
    except Exception:  # the library has many ways not to write what it has read
        return b""


def _content_type(part: "Message[str, str]") -> str:
    kind = part.get_content_type().lower()
    if kind.startswith("multipart/"):  # without a boundary: what there is, is text
        return "text/plain"
    return kind if _TYPE.fullmatch(kind) else _OCTETS


def _charset(part: "Message[str, str]") -> str:
    try:
        return part.get_content_charset() or ""
    except Exception:  # as above
        return ""


def _is_file(part: "Message[str, str]") -> bool:
    return _disposition(part) == "attachment" or bool(_told_name(part))


def _disposition(part: "Message[str, str]") -> str:
    try:
        return part.get_content_disposition() or ""
    except Exception:  # as above
        return ""


def _file(part: "Message[str, str]", kind: str, number: int) -> File:
    name = _told_name(part) or f"attachment-{number}{_ENDINGS.get(kind, '')}"
    return File(
        fit_name(name, file_kind(name)),
        kind,
        _content(part),
        clean_line(str(part.get("Content-ID", "")).strip().strip("<>"), 200),
        _disposition(part) == "inline",
    )


def _told_name(part: "Message[str, str]") -> str:
    """Return the name that a part gives itself (RFC 2231, and the ways that it is missed)."""
    named = Message()
    fields = collect_fields(part.raw_items())
    for name in ("content-disposition", "content-type"):
        for value in fields.get(name, ())[:1]:
            named[name] = value
    try:
        return clean_line(read_words(str(named.get_filename() or "")), 1_000)
    except Exception:  # as above
        return ""


def file_kind(name: str) -> Kind:
    """Return what a file is to us: bytes to be saved, whatever its name ends in."""
    _, dot, suffix = name.rpartition(".")
    own = (f".{suffix.lower()}",) if dot and _SUFFIX.fullmatch(suffix) else ()
    return Kind("file", _OCTETS, (".bin", *own), re.compile(b""))
