"""Which letters go when a firm's retention policy says so (spec D6)."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.core.personal import Cutoff, Expiry, Need, Removal, Removed
from apps.documents.models import Document
from apps.documents.services import finish_purges
from apps.firms.models import Firm, RetentionPolicy
from apps.mailbox.models import EmailAttachment, EmailMessage, Ticket, TicketEntry
from apps.mailbox.services.letting_go import GONE, blank_letters, delete_letters

LIMIT = 20_000  # files whose keys are held in memory
REASON = "Retention policy"

Emails = RetentionPolicy.DataType.EMAILS


def _due(firm_id: int, cutoff: Cutoff) -> "QuerySet[EmailMessage]":
    """Return letters received before the cutoff, but for those of open tickets."""
    old = EmailMessage.objects.filter(firm=firm_id, received_at__lt=cutoff.at)
    # Not a join: the rows are going to be locked, and a letter may have no entry.
    entry = TicketEntry.objects.filter(pk=OuterRef("entry"), ticket__status=Ticket.Status.OPEN)
    return old.exclude(Exists(entry))


def _delete(keys: Sequence[int], now: datetime) -> int:
    return delete_letters(keys=keys, reason=REASON, now=now)


def _anonymise(keys: Sequence[int], now: datetime) -> int:
    return blank_letters(keys=keys, reason=REASON, now=now)


# ---- their files ----------------------------------------------------------------------------


def _none_due(firm_id: int, cutoff: Cutoff) -> "QuerySet[Document]":
    return Document.objects.none()  # they were marked with their letters


def _none(keys: Sequence[int], now: datetime) -> int:
    return 0


def _marked(firm_id: int) -> "QuerySet[Document]":
    return Document.objects.none()  # they do not count: their letters did


def _remove(firm_id: int, held: Q, now: datetime) -> Removed:
    """Remove marked files; where a policy about documents is in force, that one does."""
    documents = RetentionPolicy.objects.filter(
        firm=firm_id, data_type=RetentionPolicy.DataType.DOCUMENTS, is_active=True
    )
    if documents.exists():
        return Removed(0, 0, "")
    finish = partial(finish_purges, firm=Firm.objects.get(pk=firm_id), limit=LIMIT, now=now)
    while True:
        purged = finish(held=held)
        if purged.problem or purged.deleted < LIMIT:
            return Removed(0, purged.left, purged.problem)


def _files_of_letters(firm_id: int, cutoff: Cutoff) -> Q:
    """Return the raw copies and attachments: they stay as long as their letters."""
    letters = EmailMessage.objects.filter(firm=firm_id, raw__isnull=False)
    files = EmailAttachment.objects.filter(firm=firm_id, document__isnull=False)
    return Q(pk__in=letters.values("raw")) | Q(pk__in=files.values("document"))


EXPIRIES = (
    Expiry(
        Emails,
        EmailMessage,
        _due,
        _delete,
        _anonymise,
        anonymised=Q(message_key__startswith=GONE),
    ),
    Expiry(Emails, Document, _none_due, _none, _none, removal=Removal(_marked, _remove)),
)

NEEDS = (Need(Document, _files_of_letters),)
