"""Documents come in: texts at once, files in the three steps of spec A5.4.

A row says where a file is going to be; the file goes there outside any transaction; the row
says that it is there. Whatever dies in between leaves a row that is ``uploading`` and no
document to anybody.
"""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from tempfile import TemporaryFile
from typing import BinaryIO

from django.db import transaction

from apps.audit.services import record
from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.documents.models import Document, SignatureRequest, fingerprint
from apps.documents.uploads import Upload
from apps.firms.models import Firm, User
from apps.installations.leaving import refuse_if_strange
from apps.integrations.storage import Storage, bucket_in_use, get_storage

State = Document.State


class DocumentChanged(Problem):
    """The text is not the one that was to be signed."""


def save_document(*, document: Document) -> Document:
    """Save a text together with its fingerprint, or what people say about a file.

    Raises ``DocumentChanged`` when somebody has already been asked to sign another text.
    """
    if not document.is_file:
        document.sha256 = fingerprint(document.text)
    _check_owner(document.owner, document.firm_id)
    with transaction.atomic():
        asked = SignatureRequest.objects.filter(document_id=document.pk)
        if asked.exclude(document__sha256=document.sha256).exists():
            raise DocumentChanged("People were asked to sign this text; it stays as it is.")
        document.save()
    return document


# ---- files --------------------------------------------------------------------------------


def store_file(
    *,
    firm: Firm,
    upload: Upload,
    title: str,
    owner: Contact | None,
    actor: User | None,
    now: datetime,
) -> Document:
    """Store a file as a new document; not to be called inside a transaction.

    Raises ``StorageError`` when the storage does not take it: the document then stays
    ``uploading``, and trying again makes another one.
    """
    with transaction.atomic(durable=True):
        document = begin_upload(firm=firm, upload=upload, title=title, owner=owner, now=now)
    finish_upload(document=document, upload=upload, actor=actor, now=now)
    return document


def begin_upload(
    *, firm: Firm, upload: Upload, title: str, owner: Contact | None, now: datetime
) -> Document:
    """Write down that a file is coming, and under which key; the first step.

    For who stores a file together with rows of their own: this inside the transaction, and
    ``finish_upload`` after its commit.
    """
    refuse_if_strange()  # or it would wait for ever for a file that cannot be stored
    _check_owner(owner, firm.pk)
    return Document.objects.create(
        firm=firm,
        title=title,
        owner=owner,
        sha256=upload.sha256,
        state=State.UPLOADING,
        file_name=upload.name,
        content_type=upload.kind.content_type,
        size_bytes=upload.size,
        bucket=bucket_in_use(),
        storage_key=fresh_key(firm, upload),
        created_at=now,
    )


def finish_upload(
    *, document: Document, upload: Upload, actor: User | None, now: datetime
) -> None:
    """Put a file where its document says, and let the document be available.

    Not to be called inside a transaction. Nothing is sent for a document that is no longer
    ``uploading``; what was sent for one that somebody deleted meanwhile is removed again.
    Raises ``StorageError``; then the document stays as it is.
    """
    coming = Document.objects.filter(pk=document.pk, state=State.UPLOADING)
    if not coming.exists():
        raise Problem("This file is not expected any more.")
    with _storage_of(document) as storage:
        stored = storage.put(
            document.storage_key,
            upload.content,
            content_type=document.content_type,
            size=upload.size,
            sha256=upload.sha256,
        )
        with transaction.atomic(durable=True):
            arrived = coming.update(
                state=State.AVAILABLE,
                version_id=stored.version_id,
                etag=stored.etag,
                updated_at=now,
            )
            if arrived:
                changes = {"size": upload.size, "sha256": upload.sha256}
                record("file_stored", document, actor=actor, changes=changes)
        if not arrived:
            storage.remove(document.storage_key)
            raise Problem("The document was deleted while its file was on the way.")
    document.refresh_from_db()


def open_file(*, document: Document) -> BinaryIO:
    """Return a document's file, fetched to this machine's disk; gone when it is closed.

    Not to be called inside a transaction. Raises ``StorageError``.
    """
    with ExitStack() as stack:
        file = stack.enter_context(TemporaryFile())
        with _storage_of(document) as storage:
            version = document.version_id
            file.writelines(storage.read(document.storage_key, version_id=version))
        file.seek(0)
        stack.pop_all()
    return file


def link_to(*, document: Document) -> str:
    """Return an address at which a document's file can be downloaded for two minutes.

    Whoever has it may, so ask who is asking before. Raises ``Problem`` where there is no file.
    """
    if not document.is_file or document.state != State.AVAILABLE:
        raise Problem("There is no file to download.")
    with _storage_of(document) as storage:
        return storage.link(
            document.storage_key,
            version_id=document.version_id,
            file_name=document.file_name,
            content_type=document.content_type,
        )


def prefix_of(firm: Firm) -> str:
    """Return how the keys of a firm's files begin."""
    return f"firms/{firm.pk}/"


@contextmanager
def _storage_of(document: Document) -> Iterator[Storage]:
    with closing(get_storage()) as storage:
        if storage.bucket != document.bucket:
            raise Problem("The file is not in the storage that STORAGE_URL names.")
        yield storage


def fresh_key(firm: Firm, upload: Upload) -> str:
    """Return a key that nobody had before, and that says nothing of what people typed."""
    return f"{prefix_of(firm)}{uuid.uuid4()}/file{upload.kind.suffixes[0]}"


def _check_owner(owner: Contact | None, firm_id: int) -> None:
    if owner and owner.firm_id != firm_id:
        raise Problem("The owner belongs to another firm.")
