"""What documents, signatures and file requests hold about people."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.batches import by_key
from apps.core.personal import (
    AT_ERASURE,
    Attachment,
    Fate,
    Holding,
    Holds,
    Step,
    by_contact,
)
from apps.documents.models import (
    Document,
    FileRequest,
    FileRequestItem,
    ReceivedFile,
    SignatureRequest,
    UploadLink,
)
from apps.documents.services import erase_documents, open_file, remove_stored_document

_SIGNED = SignatureRequest.Status.SIGNED
# Not a path: a document that several have signed would be found several times.
_WITH_SIGNATURES = Q(pk__in=SignatureRequest.objects.filter(status=_SIGNED).values("document"))

STORED_DOCUMENT = "stored_document"


def _attachments(documents: QuerySet[Any]) -> Iterator[Attachment]:
    for document in by_key(documents.filter(state=Document.State.AVAILABLE)):
        if document.is_file:
            yield Attachment(document.file_name, partial(open_file, document=document))


def _files(documents: QuerySet[Any]) -> Iterator[Step]:
    """Yield the files that have to be removed from the storage."""
    files = documents.exclude(storage_key="").exclude(state=Document.State.DELETED)
    for key in files.order_by("pk").values_list("pk", flat=True):
        yield Step(STORED_DOCUMENT, str(key))


def _with_held_documents(path: str) -> Callable[[Holds], Q]:
    """Return what finds rows that hang on held documents, over the files that came."""
    return lambda holds: Q(
        pk__in=ReceivedFile.objects.filter(document__in=holds.of("documents.document")).values(
            path
        )
    )


HOLDINGS = (
    # Files themselves are exported, and erased, as documents.
    Holding(
        ReceivedFile,
        category="file requests",
        of=by_contact("item__request__contact"),
        exports=("item__title", "document__file_name", "received_at", "state", "reason"),
        told=("reason",),
        plain=("sha256",),
        authors=("decided_by",),
        held=_with_held_documents("pk"),
    ),
    Holding(
        FileRequestItem,
        category="file requests",
        of=by_contact("request__contact"),
        exports=("request__title", "title"),
        told=("title",),
        held=_with_held_documents("item"),
    ),
    Holding(
        FileRequest,
        category="file requests",
        of=by_contact("contact"),
        exports=(
            *("title", "note", "asked_on", "due_date", "status", "reminder_count"),
            *("last_reminder_on", "fulfilled_at"),
        ),
        told=("title", "note"),
        authors=("requested_by",),
        held=_with_held_documents("item__request"),
    ),
    Holding(
        UploadLink,
        category="file requests",
        of=by_contact("contact"),
        exports=("created_at", "expires_at"),
        plain=("message",),
        secret=("token_nonce", "token_hash"),
    ),
    Holding(
        SignatureRequest,
        category="signatures",
        of=by_contact("signer"),
        exports=(
            *("document__title", "status", "token_created_at", "viewed_at", "signed_at"),
            *("signed_name", "signed_sha256", "declined_at", "expired_at"),
        ),
        fate=Fate.RETAIN,
        # A link that is still open works no more.
        becomes={"signed_name": "", "signed_sha256": "", "token_expires_at": AT_ERASURE},
        since="signed_at",
        retains=Q(status=_SIGNED),
        held=lambda holds: Q(document__in=holds.of("documents.document")),
        authors=("requested_by",),
        secret=("token_nonce", "token_hash"),
    ),
    # Its text is not told: whoever else it names, a text to be signed stays as it is.
    Holding(
        Document,
        category="documents",
        of=by_contact("owner"),
        exports=(
            *("title", "text", "file_name", "content_type", "size_bytes", "sha256"),
            "created_at",
        ),
        attachments=_attachments,
        fate=Fate.RETAIN,
        since="created_at",
        retains=_WITH_SIGNATURES,
        held=lambda holds: Q(pk__in=holds.of("documents.document")),
        plain=("bucket", "storage_key", "version_id", "etag"),
        outside=_files,
        erase=erase_documents,
    ),
)

OUTSIDE = {STORED_DOCUMENT: remove_stored_document}
