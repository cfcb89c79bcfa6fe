"""What mailboxes hold about people: who asked for something, and what they wrote.

A letter is about whoever wrote it, if they have confirmed the address that it came from.
Others who stand in it are spoken of, as in any text.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.core.batches import by_key, key_pages
from apps.core.personal import Attachment, Fate, Holding, Step, by_contact
from apps.documents.models import Document
from apps.documents.personal import STORED_DOCUMENT
from apps.documents.services import erase_documents, open_file
from apps.mailbox.models import (
    EmailAttachment,
    EmailConnection,
    EmailFolderState,
    EmailMessage,
    Ticket,
    TicketEntry,
    TicketReference,
)
from apps.mailbox.services.letting_go import delete_empty, delete_letters


def _files(attachments: "QuerySet[Any]") -> Iterator[Attachment]:
    there = attachments.filter(document__state=Document.State.AVAILABLE)
    for file in by_key(there.select_related("document")):
        yield Attachment(file.name, partial(open_file, document=file.document))


def _raw(keys: Sequence[int]) -> Q:
    """Return which documents are the raw copies of letters."""
    letters = EmailMessage.objects.filter(pk__in=keys, raw__isnull=False)
    return Q(pk__in=letters.values("raw"))


def _attached(keys: Sequence[int]) -> Q:
    """Return which documents are these attachments."""
    files = EmailAttachment.objects.filter(pk__in=keys, document__isnull=False)
    return Q(pk__in=files.values("document"))


def _stored(files: Callable[[Sequence[int]], Q], rows: "QuerySet[Any]") -> Iterator[Step]:
    """Yield the files that have to be removed from the storage."""
    for keys in key_pages(rows):
        there = Document.objects.filter(files(keys)).exclude(state=Document.State.DELETED)
        for key in there.order_by("pk").values_list("pk", flat=True):
            yield Step(STORED_DOCUMENT, str(key))


def _erase_attachments(attachments: "QuerySet[Any]") -> int:
    """Let attachments go with their files; they go before their letters."""
    count = 0
    for keys in key_pages(attachments):
        erase_documents(Document.objects.filter(_attached(keys)))
        count += EmailAttachment.objects.filter(pk__in=keys).delete()[0]
    return count


def _erase_letters(letters: "QuerySet[Any]") -> int:
    """Let letters go with their raw copies and whatever is empty without them."""
    count, now = 0, timezone.now()
    for keys in key_pages(letters):
        erase_documents(Document.objects.filter(_raw(keys)))
        count += delete_letters(keys=keys, reason="erased", now=now)
    return count


def _erase_entries(entries: "QuerySet[Any]") -> int:
    """Let entries go that no letter is left of; in a ticket there are others' letters, too."""
    return sum(delete_empty(keys) for keys in key_pages(entries))


HOLDINGS = (
    Holding(
        EmailMessage,
        category="letters",
        of=by_contact("writer"),
        exports=(
            *("received_at", "header_date", "sender_name", "sender_email", "to", "cc"),
            *("subject", "text", "html", "size", "state"),
        ),
        told=("sender_name", "sender_email", "to", "cc", "subject", "text", "html"),
        plain=("folder", "problem"),
        secret=("message_key", "fingerprint", "message_id", "in_reply_to", "references"),
        outside=partial(_stored, _raw),
        erase=_erase_letters,
    ),
    Holding(
        EmailAttachment,
        category="letters",
        of=by_contact("message__writer"),
        exports=("message__subject", "name", "content_type", "size"),
        attachments=_files,
        told=("name",),
        plain=("content_id",),
        outside=partial(_stored, _attached),
        erase=_erase_attachments,
    ),
    Holding(
        TicketReference,
        category="tickets",
        of=by_contact("ticket__requester"),
        secret=("message_id",),
    ),
    Holding(
        TicketEntry,
        category="tickets",
        of=by_contact("ticket__requester"),
        exports=("ticket__subject", "received_at"),
        erase=_erase_entries,
        secret=("message_key", "fingerprint"),
    ),
    Holding(
        Ticket,
        category="tickets",
        of=by_contact("requester"),
        exports=(
            *("subject", "status", "requester_name", "requester_email", "opened_at"),
            *("last_message_at", "closed_at"),
        ),
        fate=Fate.ANONYMISE,
        becomes={
            "subject": lambda key: f"Erased ticket {key}",
            "requester": None,
            "requester_name": "",
            "requester_email": "",
        },
        authors=("assigned_to",),
        told=("subject", "requester_name", "requester_email"),
    ),
    # ---- nobody's ---------------------------------------------------------------------
    Holding(EmailFolderState, plain=("folder",)),
    # A mailbox is a firm's, whoever its name reminds of.
    Holding(
        EmailConnection,
        plain=("name", "host", "folders", "problem"),
        secret=("username", "secret"),
    ),
)
