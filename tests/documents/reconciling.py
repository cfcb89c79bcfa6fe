"""What the tests of reconcile_s3 share: a night, a firm with files, the words of a run."""

import hashlib
import io
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from apps.discrepancies.models import Discrepancy
from apps.documents.models import Document
from apps.firms.models import Firm
from apps.integrations.storage import Storage
from tests.factories import FileFactory

CONTENT = b"%PDF-1.7\n"
YESTERDAY = datetime(2025, 6, 9, 3, 30, tzinfo=UTC)
# Objects are as old as their making, so the nights of these tests come after it.
NIGHT = datetime(2126, 6, 10, 3, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def file_of(
    firm: Firm, storage: Storage, key: str, *, there: bytes | None = CONTENT, **how: Any
) -> Document:
    """Make the row of a file that was stored long ago, and the object unless there is none."""
    key = f"firms/{firm.pk}/{key}"
    etag = put(storage, key, there) if there is not None else ""
    at = how.pop("at", YESTERDAY)
    document: Document = FileFactory(
        **{"firm": firm, "bucket": storage.bucket, "storage_key": key, "etag": etag} | how
    )
    Document.objects.filter(pk=document.pk).update(created_at=at, updated_at=at)
    return document


def put(storage: Storage, key: str, content: bytes = CONTENT) -> str:
    """Store an object and return its ETag."""
    stored = storage.put(
        key,
        io.BytesIO(content),
        content_type="application/pdf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return stored.etag


def reconcile(at: datetime = NIGHT, *, fails: int = 0, **options: Any) -> str:
    """Run the command, of which so many items fail, and return what it prints."""
    out = io.StringIO()
    failing = pytest.raises(CommandError, match=rf"^{fails} item\(s\) failed; see the log\.$")
    with time_machine.travel(at, tick=False), failing if fails else nullcontext():
        call_command("reconcile_s3", stdout=out, stderr=out, **options)
    return out.getvalue()


def issues(firm: Firm, status: str = "open") -> list[tuple[str, str]]:
    found = Discrepancy.objects.filter(firm=firm, source="s3", status=status)
    return [(one.kind, one.sentence) for one in found.order_by("kind", "subject_key")]
