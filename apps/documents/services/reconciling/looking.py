"""One look at a firm's rows and at what is stored for it, side by side.

Both sides are read once, a thousand at a time, in the order of their keys' bytes: the order
that S3 lists in, and no language's. What seems to differ waits on disk until all has been
seen, so that memory stays flat and nothing is recorded of a list that was not whole.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from tempfile import SpooledTemporaryFile

from django.db import connection
from django.db.models.functions import Collate

from apps.core import batches
from apps.core.problems import Problem
from apps.core.reports import Report
from apps.documents.models import Document
from apps.documents.services.filing import prefix_of
from apps.documents.services.reconciling.comparing import (
    Difference,
    Row,
    Suspect,
    same_content,
    suspect,
)
from apps.firms.models import Firm
from apps.integrations.asking import ask_at_once
from apps.integrations.storage import Missing, Storage, Stored

PAGE = 1_000
ON_DISK = 1_048_576  # bytes of suspects in memory; more go to a file
FEW = 10  # files that may be missing of any number
SHARE = 5  # … and of many, a fifth

# What a database calls the order of bytes.
BYTES = {"postgresql": "C", "sqlite": "BINARY"}


class ListingIncomplete(Problem):
    """So much is missing that it must be the list, or another bucket."""


@dataclass(slots=True)
class Looking:
    """Goes through a firm's files once; no transaction is open while it asks."""

    firm: Firm
    storage: Storage
    now: datetime
    report: Report
    documents: int = 0  # that were compared
    objects: int = 0
    _expected: int = 0  # documents whose object should be in the list
    _seen: Counter[str] = field(default_factory=Counter)  # by difference

    def suspects(self) -> Iterator[Suspect]:
        """Yield every difference once, all of them after the last question was answered.

        Raises ``StorageError``, and ``ListingIncomplete`` instead of reporting that a firm
        has lost its files.
        """
        return spooled(self._confirmed(spooled(self._suspected())))

    def _suspected(self) -> Iterator[Suspect]:
        prefix = prefix_of(self.firm)
        pairs = side_by_side(
            self._paused(self.storage.listing(prefix)), rows(self.firm, self.storage.bucket)
        )
        for row, stored in pairs:
            self.documents += row is not None and row.state == Document.State.AVAILABLE
            self.objects += stored is not None
            kind = suspect(row, stored, prefix=prefix, now=self.now)
            self._expected += (
                row is not None
                and row.state == Document.State.AVAILABLE
                and (stored is not None or kind == Difference.MISSING_OBJECT)
            )
            if kind:
                self._seen[kind] += 1
                yield _suspect(kind, row, stored)
        self._check_listing()

    def _paused(self, objects: Iterable[Stored]) -> Iterator[Stored]:
        for page in batches.batched(objects, PAGE):
            self.report.pause()
            yield from page

    def _check_listing(self) -> None:
        missing = self._seen[Difference.MISSING_OBJECT]
        too_many = missing > FEW and missing * SHARE > self._expected
        if too_many or (missing and not self.objects):
            raise ListingIncomplete(
                f"Listing looks incomplete ({self._expected - missing} of {self._expected} "
                "objects found); nothing recorded."
            )

    def _confirmed(self, suspects: Iterable[Suspect]) -> Iterator[Suspect]:
        for page in batches.batched(suspects):
            self.report.pause()
            looked_at = [one for one in page if one.difference in _LOOK]
            seen = dict(zip(looked_at, ask_at_once(self._look, looked_at), strict=True))
            theirs = _keys_of_documents(
                self.storage.bucket,
                [one.key for one in page if one.difference == Difference.ORPHAN_OBJECT],
            )
            for one in page:
                if one.difference in _LOOK:
                    yield from _look_again(one, seen[one])
                elif one.key not in theirs or one.document:
                    yield one

    def _look(self, one: Suspect) -> Stored | None:
        try:
            return self.storage.look(one.key)
        except Missing:
            return None


_LOOK = {
    Difference.MISSING_OBJECT,
    Difference.CHECKSUM_MISMATCH,
    Difference.PRESENT_AFTER_DELETE,
}


def _look_again(one: Suspect, seen: Stored | None) -> Iterator[Suspect]:
    """Yield a difference if it stands after a look at the object itself."""
    match one.difference:
        case Difference.MISSING_OBJECT if seen and seen.size != one.size:
            yield one._replace(kind=Difference.SIZE_MISMATCH.value, stored=seen.size)
        case Difference.MISSING_OBJECT if seen is None:
            yield one
        case Difference.CHECKSUM_MISMATCH if seen is None or not same_content(one, seen):
            kind = one.kind if seen else Difference.MISSING_OBJECT.value
            yield one._replace(kind=kind)
        case Difference.PRESENT_AFTER_DELETE if seen:
            yield one


def _suspect(kind: str, row: Row | None, stored: Stored | None) -> Suspect:
    size = stored.size if stored else 0
    if row is None:
        assert stored is not None
        return Suspect(kind, stored.key, stored=size)
    return Suspect(kind, row.key, row.pk, row.size, size, row.etag, row.sha256)


def _keys_of_documents(bucket: str, keys: Sequence[str]) -> set[str]:
    """Return which of these keys some document has, be it another firm's."""
    if not keys:
        return set()
    named = Document.objects.filter(bucket=bucket, storage_key__in=keys)
    return set(named.values_list("storage_key", flat=True))


# ---- two sides, one order -------------------------------------------------------------------


def rows(firm: Firm, bucket: str) -> Iterator[Row]:
    """Yield what a firm's documents say is in a bucket, in the order of the keys' bytes."""
    in_order = (
        Document.objects.filter(firm=firm, bucket=bucket)
        .alias(place=Collate("storage_key", BYTES[connection.vendor]))
        .order_by("place")
    )
    last, more = "", True
    while more:
        page = in_order.filter(place__gt=last).values_list(*_COLUMNS)[:PAGE]
        found = [Row(*values) for values in page]
        yield from found
        more = len(found) == PAGE
        last = found[-1].key if found else last


_COLUMNS = (
    *("pk", "storage_key", "size_bytes", "etag", "sha256", "state"),
    *("created_at", "updated_at"),
)


def side_by_side(
    objects: Iterable[Stored], rows: Iterable[Row]
) -> Iterator[tuple[Row | None, Stored | None]]:
    """Yield each row with its object; either may stand alone. Both are in order."""
    listed, known = iter(objects), iter(rows)
    stored, row = next(listed, None), next(known, None)
    while stored is not None or row is not None:
        there = stored.key.encode() if stored else b""
        here = row.key.encode() if row else b""
        if row is None or (stored is not None and there < here):
            yield None, stored
            stored = next(listed, None)
        elif stored is None or here < there:
            yield row, None
            row = next(known, None)
        else:
            yield row, stored
            stored, row = next(listed, None), next(known, None)


def spooled(suspects: Iterable[Suspect]) -> Iterator[Suspect]:
    """Yield the same when all of them have come without an error, in flat memory."""
    with SpooledTemporaryFile(ON_DISK, "w+", encoding="utf-8") as file:
        for one in suspects:
            file.write(json.dumps(one) + "\n")
        file.seek(0)
        for line in file:
            yield Suspect(*json.loads(line))
