"""Documents of somebody who is erased: the words go at once, the files after the commit."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from apps.core.batches import key_pages
from apps.core.problems import Problem
from apps.documents.models import Document
from apps.documents.services.purging import finish_purges, mark_for_purge

State = Document.State

AT_ONCE = 1_000  # files that one step may take along


def erase_documents(documents: "QuerySet[Any]") -> int:
    """Let documents say nothing any more, and return how many there were.

    In the transaction of the erasure. A text is deleted by that; of a file the row stays
    marked until the storage has let go of it (``remove_stored_document``).
    """
    now, count = timezone.now(), 0
    for keys in key_pages(documents.exclude(state=State.DELETED)):
        these = Document.objects.filter(pk__in=keys)
        mark_for_purge(documents=list(these), actor=None, reason="erased", now=now)
        these.update(title="", text="", file_name="", owner=None, updated_at=now)
        these.filter(storage_key="").update(state=State.DELETED)
        count += len(keys)
    return count


def remove_stored_document(key: str) -> None:
    """Remove the file of a document that was erased, with all its versions.

    Others that wait to be removed in the same firm go along. Doing it twice is harmless; must
    not be called inside a transaction. Raises ``Problem`` while the file is still there.
    """
    document = Document.objects.select_related("firm").get(pk=int(key))
    if document.state != State.PURGE_PENDING:
        return
    purged = finish_purges(firm=document.firm, limit=AT_ONCE, now=timezone.now())
    document.refresh_from_db(fields=["state"])
    if document.state == State.PURGE_PENDING:
        raise Problem(purged.problem or "Other files are removed first.")
