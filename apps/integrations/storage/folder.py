"""A folder on this machine: the embedded default, which needs no server."""

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from django.core import signing
from django.urls import reverse

from apps.integrations.storage import (
    LINK_SECONDS,
    LOCAL_FOLDER,
    Missing,
    StorageDown,
    StorageRefused,
    Stored,
)
from apps.integrations.storage.keys import check_key

INCOMING = ".incoming"  # where files grow; as a key it is refused
FORGOTTEN = 86_400  # seconds after which nobody is still writing one
CHUNK = 1_048_576  # bytes

_SALT = "apps.integrations.storage.folder"
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_NOT_OURS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP),
    *(errno.EEXIST, errno.EISDIR, errno.ENOTDIR),  # a file where a folder has to be
}


class FolderStorage:
    """Files below one folder, for its owner's eyes only (modes 0700 and 0600).

    There are no versions, and no ETag: in a listing only names, sizes and times are known.
    """

    bucket = LOCAL_FOLDER

    def __init__(self, *, folder: str) -> None:
        self._folder = Path(folder)
        self._is_swept = False

    def __repr__(self) -> str:
        return "<local folder>"

    def put(
        self, key: str, content: BinaryIO, *, content_type: str, size: int, sha256: str
    ) -> Stored:
        path = self._path(key)
        with _told("store the file"):
            incoming = self._open_incoming()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _fresh_file(incoming) as file:
                arrived = _copy(content, file)
                if arrived != (size, sha256):
                    raise StorageDown("The file did not arrive as it was sent.")
                os.replace(file.name, path)
            for parent in path.parents:
                _settle(parent)
                if parent == self._folder:
                    break
        return Stored(key, size, sha256=sha256)

    def read(self, key: str, *, version_id: str = "") -> Iterator[bytes]:
        return _chunks(self.open(key))

    def open(self, key: str) -> BufferedReader:
        """Return an object as an open file."""
        with _told("read the file"):
            try:
                return open(self._path(key), "rb", opener=_follow_no_link)
            except _ABSENT:
                raise Missing("The file is not in the storage.") from None

    def remove(self, key: str) -> None:
        path = self._path(key)
        if not (self._folder / INCOMING).is_dir():
            # A disk that is not mounted: the file is not gone because it is not seen.
            raise StorageRefused("Nothing was ever stored in this folder; is it the right one?")
        with _told("remove the file"), suppress(*_ABSENT):
            path.unlink()
            _settle(path.parent)
            if path.parent != self._folder:
                with suppress(OSError):  # other files are in there
                    path.parent.rmdir()

    def look(self, key: str) -> Stored:
        with self.open(key) as file, _told("read the file"):
            status = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Stored(key, status.st_size, sha256=digest, stored_at=_time(status))

    def listing(self, prefix: str) -> Iterator[Stored]:
        with _told("list its files"):
            yield from self._below("", prefix)

    def link(self, key: str, *, version_id: str, file_name: str, content_type: str) -> str:
        """Return an address of our own, which ``views.download`` answers."""
        token = _signer().sign_object([key, file_name, content_type], compress=True)
        return reverse("storage:download", args=[token])

    def close(self) -> None:
        pass

    # ---- inside ---------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        check_key(key)
        path = self._folder / key
        if not path.parent.resolve().is_relative_to(self._place):
            raise StorageRefused("This key leads out of the folder.")  # through a link in it
        return path

    @cached_property
    def _place(self) -> Path:
        """Where the folder really is."""
        return self._folder.resolve()

    def _open_incoming(self) -> Path:
        """Return the folder where files grow; the first time without what died there."""
        incoming = self._folder / INCOMING
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        incoming.mkdir(mode=0o700, exist_ok=True)
        if not self._is_swept:
            for stray in incoming.iterdir():
                with suppress(FileNotFoundError):
                    if stray.stat().st_mtime < time.time() - FORGOTTEN:
                        stray.unlink()
            self._is_swept = True
        return incoming

    def _below(self, start: str, prefix: str) -> Iterator[Stored]:
        """Yield what is below ``start`` (empty, or a folder with its slash), in byte order."""
        for name in sorted(self._names(start), key=os.fsencode):
            key = start + name
            if name.endswith("/") and (key.startswith(prefix) or prefix.startswith(key)):
                yield from self._below(key, prefix)
            elif key.startswith(prefix):
                with suppress(FileNotFoundError):  # removed meanwhile
                    status = (self._folder / key).stat()
                    # A name that is no UTF-8 was not made by us; it must not break the list.
                    told = os.fsencode(key).decode(errors="replace")
                    yield Stored(told, status.st_size, stored_at=_time(status))

    def _names(self, start: str) -> Iterator[str]:
        """Yield the names of files below ``start``, and those of folders with a slash.

        A folder sorts by what its keys have there: "a-b" < "a/b", as "-" < "/".
        """
        # Nobody has stored anything yet, or the folder was removed meanwhile.
        with suppress(FileNotFoundError), os.scandir(self._folder / start) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield f"{entry.name}/"
                elif entry.is_file(follow_symlinks=False):
                    yield entry.name


def read_link(token: str) -> tuple[str, str, str]:
    """Return key, file name and content type that a link was made for.

    Raises ``signing.SignatureExpired`` and ``signing.BadSignature``.
    """
    key, file_name, content_type = _signer().unsign_object(token, max_age=LINK_SECONDS)
    return key, file_name, content_type


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=_SALT)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say in our words what a file system says: its own repeat paths."""
    try:
        yield
    except OSError as error:
        kind = errno.errorcode.get(error.errno or 0, "unknown")
        if error.errno in _NOT_OURS:
            raise StorageRefused(f"The folder does not let us {what} ({kind}).") from None
        raise StorageDown(f"The folder could not {what} ({kind}).") from None


def _follow_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # nor wait for a pipe


@contextmanager
def _fresh_file(folder: Path) -> Iterator[BinaryIO]:
    """Make a file that is gone after the block unless it has got another name."""
    with NamedTemporaryFile(dir=folder, delete=False) as file:  # mode 0600
        try:
            yield file  # type: ignore[misc]  # it is one, wrapped
        finally:
            with suppress(FileNotFoundError):
                os.unlink(file.name)


def _copy(content: BinaryIO, file: BinaryIO) -> tuple[int, str]:
    """Write it all, down to the disk, and return the size and the SHA-256 of it."""
    digest, size = hashlib.sha256(), 0
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        size += file.write(chunk)
    file.flush()
    os.fsync(file.fileno())
    return size, digest.hexdigest()


def _settle(folder: Path) -> None:
    """Let the names in a folder reach the disk, too."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file, _told("read the file"):
        while chunk := file.read(CHUNK):
            yield chunk


def _time(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)
