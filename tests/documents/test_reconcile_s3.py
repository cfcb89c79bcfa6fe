"""reconcile_s3 … (spec D11)."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.discrepancies.models import Discrepancy, ReconciliationRun
from apps.discrepancies.services import ignore_discrepancy
from apps.documents.models import Document
from apps.firms.models import Firm, Role
from apps.integrations.storage import Storage, get_storage
from apps.notifications.models import Notification
from tests.documents.reconciling import (
    CONTENT,
    DAY,
    HOUR,
    NIGHT,
    YESTERDAY,
    file_of,
    issues,
    put,
    reconcile,
)
from tests.factories import FileFactory, FirmFactory, MembershipFactory, UserFactory
from tests.servers.s3 import S3Server, bucket_at, nobody

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm(db: None) -> Firm:
    made: Firm = FirmFactory(name="Acme Consulting")
    return made


@pytest.fixture
def places(bucket: str) -> Storage:
    """The bucket, asked as the product does."""
    return get_storage()


def checked(output: str) -> dict[str, int]:
    figures = re.findall(r"^  ([A-Z][a-z ]+): (\d+)$", output, re.MULTILINE)
    return {name: int(count) for name, count in figures}


# ---- what it finds --------------------------------------------------------------------------


def test_reports_what_is_missing_left_over_and_cut_off(storage: Storage, firm: Firm) -> None:
    file_of(firm, storage, "a/file.pdf")
    lost = file_of(firm, storage, "b/file.pdf", there=None)
    cut = file_of(firm, storage, "c/file.pdf", there=b"%PDF", etag="")
    put(storage, f"firms/{firm.pk}/d/file.pdf")

    assert reconcile() == (
        f"Reconciling documents for firm: Acme Consulting (ID: {firm.pk})\n"
        f"  ✗ Missing object: document {lost.pk} (firms/{firm.pk}/b/file.pdf)\n"
        f"  ✗ Size mismatch: document {cut.pk} (firms/{firm.pk}/c/file.pdf)\n"
        f"  ✗ Orphan object: firms/{firm.pk}/d/file.pdf\n"
        "\n"
        "Summary:\n"
        "  Documents checked: 3\n"
        "  Objects checked: 3\n"
        "  Missing: 1\n"
        "  Orphaned: 1\n"
        "  Mismatched: 1\n"
        "  Errors: 0\n"
    )
    assert issues(firm) == [
        (
            "missing_object",
            f"Document {lost.pk}: not in the storage but it is available here",
        ),
        ("orphan_object", f"firms/{firm.pk}/d/file.pdf: 9 bytes stored but no document has it"),
        ("size_mismatch", f"Document {cut.pk}: 4 bytes stored but it has 9 bytes here"),
    ]
    severities = dict(Discrepancy.objects.values_list("kind", "severity"))
    assert severities == {
        "missing_object": "error", "orphan_object": "warning", "size_mismatch": "error"
    }  # fmt: skip


@pytest.mark.slow
def test_finds_three_in_three_pages(firm: Firm, places: Storage, s3: S3Server) -> None:
    keys = [f"firms/{firm.pk}/{number:04}/file.pdf" for number in range(2_501)]
    s3.fill(places.bucket, keys[:1_499] + keys[1_500:], CONTENT)
    s3.fill(places.bucket, [keys[17]], b"%P")
    FileFactory.create_batch(3, firm=FirmFactory())  # the neighbour's, in another bucket
    Document.objects.bulk_create(
        FileFactory.build(
            firm=firm, bucket=places.bucket, storage_key=key, created_at=YESTERDAY
        )
        for key in keys[:-1]
    )
    Document.objects.filter(firm=firm).update(created_at=YESTERDAY)
    s3.requests.clear()

    with CaptureQueriesContext(
        connection,
    ) as queries:
        output = reconcile(firm_id=firm.pk)

    assert checked(output) == {
        "Documents checked": 2_500, "Objects checked": 2_500, "Missing": 1, "Orphaned": 1,
        "Mismatched": 1, "Errors": 0,
    }  # fmt: skip
    assert [kind for kind, _ in issues(firm)] == [
        "missing_object", "orphan_object", "size_mismatch"
    ]  # fmt: skip
    # Three pages, and a look at the one that the list lacks.
    assert [request.split("?")[0].split()[0] for request in s3.requests] == [
        *["GET"] * 3, "HEAD", "HEAD"
    ]  # fmt: skip
    of_rows = [q for q in queries if "storage_key" in q["sql"] and "COLLATE" in q["sql"]]
    assert len(of_rows) == 3


def test_takes_an_object_in_parts_for_the_file(
    firm: Firm, places: Storage, s3: S3Server
) -> None:
    document = file_of(firm, places, "a/file.pdf")
    part = s3.client.create_multipart_upload(Bucket=places.bucket, Key=document.storage_key)
    sent = s3.client.upload_part(
        Bucket=places.bucket,
        Key=document.storage_key,
        UploadId=part["UploadId"],
        PartNumber=1,
        Body=CONTENT,
    )
    s3.client.complete_multipart_upload(
        Bucket=places.bucket,
        Key=document.storage_key,
        UploadId=part["UploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": sent["ETag"]}]},
    )
    assert places.look(document.storage_key).etag.endswith("-1")

    reconcile()

    assert issues(firm) == []


@pytest.mark.parametrize("told", [True, False], ids=["its SHA-256", "its ETag"])
def test_knows_another_content_of_the_same_size_by(
    firm: Firm, places: Storage, s3: S3Server, told: bool
) -> None:
    document = file_of(firm, places, "a/file.pdf")
    if told:
        put(places, document.storage_key, CONTENT.lower())
    else:
        s3.client.put_object(
            Bucket=places.bucket, Key=document.storage_key, Body=CONTENT.lower()
        )

    assert checked(reconcile())["Mismatched"] == 1

    assert issues(firm) == [
        (
            "checksum_mismatch",
            f"Document {document.pk}: stored with another content but the size is the same "
            "here",
        )
    ]


def test_believes_the_sha256_before_the_etag(firm: Firm, places: Storage) -> None:
    file_of(firm, places, "a/file.pdf", etag="encrypted with another key")
    reconcile()
    assert issues(firm) == []


def test_sees_no_phantoms_in_another_order(storage: Storage, firm: Firm) -> None:
    for name in ("a", "B", "ä", "a b", "b-c/d", "b/c", "b0", "é", "e"):
        file_of(firm, storage, name)
    output = reconcile()
    assert checked(output)["Documents checked"] == checked(output)["Objects checked"] == 9
    assert issues(firm) == []


STATES = [
    # state, there, age of the row and of its last change, what is reported
    ("available", None, 2 * HOUR, "missing_object"),
    ("available", None, HOUR / 2, ""),
    ("available", b"%P", 2 * HOUR, "size_mismatch"),
    ("available", b"%P", HOUR / 2, ""),
    ("uploading", None, DAY, ""),
    ("uploading", CONTENT, DAY, ""),
    ("uploading", None, DAY + HOUR, "stale_upload"),
    ("uploading", CONTENT, DAY + HOUR, "stale_upload"),
    ("purge_pending", CONTENT, 9 * DAY, ""),
    ("purge_pending", None, 9 * DAY, ""),
    ("deleted", None, 9 * DAY, ""),
    ("deleted", CONTENT, HOUR / 2, ""),
    ("deleted", CONTENT, 2 * HOUR, "present_after_delete"),
]


@pytest.mark.parametrize(("state", "there", "age", "kind"), STATES)
def test_judges_a_document_by_its_state_and_age(
    folder: Path, firm: Firm, state: str, there: bytes | None, age: Any, kind: str
) -> None:
    storage = get_storage()
    file_of(firm, storage, "good/file.pdf")
    blank = {"title": "", "file_name": ""} if state == "deleted" else {}
    file_of(firm, storage, "this/file.pdf", there=there, state=state, at=NIGHT - age, **blank)

    reconcile()

    assert [found for found, _ in issues(firm)] == ([kind] if kind else [])


def test_leaves_young_objects_alone(folder: Path, firm: Firm) -> None:
    storage = get_storage()
    for name, age in (("young", 59), ("old", 61)):
        put(storage, f"firms/{firm.pk}/{name}")
        made = NIGHT.timestamp() - age * 60
        os.utime(folder / "firms" / str(firm.pk) / name, (made, made))
    reconcile()
    [(kind, sentence)] = issues(firm)
    assert (kind, "/old:" in sentence) == ("orphan_object", True)


def test_looks_for_a_file_by_itself_before_it_calls_it_missing(
    firm: Firm, places: Storage, s3: S3Server
) -> None:
    file_of(firm, places, "a/file.pdf")
    late = file_of(firm, places, "b/file.pdf", there=None)
    # It arrives after the list was read.
    s3.behave_next()
    s3.before_next(lambda: s3.fill(places.bucket, [late.storage_key], CONTENT))
    reconcile(firm_id=firm.pk)
    assert issues(firm) == []


def test_tells_operators_that_a_document_names_the_file_of_another_firm(
    storage: Storage, firm: Firm
) -> None:
    MembershipFactory(firm=firm, roles=[Role.OWNER])
    operator = UserFactory(is_superuser=True, is_staff=True)
    neighbour = FirmFactory()
    put(storage, f"firms/{neighbour.pk}/x/file.pdf")
    stolen = file_of(firm, storage, "a/file.pdf")
    key = f"firms/{neighbour.pk}/x/file.pdf"
    Document.objects.filter(pk=stolen.pk).update(storage_key=key)
    put(storage, f"firms/{firm.pk}/b/file.pdf")

    output = reconcile()

    assert f"  ✗ Wrong prefix: document {stolen.pk} ({key})\n" in output
    assert checked(output)["Other"] == 1
    assert "wrong_prefix" in [kind for kind, _ in issues(firm)]
    assert issues(neighbour) == []  # it is no orphan: somebody's document has it
    told = Notification.objects.filter(recipient_user=operator, type="discrepancies_found")
    assert told.count() == 1


@pytest.mark.parametrize("key", ["\x07bell", "ä" * 150, "x" * 255])
def test_can_write_down_any_name_that_somebody_made_up(
    firm: Firm, places: Storage, s3: S3Server, key: str
) -> None:
    s3.fill(places.bucket, [f"firms/{firm.pk}/{key}"])
    for _ in range(2):
        reconcile()
    issue = Discrepancy.objects.get()
    assert (issue.kind, issue.firm) == ("orphan_object", firm)
    assert len(issue.subject_key) <= 200
    assert issue.label.isprintable()


# ---- again ----------------------------------------------------------------------------------


def test_a_second_run_finds_nothing_new_and_a_mended_file_is_resolved(
    storage: Storage, firm: Firm
) -> None:
    owner = MembershipFactory(firm=firm, roles=[Role.OWNER]).user
    file_of(firm, storage, "a/file.pdf")
    lost = file_of(firm, storage, "b/file.pdf", there=None)
    reconcile()
    told = Notification.objects.get(type="discrepancies_found", recipient_user=owner)
    first = list(Discrepancy.objects.values("pk", "kind", "notified_at"))

    reconcile(NIGHT + DAY)

    assert list(Discrepancy.objects.values("pk", "kind", "notified_at")) == first
    assert Discrepancy.objects.get().occurrences == 2
    assert Notification.objects.get() == told
    put(storage, lost.storage_key)
    reconcile(NIGHT + 2 * DAY)
    assert issues(firm) == []
    assert [kind for kind, _ in issues(firm, "resolved")] == ["missing_object"]
    run = ReconciliationRun.objects.filter(firm=firm).latest("pk")
    assert (run.source, run.complete, run.checked, run.found, run.resolved) == (
        "s3", True, 2, 0, 1
    )  # fmt: skip


def test_says_nothing_of_what_somebody_ignores(storage: Storage, firm: Firm) -> None:
    put(storage, f"firms/{firm.pk}/keep")
    reconcile()
    ignore_discrepancy(
        discrepancy=Discrepancy.objects.get(), actor=UserFactory(), reason="ours", now=NIGHT
    )
    assert checked(reconcile(NIGHT + DAY))["Orphaned"] == 0
    assert issues(firm) == []


def test_a_dry_run_records_nothing(storage: Storage, firm: Firm) -> None:
    put(storage, f"firms/{firm.pk}/left")
    assert checked(reconcile(dry_run=True))["Orphaned"] == 1
    assert not Discrepancy.objects.exists()
    assert not ReconciliationRun.objects.exists()


def test_never_touches_a_document_or_an_object(storage: Storage, firm: Firm) -> None:
    file_of(firm, storage, "a/file.pdf")
    file_of(firm, storage, "b/file.pdf", there=None)
    put(storage, f"firms/{firm.pk}/left")
    rows, stored = list(Document.objects.values()), list(storage.listing(""))
    reconcile()
    assert list(Document.objects.values()) == rows
    assert list(storage.listing("")) == stored


def test_looks_at_suspended_firms_too_and_at_one_alone(storage: Storage, firm: Firm) -> None:
    closed = FirmFactory(status=Firm.Status.CLOSED)
    for one in (firm, closed):
        put(storage, f"firms/{one.pk}/left")
    reconcile(firm_id=closed.pk)
    assert (len(issues(closed)), len(issues(firm))) == (1, 0)
    reconcile()
    assert (len(issues(closed)), len(issues(firm))) == (1, 1)


def test_leaves_alone_what_is_in_another_bucket(folder: Path, firm: Firm) -> None:
    FileFactory(firm=firm, bucket="before")
    Document.objects.update(created_at=YESTERDAY)
    assert checked(reconcile())["Documents checked"] == 0
    assert issues(firm) == []


# ---- when it cannot be known ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "missing", "aborts"),
    [
        *((0, 1, True), (0, 1_200, True), (1, 10, False)),
        *((40, 10, False), (44, 11, False), (43, 11, True), (39, 11, True)),
    ],
)
def test_does_not_believe_that_a_firm_has_lost_its_files(
    folder: Path, firm: Firm, there: int, missing: int, aborts: bool
) -> None:
    storage = get_storage()
    for number in range(there):
        put(storage, f"firms/{firm.pk}/{number}")
    Document.objects.bulk_create(
        FileFactory.build(firm=firm, storage_key=f"firms/{firm.pk}/{number}")
        for number in range(there + missing)
    )
    Document.objects.update(created_at=YESTERDAY)
    FirmFactory()

    output = reconcile(fails=int(aborts))

    why = f"Listing looks incomplete ({there} of {there + missing} objects found)"
    assert (f"  ✗ {firm}: {why}; nothing recorded.\n" in output) == aborts
    assert len(issues(firm)) == (0 if aborts else missing)
    run = ReconciliationRun.objects.get(firm=firm)
    assert (run.complete, run.found) == (not aborts, len(issues(firm)))


def test_a_refusal_fails_the_firm_and_spares_the_others(
    firm: Firm, places: Storage, s3: S3Server
) -> None:
    other = FirmFactory()
    file_of(firm, places, "a/file.pdf", there=None)
    for one in (firm, other):
        put(places, f"firms/{one.pk}/left")
    reconcile(NIGHT - DAY)
    before = list(Discrepancy.objects.filter(firm=firm).values())
    s3.refuse_next(403, "AccessDenied")

    output = reconcile(fails=1)

    words = "The storage refused to list its files (403, AccessDenied)."
    assert f"  ✗ Acme Consulting: {words}\n" in output

    assert list(Discrepancy.objects.filter(firm=firm).values()) == before
    assert Discrepancy.objects.get(firm=other).occurrences == 2
    assert Document.objects.get().state == "available"


def test_a_failure_after_the_first_page_records_nothing(
    firm: Firm, places: Storage, s3: S3Server
) -> None:
    s3.fill(places.bucket, [f"firms/{firm.pk}/{number:04}" for number in range(1_001)])
    s3.requests.clear()
    s3.behave_next()
    s3.refuse_next(403, "AccessDenied")
    reconcile(fails=1, firm_id=firm.pk)
    assert not Discrepancy.objects.exists()


def test_does_not_wait_for_a_dead_storage_once_for_every_firm(
    settings: Any,
) -> None:
    settings.STORAGE_TIMEOUT = 0.2
    settings.STORAGE = bucket_at(nobody(), "files")
    FirmFactory.create_batch(5)

    output = reconcile(fails=5)

    assert output.count("(EndpointConnectionError)") == 3
    assert output.count("The storage is down, so this firm was not tried.") == 2


def test_refuses_a_firm_that_nobody_knows(folder: Path) -> None:
    with pytest.raises(CommandError, match=r"^Firm with ID 999 does not exist\.$"):
        reconcile(firm_id=999)
