"""Retention lets documents go in two phases: marked first, then removed from the storage."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from pytest_django import Settings

from apps.documents.models import Document
from apps.firms.models import Firm, LegalHold
from apps.integrations.storage import Storage
from apps.privacy import services
from tests.documents.asking import ask
from tests.documents.filing import store
from tests.factories import (
    ContactFactory,
    FirmFactory,
    LeaseFactory,
    LegalHoldFactory,
)
from tests.privacy.expiring import (
    DAY,
    LONG_AGO,
    NOW,
    figures,
    is_there,
    message,
    policy,
    run,
    text,
)
from tests.servers.s3 import S3Server, bucket_at, nobody

pytestmark = pytest.mark.django_db

MIDNIGHT = datetime(2024, 12, 31, 5, tzinfo=UTC)  # the cutoff of 90 days in New York
LINE = "  documents: {} deleted, {} held (before 2024-12-31)\n"


@pytest.fixture
def firm() -> Firm:
    firm: Firm = FirmFactory()
    policy(firm, "documents")
    return firm


def old(document: Document, at: datetime = LONG_AGO, **facts: Any) -> Document:
    """Let a document have been filed then."""
    Document.objects.filter(pk=document.pk).update(created_at=at, **facts)
    document.refresh_from_db()
    return document


def state(document: Document) -> str:
    return Document.objects.get(pk=document.pk).state


def kept(storage: Storage) -> list[str]:
    return [one.key for one in storage.listing("")]


# ---- both phases --------------------------------------------------------------------------


def test_removes_the_file_and_says_so(firm: Firm, storage: Storage) -> None:
    gone = old(store(firm=firm, owner=ContactFactory(firm=firm)))
    stays, neighbours = store(firm=firm), old(store())
    assert LINE.format(1, 0) in run()
    gone.refresh_from_db()
    assert (gone.state, gone.title, gone.file_name, gone.owner) == ("deleted", "", "", None)
    assert kept(storage) == sorted([stays.storage_key, neighbours.storage_key])
    assert figures() == [("documents", 1, 0, 0)]


def test_does_nothing_the_second_time(firm: Firm, folder: Any) -> None:
    old(store(firm=firm))
    text(firm)
    assert LINE.format(2, 0) in run()
    before = list(Document.objects.order_by("pk").values())
    assert LINE.format(0, 0) in run()
    assert list(Document.objects.order_by("pk").values()) == before


def test_anonymising_comes_to_the_same(folder: Any) -> None:
    firm = FirmFactory()
    policy(firm, "documents", action="anonymise")
    document = old(store(firm=firm))
    assert "  documents: 1 anonymised, 0 held" in run()
    assert state(document) == "deleted"
    assert "  documents: 0 anonymised, 0 held" in run()


def test_a_dry_run_leaves_database_and_bucket_as_they_are(firm: Firm, storage: Storage) -> None:
    old(store(firm=firm))
    text(firm)
    before = list(Document.objects.order_by("pk").values()), kept(storage)
    assert "  documents: 2 would be deleted, 0 held" in run(dry_run=True)
    assert (list(Document.objects.order_by("pk").values()), kept(storage)) == before
    assert figures() == []


# ---- a storage that fails -----------------------------------------------------------------


def test_a_storage_that_is_down_leaves_documents_marked_and_spares_the_rest(
    firm: Firm, bucket: str, s3: S3Server, settings: Settings
) -> None:
    policy(firm, "emails")
    said = message(firm)
    documents = [old(store(firm=firm)) for _ in range(2)]
    note = text(firm)
    right, settings.STORAGE = settings.STORAGE, bucket_at(nobody(), bucket)

    with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
        run()

    assert [state(one) for one in documents] == ["purge_pending"] * 2
    assert (state(note), is_there(said)) == ("deleted", False)
    assert len(s3.versions(bucket)) == 2
    assert figures() == [("emails", 1, 0, 0), ("documents", 1, 0, 1)]

    settings.STORAGE = right
    assert "  documents: 2 would be deleted, 0 held" in run(dry_run=True)
    assert LINE.format(2, 0) in run()
    assert [state(one) for one in documents] == ["deleted"] * 2
    assert s3.versions(bucket) == []
    assert figures() == [("emails", 1, 0, 0), ("documents", 3, 0, 0)]


def test_says_how_many_are_left_and_why(
    firm: Firm, bucket: str, s3: S3Server, settings: Settings
) -> None:
    old(store(firm=firm))
    settings.STORAGE = bucket_at(nobody(), bucket)
    out: list[str] = []
    with pytest.raises(CommandError):
        run(says=out)
    assert (
        "  ✗ marked documents: 1 left for the next run: "
        "The storage gave no usable answer (EndpointConnectionError).\n"
    ) in out[0]
    assert LINE.format(0, 0) in out[0]


def test_a_hold_placed_meanwhile_keeps_a_document_that_is_marked(
    firm: Firm, bucket: str, settings: Settings
) -> None:
    document, other = (old(store(firm=firm)) for _ in range(2))
    right, settings.STORAGE = settings.STORAGE, bucket_at(nobody(), bucket)
    with pytest.raises(CommandError):
        run()
    hold = LegalHoldFactory(
        firm=firm, subject_type=LegalHold.Subject.DOCUMENT, subject_id=document.pk
    )
    settings.STORAGE = right
    assert LINE.format(1, 1) in run()
    assert (state(document), state(other)) == ("purge_pending", "deleted")
    services.release_hold(hold=hold, reason="Settled", actor=None, now=NOW)
    assert LINE.format(1, 0) in run()
    assert state(document) == "deleted"


# ---- from when on -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filed", "closed", "goes"),
    [
        (MIDNIGHT - timedelta(microseconds=1), None, True),
        (MIDNIGHT, None, False),
        (LONG_AGO, date(2024, 12, 30), True),
        (LONG_AGO, date(2024, 12, 31), False),
        (NOW - DAY, date(2024, 12, 30), True),
    ],
)
def test_counts_from_the_closing_date_or_else_from_filing(
    firm: Firm, filed: datetime, closed: date | None, goes: bool
) -> None:
    document = text(firm, filed, retention_anchor_on=closed)
    run()
    assert state(document) == ("deleted" if goes else "available")


def test_lets_go_of_an_upload_that_never_ended(firm: Firm, folder: Any) -> None:
    document = old(store(firm=firm), state="uploading")
    run()
    assert state(document) == "deleted"


# ---- what is needed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "ends", "needed"),
    [
        ("draft", None, True),
        ("pending_signature", None, True),
        ("active", date(2020, 1, 31), True),
        ("notice", None, True),
        ("ended", date(2024, 12, 30), False),
        ("ended", date(2024, 12, 31), True),
        ("terminated", date(2024, 12, 30), False),
        ("terminated", None, True),
    ],
)
def test_keeps_the_agreement_of_a_lease_until_it_is_over_for_long_enough(
    firm: Firm, status: str, ends: date | None, needed: bool
) -> None:
    agreement, note = text(firm), text(firm)
    LeaseFactory(
        unit__property__firm=firm,
        agreement=agreement,
        status=status,
        start_date=date(2019, 1, 1),
        end_date=ends,
    )
    assert LINE.format(1 if needed else 2, 0) in run()
    assert state(agreement) == ("available" if needed else "deleted")
    assert state(note) == "deleted"


@pytest.mark.parametrize(
    ("status", "needed"),
    [("pending", True), ("viewed", True), ("declined", False), ("expired", False)],
)
def test_keeps_what_somebody_is_still_to_sign(firm: Firm, status: str, needed: bool) -> None:
    document = text(firm)
    request, _ = ask(document=document, signer=ContactFactory(firm=firm))
    type(request).objects.filter(pk=request.pk).update(status=status)
    run()
    assert state(document) == ("available" if needed else "deleted")


def test_keeps_what_is_held_itself_by_its_owner_or_by_a_lease(firm: Firm) -> None:
    ada = ContactFactory(firm=firm)
    held, hers, agreement, free = (text(firm) for _ in range(4))
    Document.objects.filter(pk=hers.pk).update(owner=ada)
    lease = LeaseFactory(
        unit__property__firm=firm,
        agreement=agreement,
        status="ended",
        start_date=date(2019, 1, 1),
        end_date=date(2020, 1, 1),
    )
    for subject in (held, ada, lease):
        kind = subject._meta.label_lower
        LegalHoldFactory(firm=firm, subject_type=kind, subject_id=subject.pk)
    assert LINE.format(1, 3) in run()
    states = [state(one) for one in (held, hers, agreement, free)]
    assert states == ["available", "available", "available", "deleted"]
