"""Many files at once, for what machines bring in: the same steps, a page at a time.

As ``begin_upload`` and ``finish_upload``, but the number of statements does not grow with the
files, several are on their way at the same time, and nothing is written into the audit trail:
the rows that the files belong to say where they came from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db import transaction

from apps.core import bulk
from apps.documents.models import Document
from apps.documents.services.filing import fresh_key
from apps.documents.uploads import Upload
from apps.firms.models import Firm
from apps.integrations.asking import ask_at_once
from apps.integrations.storage import Storage, StorageError, Stored

State = Document.State

_COLUMNS = (
    "firm", "title", "sha256", "state", "file_name", "content_type", "size_bytes", "bucket",
    "storage_key", "created_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Titled:
    """A file, and what its document is called."""

    upload: Upload
    title: str


@dataclass(slots=True)
class Finished:
    """What came of many uploads: which documents are there, and why others are not."""

    arrived: set[int] = field(default_factory=set)
    problems: dict[int, StorageError] = field(default_factory=dict)


def begin_uploads(
    *, firm: Firm, files: Sequence[Titled], storage: Storage, now: datetime
) -> list[int]:
    """Write down that files are coming, and return the keys of their documents in order.

    To be called inside a transaction, together with the rows that they belong to.
    """
    rows = (
        (
            firm.pk,
            one.title[:200],
            one.upload.sha256,
            State.UPLOADING,
            one.upload.name,
            one.upload.kind.content_type,
            one.upload.size,
            storage.bucket,
            fresh_key(firm, one.upload),
            now,
        )
        for one in files
    )
    return bulk.insert(Document, _COLUMNS, rows)


def finish_uploads(
    *, uploads: Mapping[int, Upload], storage: Storage, now: datetime
) -> Finished:
    """Put files where their documents, by key, say; those that arrive are available.

    Not to be called inside a transaction. Documents that are not ``uploading`` any more are
    left alone; what was sent for one that somebody deleted meanwhile is removed again.
    """
    coming = Document.objects.filter(
        pk__in=uploads, state=State.UPLOADING, bucket=storage.bucket
    )
    documents = list(coming.order_by("pk").defer("text"))
    put = partial(_put, storage)
    answers = ask_at_once(put, [(one, uploads[one.pk]) for one in documents])
    finished, stored = Finished(), list[Document]()
    for document, answer in zip(documents, answers, strict=True):
        if isinstance(answer, StorageError):
            finished.problems[document.pk] = answer
            continue
        document.state, document.updated_at = State.AVAILABLE, now
        document.version_id, document.etag = answer.version_id, answer.etag
        stored.append(document)
    with transaction.atomic(durable=True):
        ours = coming.filter(pk__in=[one.pk for one in stored]).select_for_update()
        finished.arrived = set(ours.values_list("pk", flat=True))
        bulk.update(
            [one for one in stored if one.pk in finished.arrived],
            ["state", "version_id", "etag", "updated_at"],
        )
    for document in stored:
        if document.pk not in finished.arrived:
            storage.remove(document.storage_key)
    return finished


def _put(storage: Storage, told: tuple[Document, Upload]) -> Stored | StorageError:
    document, upload = told
    try:
        return storage.put(
            document.storage_key,
            upload.content,
            content_type=document.content_type,
            size=upload.size,
            sha256=upload.sha256,
        )
    except StorageError as error:
        return error
