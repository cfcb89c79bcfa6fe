"""Documents go for good, in two phases (spec D6): first the decision, then the objects.

Retention and erasure decide, many at once, and mark what has to go in a transaction of
theirs. What the storage then does not let go of stays marked for the next run.
"""

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from apps.audit.services import event, record_all
from apps.core.batches import batched
from apps.core.personal import NOTHING
from apps.documents.models import Document
from apps.firms.models import Firm, User
from apps.integrations.asking import ask_at_once
from apps.integrations.storage import Storage, StorageDown, StorageError, get_storage

State = Document.State

AT_ONCE = 200  # documents between two transactions
ENOUGH = 3  # times that the storage is down, after which it is left alone


@dataclass(frozen=True, slots=True)
class Purged:
    """What came of finishing purges."""

    deleted: int
    left: int  # for the next run
    problem: str = ""  # why: what the storage said last


def mark_for_purge(
    *, documents: Collection[Document], actor: User | None, reason: str, now: datetime
) -> int:
    """Mark documents as being deleted, and return how many were not yet; the first phase.

    To be called inside a transaction, once it is known that nothing holds them. From then on
    they can be neither read, signed nor downloaded. An upload under way is marked, too.
    """
    going = list(
        Document.objects.filter(
            pk__in=[document.pk for document in documents],
            state__in=[State.AVAILABLE, State.UPLOADING],
        )
        .select_for_update()
        .defer("text")
        .order_by("pk")
    )
    Document.objects.filter(pk__in=[document.pk for document in going]).update(
        state=State.PURGE_PENDING, updated_at=now
    )
    record_all(event("document_purged", one, actor=actor, reason=reason) for one in going)
    return len(going)


def finish_purges(*, firm: Firm | None, limit: int, now: datetime, held: Q = NOTHING) -> Purged:
    """Remove the files of up to ``limit`` marked documents, and blank their rows.

    Not to be called inside a transaction. Of one firm, or of all; without those that are
    ``held``: a legal hold may have been placed since they were marked. A file goes with all its
    versions; then the row no longer says what it was or whose, but keeps the key by which
    reconciling sees that the file stays away. What fails is left for the next run, behind
    what has waited longer; when the storage is down this one ends early.
    """
    waiting = Document.objects.filter(state=State.PURGE_PENDING).exclude(held)
    if firm is not None:
        waiting = waiting.filter(firm=firm)
    with transaction.atomic(durable=True):
        oldest = waiting.order_by("updated_at", "pk").values_list("pk", flat=True)
        keys = list(oldest[:limit])
    deleted, left = 0, len(keys)
    with closing(get_storage()) as storage:
        remover = _Remover(storage)
        for some in batched(keys, AT_ONCE):
            documents = list(waiting.filter(pk__in=some).defer("text"))
            removed = ask_at_once(remover.remove, documents)
            gone = [one for one, done in zip(documents, removed, strict=True) if done]
            deleted += _bury(documents, gone, now=now)
            left -= len(some) - len(documents) + len(gone)
            if remover.gave_up:
                break
    return Purged(deleted, left, remover.problem)


class _Remover:
    """Removes files for several threads, until the storage has been down often enough."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.problem = ""
        self._down = 0

    @property
    def gave_up(self) -> bool:
        return self._down >= ENOUGH

    def remove(self, document: Document) -> bool:
        """Return whether nothing of a document is in the storage any more."""
        if not document.is_file:
            return True
        if self.gave_up:
            return False
        if document.bucket != self.storage.bucket:
            self.problem = "A file is not in the storage that STORAGE_URL names."
            return False
        try:
            self.storage.remove(document.storage_key)
        except StorageError as error:
            self.problem = str(error)
            self._down += isinstance(error, StorageDown)
            return False
        return True


def _bury(tried: Collection[Document], gone: Collection[Document], *, now: datetime) -> int:
    """Blank the rows whose files are gone, send the others to the end of the queue."""
    same = Document.objects.filter(state=State.PURGE_PENDING)
    with transaction.atomic(durable=True):
        # Another run may have removed the same files at the same time.
        ours = list(
            same.filter(pk__in=[document.pk for document in gone])
            .select_for_update()
            .defer("text")
            .order_by("pk")
        )
        same.filter(pk__in=[document.pk for document in ours]).update(
            state=State.DELETED, title="", text="", file_name="", owner=None, updated_at=now
        )
        record_all(event("document_deleted", document) for document in ours)
        same.filter(pk__in=[document.pk for document in tried]).update(updated_at=now)
    return len(ours)
