"""Which documents go when a firm's retention policy says so (spec D6)."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from apps.core.personal import Cutoff, Expiry, Removal, Removed
from apps.documents.models import (
    Document,
    DocumentQuerySet,
    FileRequest,
    ReceivedFile,
    SignatureRequest,
)
from apps.documents.services import finish_purges, mark_for_purge
from apps.firms.models import Firm, RetentionPolicy

LIMIT = 20_000  # documents whose keys are held in memory


def _due(firm_id: int, cutoff: Cutoff) -> DocumentQuerySet:
    """Return documents closed or filed before the cutoff.

    Those that are still to be signed stay, and those that came for an open file request.
    """
    to_be_signed = SignatureRequest.objects.open().filter(document=OuterRef("pk"))
    asked_for = ReceivedFile.objects.filter(
        document=OuterRef("pk"), item__request__status__in=FileRequest.OPEN
    )
    closed = Q(retention_anchor_on__lt=cutoff.day)
    filed = Q(retention_anchor_on=None, created_at__lt=cutoff.at)
    return (
        Document.objects.filter(closed | filed, firm=firm_id)
        .filter(state__in=[Document.State.AVAILABLE, Document.State.UPLOADING])
        .exclude(Exists(to_be_signed))
        .exclude(Exists(asked_for))
    )


def _marked(firm_id: int) -> DocumentQuerySet:
    return Document.objects.filter(firm=firm_id, state=Document.State.PURGE_PENDING)


def _mark(keys: Sequence[int], now: datetime) -> int:
    """Mark documents; what is left of one afterwards names nobody, so both actions do this."""
    documents = Document.objects.filter(pk__in=keys).only("pk")
    return mark_for_purge(documents=documents, actor=None, reason="Retention policy", now=now)


def _remove(firm_id: int, held: Q, now: datetime) -> Removed:
    firm = Firm.objects.get(pk=firm_id)
    gone = 0
    while True:
        purged = finish_purges(firm=firm, limit=LIMIT, now=now, held=held)
        gone += purged.deleted
        if purged.problem or purged.deleted < LIMIT:
            return Removed(gone, purged.left, purged.problem)


EXPIRIES = (
    Expiry(
        RetentionPolicy.DataType.DOCUMENTS,
        Document,
        _due,
        _mark,
        _mark,
        removal=Removal(_marked, _remove),
    ),
)
