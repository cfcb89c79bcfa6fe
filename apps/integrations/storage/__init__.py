"""Keeping files: what Nightshift needs of a place that keeps them.

Keys are text with slashes (``firms/12/…/document.pdf``); sizes are in bytes. Nothing here
touches the database, and no verb may be called inside a transaction.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from django.conf import settings

from apps.core.problems import Problem
from apps.installations.leaving import refuse_if_strange

__all__ = [
    "LINK_SECONDS",
    "LOCAL_FOLDER",
    "Missing",
    "Storage",
    "StorageDown",
    "StorageError",
    "StorageRefused",
    "Stored",
    "bucket_in_use",
    "get_storage",
]

LINK_SECONDS = 120  # that the address of a download works
LOCAL_FOLDER = "local folder"  # as a bucket: none can have a name with a space


class StorageError(Problem):
    """The storage could not do it. The text is safe to show: no key, no file's name."""


class StorageDown(StorageError):
    """No answer, or none that says what happened: refused, time-out, 5xx, throttled, damaged.

    Whether it was done is unknown; all verbs may be repeated.
    """


class StorageRefused(StorageError):
    """Not until somebody changes something: credentials, rights, the bucket, the key."""


class Missing(StorageError):
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the storage knows it."""

    key: str
    size: int
    etag: str = ""  # opaque: to be compared, never to be computed; empty where there is none
    version_id: str = ""  # empty where no versions are kept, and in a listing
    sha256: str = ""  # hexadecimal; empty where it is not told, and in a listing
    stored_at: datetime | None = None  # not told of what was put just now


class Storage(Protocol):
    """A bucket, or a folder that is used like one. Threads may share it."""

    bucket: str  # its name: what tells its keys from those of another

    def put(
        self, key: str, content: BinaryIO, *, content_type: str, size: int, sha256: str
    ) -> Stored:
        """Keep what can be read from ``content``, whole or not at all.

        ``content`` is at its beginning and can be wound back. Raises ``StorageDown`` when
        what arrived is not what ``sha256`` (hexadecimal) was taken of.
        """

    def read(self, key: str, *, version_id: str = "") -> Iterator[bytes]:
        """Yield an object in parts; of several versions that one, else the newest.

        Raises ``StorageDown`` also in the middle, when the rest does not come.
        """

    def remove(self, key: str) -> None:
        """Remove an object with all its versions and delete markers; none is fine, too."""

    def look(self, key: str) -> Stored:
        """Return what is known of one object, or raise ``Missing``."""

    def listing(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects whose keys begin like this, in the order of the keys' bytes.

        Reads page by page, so that any number fits into memory.
        """

    def link(self, key: str, *, version_id: str, file_name: str, content_type: str) -> str:
        """Return an address at which whoever has it can download the object for a while.

        It works for ``LINK_SECONDS`` and always saves a file of that name: no browser shows
        it. Nothing is asked of the storage, so the object may be missing.
        """

    def close(self) -> None:
        """Give the connections back."""


def bucket_in_use() -> str:
    """Return the name of the place that ``STORAGE_URL`` names, without opening it."""
    return str(settings.STORAGE.get("bucket", LOCAL_FOLDER))


def get_storage() -> Storage:
    """Return the place that ``STORAGE_URL`` names."""
    refuse_if_strange()
    where = dict(settings.STORAGE)
    if where.pop("vendor") == "s3":
        from apps.integrations.storage.s3 import S3Storage  # noqa: PLC0415 - slow import

        return S3Storage(**where)
    from apps.integrations.storage.folder import FolderStorage  # noqa: PLC0415 - a cycle

    return FolderStorage(**where)
