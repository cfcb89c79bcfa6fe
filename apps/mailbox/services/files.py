"""Raw copies and attachments on their way into the document storage (spec A5.4).

The transaction that stores a letter writes down which files are coming; they are sent after
it. Until they have arrived the letter is ``files_due``, and the next run fetches it again.
"""

import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from django.db import transaction

from apps.documents.kinds import Kind
from apps.documents.models import Document
from apps.documents.services import (
    Titled,
    begin_uploads,
    finish_uploads,
    mark_for_purge,
)
from apps.documents.uploads import Upload
from apps.firms.models import Firm
from apps.integrations.storage import Storage, StorageError
from apps.mailbox.models import EmailAttachment, EmailMessage
from apps.mailbox.parsing import File, file_kind

LOST = "its raw copy could not be kept: the server no longer has the letter as it was"

_LETTER = Kind("letter", "message/rfc822", (".eml",), re.compile(b""))


@dataclass(frozen=True, slots=True)
class Files:
    """What of a letter is to be kept: its bytes, and the files in them."""

    raw: bytes | None
    attachments: Sequence[File]
    name: str  # "message 12 of INBOX"

    def titled(self) -> list[Titled]:
        """Return the files with what their documents are called; the raw copy first."""
        raw = [] if self.raw is None else [self._raw_copy(self.raw)]
        return [*raw, *map(_attachment, self.attachments)]

    def _raw_copy(self, raw: bytes) -> Titled:
        return Titled(_upload(raw, "letter.eml", _LETTER), f"Raw copy of {self.name}")


def _attachment(file: File) -> Titled:
    return Titled(_upload(file.content, file.name, file_kind(file.name)), file.name)


def _upload(content: bytes, name: str, kind: Kind) -> Upload:
    digest = hashlib.sha256(content).hexdigest()
    return Upload(io.BytesIO(content), name, kind, len(content), digest)


# ---- with the letters ----------------------------------------------------------------------


def announce_files(
    *, firm: Firm, letters: Sequence[Files], storage: Storage, now: datetime
) -> list[tuple[int | None, list[int]]]:
    """Write down which files are coming, and return for each letter the documents' keys.

    The raw copy's first, then those of its attachments in order. Must run inside the
    transaction that stores the letters.
    """
    files = [letter.titled() for letter in letters]
    flat = [one for some in files for one in some]
    keys = iter(begin_uploads(firm=firm, files=flat, storage=storage, now=now))
    return [
        (
            None if letter.raw is None else next(keys),
            [next(keys) for _ in letter.attachments],
        )
        for letter in letters
    ]


# ---- after the commit ----------------------------------------------------------------------


def keep_files(
    *,
    messages: Iterable[EmailMessage],
    letters: Mapping[int, Files],
    storage: Storage,
    now: datetime,
) -> StorageError | None:
    """Send the files of stored letters, by their UID; returns what the storage said, if no.

    Not to be called inside a transaction. Repeating it sends nothing twice: documents that
    have arrived are left alone. A file that the letter no longer has, or has otherwise than it
    was announced, is expected no more.
    """
    waiting = {message.pk: message for message in messages}
    expected = _expected(waiting.values())
    uploads: dict[int, Upload] = {}
    lost: list[int] = []
    for key, documents in expected.items():
        found = {one.upload.sha256: one.upload for one in letters[waiting[key].uid].titled()}
        for document, digest in documents.items():
            if digest in found:
                uploads[document] = _own(found[digest])
            else:
                lost.append(document)
    finished = finish_uploads(uploads=uploads, storage=storage, now=now)
    with transaction.atomic(durable=True):
        done = [
            key
            for key, documents in expected.items()
            if not finished.problems.keys() & documents.keys()
        ]
        EmailMessage.objects.filter(pk__in=done).update(files_due=False)
        _expect_no_more(lost, now)
    return next(iter(finished.problems.values()), None)


def give_up_files(*, messages: Sequence[EmailMessage], now: datetime) -> None:
    """Expect the files of letters no more that have gone from their server.

    Must run inside a transaction.
    """
    _expect_no_more([pk for some in _expected(messages).values() for pk in some], now)
    rows = EmailMessage.objects.filter(pk__in=[message.pk for message in messages])
    rows.update(files_due=False)


def _own(upload: Upload) -> Upload:
    """Return an upload to be read by one thread: a letter may have the same file twice."""
    content = cast(io.BytesIO, upload.content)
    return replace(upload, content=io.BytesIO(content.getvalue()))


def _expect_no_more(documents: Sequence[int], now: datetime) -> None:
    if not documents:
        return
    lost = list(Document.objects.filter(pk__in=documents, state=Document.State.UPLOADING))
    EmailAttachment.objects.filter(document__in=lost).update(document=None)
    EmailMessage.objects.filter(raw__in=lost).update(raw=None, problem=LOST)
    mark_for_purge(documents=lost, actor=None, reason=LOST, now=now)


def _expected(messages: Iterable[EmailMessage]) -> dict[int, dict[int, str]]:
    """Return for each letter the documents that it waits for, with their fingerprints."""
    expected: dict[int, dict[int, str]] = {message.pk: {} for message in messages}
    coming = Document.objects.filter(state=Document.State.UPLOADING)
    raw = EmailMessage.objects.filter(pk__in=expected, raw__in=coming)
    attached = EmailAttachment.objects.filter(message__in=expected, document__in=coming)
    for rows, names in (
        (raw, ("pk", "raw_id", "raw__sha256")),
        (attached, ("message_id", "document_id", "document__sha256")),
    ):
        for key, document, digest in rows.values_list(*names):
            expected[key][document] = digest
    return expected
