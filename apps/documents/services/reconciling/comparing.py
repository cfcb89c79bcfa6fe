"""What may differ between a document and the object that it says is stored (spec D11).

Nothing here asks anybody anything.
"""

import hashlib
import unicodedata
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import TextChoices

from apps.discrepancies.models import Discrepancy
from apps.discrepancies.services import LONGEST, Finding
from apps.documents.models import Document
from apps.integrations.storage import Stored

YOUNG = timedelta(hours=1)  # it may still be on its way, there or here
STALE = timedelta(days=1)  # no upload takes that long

Severity = Discrepancy.Severity
State = Document.State


class Difference(TextChoices):
    """Two rows with one key are not among them: the database takes no second."""

    MISSING_OBJECT = "missing_object"
    ORPHAN_OBJECT = "orphan_object"
    SIZE_MISMATCH = "size_mismatch"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    STALE_UPLOAD = "stale_upload"
    PRESENT_AFTER_DELETE = "present_after_delete"
    WRONG_PREFIX = "wrong_prefix"

    @property
    def words(self) -> str:
        """What a run calls it: ``Missing object``."""
        return self.value.replace("_", " ").capitalize()

    @property
    def heading(self) -> str:
        """Under which it is counted."""
        return {
            Difference.MISSING_OBJECT: "Missing",
            Difference.ORPHAN_OBJECT: "Orphaned",
            Difference.SIZE_MISMATCH: "Mismatched",
            Difference.CHECKSUM_MISMATCH: "Mismatched",
        }.get(self, "Other")

    @property
    def severity(self) -> Discrepancy.Severity:
        """Critical is what the platform's operators must know at once."""
        if self == Difference.WRONG_PREFIX:
            return Severity.CRITICAL
        if self in {Difference.ORPHAN_OBJECT, Difference.STALE_UPLOAD}:
            return Severity.WARNING
        return Severity.ERROR


class Row(NamedTuple):
    """What is compared of a document."""

    pk: int
    key: str
    size: int
    etag: str
    sha256: str
    state: str
    created_at: datetime
    updated_at: datetime


class Suspect(NamedTuple):
    """A difference between a row and an object: made of what JSON can hold."""

    kind: str
    key: str
    document: int | None = None
    size: int = 0  # here
    stored: int = 0  # there
    etag: str = ""  # here
    sha256: str = ""  # here

    @property
    def difference(self) -> Difference:
        return Difference(self.kind)

    @property
    def line(self) -> str:
        """What a run says of it: ``Missing object: document 12 (firms/1/…)``."""
        about = f"document {self.document} ({clean(self.key)})"
        return f"{self.difference.words}: {about if self.document else clean(self.key)}"

    @property
    def finding(self) -> Finding:
        """The same as an issue."""
        there, here = self._states()
        label = f"Document {self.document}" if self.document else clean(self.key)
        return Finding(
            kind=self.kind,
            subject_key=subject_key(self.key),
            label=label,
            remote_state=there,
            local_state=here,
            severity=self.difference.severity,
        )

    def _states(self) -> tuple[str, str]:
        return {
            Difference.MISSING_OBJECT: ("not in the storage", "it is available here"),
            Difference.ORPHAN_OBJECT: (f"{_bytes(self.stored)} stored", "no document has it"),
            Difference.SIZE_MISMATCH: (
                f"{_bytes(self.stored)} stored",
                f"it has {_bytes(self.size)} here",
            ),
            Difference.CHECKSUM_MISMATCH: (
                "stored with another content",
                "the size is the same here",
            ),
            Difference.STALE_UPLOAD: ("its upload has not ended", "nobody is sending it"),
            Difference.PRESENT_AFTER_DELETE: ("still stored", "it was deleted here"),
            Difference.WRONG_PREFIX: (
                "stored where the files of others are",
                "this firm's document names it",
            ),
        }[self.difference]


def suspect(row: Row | None, stored: Stored | None, *, prefix: str, now: datetime) -> str:
    """Return which difference there seems to be between a row and an object, or nothing.

    ``prefix`` is where the firm's own files are, and all that was listed.
    """
    if row is None:
        assert stored is not None
        return "" if _is_young(stored.stored_at, now) else Difference.ORPHAN_OBJECT
    if not row.key.startswith(prefix):
        return "" if row.state == State.DELETED else Difference.WRONG_PREFIX
    if row.state == State.UPLOADING:
        return Difference.STALE_UPLOAD if row.created_at < now - STALE else ""
    if row.state == State.DELETED:
        gone = stored is None or _is_young(row.updated_at, now)
        return "" if gone else Difference.PRESENT_AFTER_DELETE
    if row.state != State.AVAILABLE or _is_young(row.created_at, now):
        return ""
    if stored is None:
        return Difference.MISSING_OBJECT
    if _is_young(stored.stored_at, now):
        return ""
    if stored.size != row.size:
        return Difference.SIZE_MISMATCH
    if row.etag and stored.etag and row.etag != stored.etag:
        return Difference.CHECKSUM_MISMATCH
    return ""


def same_content(known: Suspect, seen: Stored) -> bool:
    """Tell whether an object with another ETag may still be the file.

    Its SHA-256 decides where the storage tells it. An ETag does not where an object was
    sent, or copied, in parts (``…-3``): then it is no fingerprint of the content.
    """
    if seen.sha256:
        return seen.sha256 == known.sha256
    return seen.etag == known.etag or "-" in seen.etag or "-" in known.etag


def clean(key: str) -> str:
    """Return a key as it may be printed and stored: anybody may have made it up."""
    return "".join("�" if unicodedata.category(one)[0] == "C" else one for one in key)


def subject_key(key: str) -> str:
    """Return what an issue about an object is known by: its key, as far as that fits."""
    told = clean(key)
    if told == key and len(key) <= LONGEST:
        return key
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return f"{told[: LONGEST - len(digest) - 1]}…{digest}"


def _bytes(count: int) -> str:
    return f"{count} byte{'s' * (count != 1)}"


def _is_young(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now - YOUNG
