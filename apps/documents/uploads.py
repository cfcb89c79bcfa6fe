"""Files that people send: looked at before anything is done with them."""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from apps.core.problems import Problem
from apps.documents.kinds import HEAD, KINDS, Kind, kind_of
from apps.documents.names import fit_name

CHUNK = 1_048_576  # bytes


class NotTaken(Problem):
    """Files like this one are not taken; the text says what is."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that may be stored: what it is, whatever its sender says that it is."""

    content: BinaryIO  # at its beginning, and can be wound back
    name: str  # fit to be shown
    kind: Kind
    size: int  # bytes
    sha256: str


def look_at(content: BinaryIO, *, name: str) -> Upload:
    """Measure a file, take its fingerprint and tell its kind, reading it once in parts.

    ``content`` must be able to wind back. Raises ``NotTaken`` for what is empty, larger than
    ``UPLOAD_MAX_MIB`` or of none of the ``UPLOAD_TYPES``.
    """
    content.seek(0)
    head, size, digest = content.read(HEAD), 0, hashlib.sha256()
    chunk = head
    while chunk:
        digest.update(chunk)
        size += len(chunk)
        if size > largest():
            raise NotTaken(f"A file may have at most {settings.UPLOAD_MAX_MIB} MiB.")
        chunk = content.read(CHUNK)
    if not size:
        raise NotTaken("The file is empty.")
    kind = kind_of(head)
    if kind is None or kind.content_type not in settings.UPLOAD_TYPES:
        raise NotTaken(f"Files of this kind are not taken; these are: {', '.join(taken())}.")
    content.seek(0)
    return Upload(content, fit_name(name, kind), kind, size, digest.hexdigest())


def largest() -> int:
    """Return how many bytes a file may have."""
    return int(settings.UPLOAD_MAX_MIB) * 1_048_576


def taken() -> list[str]:
    """Return the names of the kinds that are taken: ``PDF``, ``JPEG`` …"""
    return [kind.name for kind in KINDS if kind.content_type in settings.UPLOAD_TYPES]


class LimitedUploadHandler(FileUploadHandler):
    """Lets no more of a file through than shows that it is too large; the rest is dropped.

    It stands before Django's own handlers, which would fill memory or disk with any amount.
    """

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        return raw_data if start <= largest() else None

    def file_complete(self, file_size: int) -> "UploadedFile[bytes] | None":
        return None  # the next handler has it
