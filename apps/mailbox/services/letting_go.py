"""Letters that go: because a firm keeps them no longer, or because somebody is erased."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import CharField, Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat

from apps.documents.models import Document
from apps.documents.services import mark_for_purge
from apps.mailbox.models import (
    EmailAttachment,
    EmailMessage,
    Ticket,
    TicketEntry,
    TicketReference,
)

GONE = "gone:"  # how the key of an anonymised letter begins


def files_of(keys: Sequence[int]) -> Q:
    """Return which documents are the raw copies and attachments of letters."""
    letters = EmailMessage.objects.filter(pk__in=keys, raw__isnull=False)
    files = EmailAttachment.objects.filter(message__in=keys, document__isnull=False)
    return Q(pk__in=letters.values("raw")) | Q(pk__in=files.values("document"))


def delete_letters(*, keys: Sequence[int], reason: str, now: datetime) -> int:
    """Delete letters and all that hangs on them, and return how many there were.

    Their files are marked as being deleted, for ``finish_purges``. A closed ticket without
    letters goes, too. Must run inside a transaction.
    """
    _mark_files(keys, reason, now)
    letters = EmailMessage.objects.filter(pk__in=keys)
    entries = list(letters.exclude(entry=None).values_list("entry", flat=True))
    files = EmailAttachment.objects.filter(message__in=keys)
    files._raw_delete(files.db)
    count = letters._raw_delete(letters.db)
    delete_empty(entries)
    return int(count)


def blank_letters(*, keys: Sequence[int], reason: str, now: datetime) -> int:
    """Let letters name nobody and say nothing, and return how many there were.

    What is left are counters and dates. Their files are marked as being deleted; a closed
    ticket whose letters are all blank names nobody either. Must run inside a transaction.
    """
    _mark_files(keys, reason, now)
    letters = EmailMessage.objects.filter(pk__in=keys)
    files = EmailAttachment.objects.filter(message__in=keys)
    files._raw_delete(files.db)
    count = letters.update(
        message_key=Concat(Value(GONE), Cast("pk", CharField())),
        message_id="",
        in_reply_to="",
        references=[],
        writer=None,
        sender_name="",
        sender_email="",
        to=[],
        cc=[],
        subject="",
        text="",
        html="",
        problem="",
        raw=None,
        files_due=False,
        updated_at=now,
    )
    tickets = Ticket.objects.filter(
        entries__messages__in=keys, status=Ticket.Status.CLOSED
    ).distinct()
    named = EmailMessage.objects.filter(entry__ticket=OuterRef("pk")).exclude(
        message_key__startswith=GONE
    )
    blank = list(tickets.exclude(Exists(named)).values_list("pk", flat=True))
    Ticket.objects.filter(pk__in=blank).update(
        subject="", requester=None, requester_name="", requester_email="", updated_at=now
    )
    return count


def _mark_files(keys: Sequence[int], reason: str, now: datetime) -> None:
    documents = list(Document.objects.filter(files_of(keys)).only("pk"))
    mark_for_purge(documents=documents, actor=None, reason=reason, now=now)


def delete_empty(entries: Sequence[int]) -> int:
    """Delete entries that no letter is left of, and closed tickets without entries.

    Returns how many entries there were. Must run inside a transaction.
    """
    letters = EmailMessage.objects.filter(entry=OuterRef("pk"))
    empty = TicketEntry.objects.filter(pk__in=entries).exclude(Exists(letters))
    tickets = set(empty.values_list("ticket", flat=True))
    gone = TicketEntry.objects.filter(pk__in=list(empty.values_list("pk", flat=True)))
    count = gone._raw_delete(gone.db)
    left = TicketEntry.objects.filter(ticket=OuterRef("pk"))
    closed = Ticket.objects.filter(pk__in=tickets, status=Ticket.Status.CLOSED)
    over = list(closed.exclude(Exists(left)).values_list("pk", flat=True))
    for rows in (
        TicketReference.objects.filter(ticket__in=over),
        Ticket.objects.filter(pk__in=over),
    ):
        rows._raw_delete(rows.db)
    return int(count)
