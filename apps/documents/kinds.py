"""The kinds of files that are taken, told by what is in them and not by what they are called.

No kind is one that a browser would run. HTML, SVG and scripts are text like any other.
"""

import re
from dataclasses import dataclass

HEAD = 65_536  # bytes of a file that are looked at


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is, and how names of such files may end."""

    name: str
    content_type: str
    suffixes: tuple[str, ...]  # the first is given to a file that has none of them
    begins: re.Pattern[bytes]


def _kind(name: str, content_type: str, suffixes: str, begins: bytes) -> Kind:
    return Kind(name, content_type, tuple(suffixes.split()), re.compile(begins, re.DOTALL))


_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"
# Zip archives: one names its kind in its first file, the other by the folders in it.
_OPEN_BEGINS = rb"PK\x03\x04.{26}mimetype" + re.escape(_OPEN).encode()
_OFFICE_BEGINS = rb"(?=PK\x03\x04).*?PK\x03\x04.{26}"
# Bytes that no text has, in any of the encodings in use but UTF-16.
_NO_CONTROLS = rb"[^\x00-\x08\x0e-\x1f\x7f]+\Z"

# In the order in which they are looked for.
KINDS = (
    _kind("PDF", "application/pdf", ".pdf", rb"%PDF-"),
    _kind("JPEG", "image/jpeg", ".jpg .jpeg", rb"\xff\xd8\xff"),
    _kind("PNG", "image/png", ".png", rb"\x89PNG\r\n\x1a\n"),
    _kind("WebP", "image/webp", ".webp", rb"RIFF.{4}WEBP"),
    _kind("HEIC", "image/heic", ".heic .heif", rb".{4}ftyp(heic|heix|mif1|msf1)"),
    _kind("TIFF", "image/tiff", ".tif .tiff", rb"II\x2a\x00|MM\x00\x2a"),
    _kind("Word", f"{_OFFICE}.wordprocessingml.document", ".docx", _OFFICE_BEGINS + rb"word/"),
    _kind("Excel", f"{_OFFICE}.spreadsheetml.sheet", ".xlsx", _OFFICE_BEGINS + rb"xl/"),
    _kind("Writer", f"{_OPEN}.text", ".odt", _OPEN_BEGINS + rb"\.text"),
    _kind("Calc", f"{_OPEN}.spreadsheet", ".ods", _OPEN_BEGINS + rb"\.spreadsheet"),
    _kind("text", "text/plain", ".txt .csv .md", _NO_CONTROLS),
)
CONTENT_TYPES = tuple(kind.content_type for kind in KINDS)


def kind_of(head: bytes) -> Kind | None:
    """Return what a file is that begins with these ``HEAD`` bytes, if it is known."""
    return next((kind for kind in KINDS if kind.begins.match(head)), None)
