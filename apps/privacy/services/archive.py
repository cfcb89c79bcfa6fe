"""A ZIP file that is there whole or not at all.

It is written under a name of its own, in the folder that it will be in, and gets its real name
when it is complete and the record of it is committed. Whoever writes holds a lock on it, which
the kernel lets go of when they die: so the next run can tell what a dead one has left behind.
"""

import fcntl
import hashlib
import os
import re
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedRandom
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from django.conf import settings

from apps.core.problems import BadOption

PARTIAL = re.compile(r"\.user_\d+_export_\d{8}T\d{6}Z\.zip\.[0-9a-f]{8}\.partial")


@dataclass
class Entry:
    """One file in an archive, being written; and what is to be said of it."""

    path: str
    out: IO[bytes]
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> None:
        self.out.write(data)
        self.digest.update(data)
        self.size += len(data)

    @property
    def facts(self) -> dict[str, str | int]:
        return {"path": self.path, "size": self.size, "sha256": self.digest.hexdigest()}


class Archive:
    """A ZIP file in the making; left without ``publish``, nothing of it remains."""

    size = 0  # bytes, and
    sha256 = ""  # of the whole file, once it is closed

    def __init__(self, path: Path, *, made_at: datetime) -> None:
        self.path, self.made_at = path, made_at
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")

    def __enter__(self) -> Self:
        remove_leftovers(self.path.parent)
        self._file: BufferedRandom = _locked(self._temporary)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # a full disk once more
            self._zip.close()
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    @contextmanager
    def entry(self, path: str) -> Iterator[Entry]:
        """Write one file; its size need not be known before."""
        info = zipfile.ZipInfo(path, self.made_at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as out:
            yield Entry(path, out)

    def close(self) -> None:
        """Complete the file, see it on the disk, and take its size and fingerprint."""
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self.size = self._file.tell()
        self._file.seek(0)
        self.sha256 = hashlib.file_digest(self._file, "sha256").hexdigest()

    def publish(self) -> None:
        """Give the file its name. Never takes one that another file has."""
        os.link(self._temporary, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        except OSError:
            self.path.unlink()
            raise
        finally:
            os.close(folder)


def writable_folder(name: str) -> Path:
    """Return the folder that somebody names; raises ``BadOption`` (spec A9)."""
    folder = Path(name)
    if not folder.is_dir():
        raise BadOption(f"Output directory '{name}' does not exist.")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise BadOption(f"Output directory '{name}' is not writable.")
    return folder.resolve()


def private_folder() -> Path:
    """Return the folder where files wait to be downloaded; nobody else gets in."""
    folder = Path(settings.EXPORTS_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder.resolve()


def remove_leftovers(folder: Path) -> None:
    """Remove what exports that died have left in a folder, and nothing else.

    A file that is still locked is somebody's work.
    """
    for path in folder.iterdir():
        if not PARTIAL.fullmatch(path.name):
            continue
        with suppress(OSError), path.open("rb") as file:  # another's, or gone meanwhile
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _locked(path: Path) -> BufferedRandom:
    """Create a file for us alone, and lock it."""
    while True:
        file = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # somebody who tidied up was quicker than our lock
