"""What has to be done outside: after the commit, again until it is done, and never lost."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pytest_django import Settings

from apps.contacts.models import Contact
from apps.documents.models import Document, SignatureRequest
from apps.integrations.payments import get_payments
from apps.notifications.models import Notification
from apps.privacy.models import DataExport, ErasureRequest, ErasureStep
from sandbox import Sandbox
from tests.billing.paying import KEY, open_gateway
from tests.documents.filing import sent, store
from tests.factories import DataExportFactory, LegalHoldFactory, MembershipFactory
from tests.privacy.dump import places
from tests.privacy.erasing import (
    EMAIL,
    NAME,
    NOW,
    a_firm,
    account_of_bob,
    bob_of,
    execute,
    furnish,
    request_of,
)
from tests.servers.s3 import S3Server, bucket_at, nobody

pytestmark = pytest.mark.django_db

AT = datetime.fromisoformat(NOW)
CUSTOMER = "cus_bob"
REQUEST = f"DELETE /v1/customers/{CUSTOMER}"


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def bob(sandbox: Sandbox) -> Contact:
    """Bob, whom his firm's Stripe knows, too."""
    firm = a_firm()
    open_gateway(firm, sandbox)
    sandbox.stripe.add_customer(id=CUSTOMER, name=NAME, email=EMAIL)
    contact = bob_of(firm)
    furnish(contact, customer=CUSTOMER)
    return contact


def deletions(sandbox: Sandbox) -> int:
    return sum(f"{call.method} {call.path}" == REQUEST for call in sandbox.requests)


def steps(*columns: str) -> list[Any]:
    return list(ErasureStep.objects.order_by("pk").values_list("kind", *columns))


# ---- the gateway ----------------------------------------------------------------------------


def test_the_gateways_customer_is_deleted(bob: Contact, sandbox: Sandbox) -> None:
    request = request_of(bob)
    assert execute(request).endswith("Erasure completed: 2 erased, 3 anonymised, 6 retained.\n")
    [customer] = sandbox.stripe.customers
    assert customer["deleted"] is True
    assert customer.keys() == {"id", "object", "created", "deleted"}
    assert steps("done_at") == [
        ("stripe_customer", AT),
        ("ledger_views", AT),
        ("journal", AT),
    ]
    assert places(CUSTOMER) == set()


@pytest.mark.parametrize(
    ("misbehaviour", "says"),
    [
        ("timeout_before", "Stripe could not be reached (ReadTimeout)."),
        ("error_before", "Stripe gave no usable answer (500, api_error)."),
        ("timeout_after", "Stripe could not be reached (ReadTimeout)."),
        ("error_after", "Stripe gave no usable answer (500, api_error)."),
    ],
)
def test_while_stripe_is_down_everything_else_is_done(
    bob: Contact, sandbox: Sandbox, settings: Settings, misbehaviour: str, says: str
) -> None:
    settings.GATEWAY_TIMEOUT = 0.3
    sandbox.stripe.misbehave(misbehaviour, method="DELETE")
    request = request_of(bob)
    said = execute(request)
    assert f"  ✗ stripe_customer for erasure request {request.pk}: {says}\n" in said
    assert said.endswith(
        "Erasure in progress: 2 erased, 3 anonymised, 6 retained; 1 step outside not "
        "confirmed yet.\nCommandError: 1 item(s) failed; see the log.\n"
    )
    assert (request.status, Notification.objects.count()) == ("in_progress", 0)
    assert execute(request).endswith("Erasure completed: 2 erased, 3 anonymised, 6 retained.\n")
    assert request.status == "completed"
    assert [one["deleted"] for one in sandbox.stripe.customers] == [True]


def test_is_tried_again_after_longer_and_longer_waits(
    bob: Contact, sandbox: Sandbox, clock: Any
) -> None:
    sandbox.stripe.misbehave("error_before", method="DELETE", status=503, count=5)
    request_of(bob)
    execute()
    waits = []
    for _ in range(5):
        step = ErasureStep.objects.get(done_at=None)
        waits.append((step.next_attempt_at - AT) / timedelta(minutes=1))
        clock.move_to(step.next_attempt_at - timedelta(seconds=1))
        assert execute() == "No erasure requests are due.\n"
        clock.move_to(step.next_attempt_at)
        said = execute()
    assert waits == [1, 6, 36, 216, 936]
    assert "Erasure completed" in said
    assert deletions(sandbox) == 6


def test_a_customer_that_is_gone_already_is_no_error(bob: Contact, sandbox: Sandbox) -> None:
    payments = get_payments(provider="stripe", secret_key=KEY)
    payments.delete_customer(CUSTOMER)
    payments.delete_customer("cus_never_was")
    payments.close()
    assert "Erasure completed" in execute(request_of(bob))


def test_a_firm_without_an_account_at_stripe_has_to_open_one(bob: Contact) -> None:
    bob.firm.gateway_accounts.update(status="disabled")
    request = request_of(bob)
    assert f"Firm {bob.firm_id} has no usable account at Stripe to delete it with." in execute(
        request
    )
    bob.firm.gateway_accounts.update(status="active")
    assert "Erasure completed" in execute(request)


def test_nothing_leaves_in_a_dry_run(bob: Contact, sandbox: Sandbox) -> None:
    request = request_of(bob)
    execute(request, dry_run=True)
    assert deletions(sandbox) == 0
    sandbox.stripe.misbehave("error_before", method="DELETE")
    execute(request)
    execute(request, dry_run=True)
    assert (deletions(sandbox), steps("done_at")[0]) == (1, ("stripe_customer", None))


def test_blocked_asks_nobody(bob: Contact, sandbox: Sandbox) -> None:
    bob.billing_accounts.update(credit_minor=1)
    execute(request_of(bob))
    assert deletions(sandbox) == 0
    assert steps() == []


# ---- files ----------------------------------------------------------------------------------


def test_earlier_copies_of_his_data_are_removed(tmp_path: Path) -> None:
    user = account_of_bob()
    MembershipFactory(user=user)
    copy = tmp_path / "user_1_export.zip"
    copy.write_bytes(b"everything about Bob")
    export = DataExportFactory(user=user, path=str(copy))
    other = DataExportFactory(path=str(tmp_path / "other.zip"))
    assert "Erasure completed" in execute(request_of(user=user))
    assert not copy.exists()
    removed = dict(DataExport.objects.values_list("pk", "removed_at"))
    assert removed == {export.pk: AT, other.pk: None}


def files_of(bob: Contact) -> tuple[Document, Document]:
    """Return a file of Bob's that was signed, and one that nobody needs any more."""
    signed, other = (
        store(sent(name=f"{NAME}.pdf"), firm=bob.firm, owner=bob, title=f"{title} of {NAME}")
        for title in ("Lease", "Letter")
    )
    SignatureRequest.objects.create(
        firm=bob.firm,
        document=signed,
        signer=bob,
        status="signed",
        signed_at=AT,
        token_hash="x",
        token_created_at=AT,
        token_expires_at=AT,
    )
    return signed, other


def test_his_files_go_with_all_their_versions_and_signed_ones_stay(
    s3: S3Server, bucket: str
) -> None:
    bob = bob_of(a_firm())
    signed, other = files_of(bob)
    s3.fill(bucket, [other.storage_key], b"an older version")
    said = execute(request_of(bob))
    assert "  documents: 1 retained until 2035-12-31 (tax law)\n" in said
    assert "  documents: 1 erased\n" in said
    assert {key for key, _ in s3.versions(bucket) if not key.startswith("erasures/")} == {
        signed.storage_key
    }
    other.refresh_from_db()
    signed.refresh_from_db()
    assert (other.state, other.title, other.file_name, other.owner) == ("deleted", "", "", None)
    assert (signed.state, signed.restricted_until) == ("available", date(2035, 12, 31))


def test_while_the_storage_is_down_the_rows_say_nothing_and_the_files_wait(
    s3: S3Server, bucket: str, settings: Settings
) -> None:
    bob = bob_of(a_firm())
    _, other = files_of(bob)
    request = request_of(bob)
    settings.STORAGE = bucket_at(nobody(), bucket)
    said = execute(request)
    assert f"  ✗ stored_document for erasure request {request.pk}: " in said
    assert f"  ✗ journal for erasure request {request.pk}: " in said
    assert "2 steps outside not confirmed yet" in said
    other.refresh_from_db()
    assert (request.status, other.state, other.title) == ("in_progress", "purge_pending", "")
    settings.STORAGE = bucket_at(s3.host, bucket)
    assert "Erasure completed" in execute(request)
    assert other.storage_key not in dict(s3.versions(bucket))


def test_a_file_under_a_hold_stays(s3: S3Server, bucket: str) -> None:
    bob = bob_of(a_firm())
    _, other = files_of(bob)
    LegalHoldFactory(firm=bob.firm, subject_type="documents.document", subject_id=other.pk)
    said = execute(request_of(bob))
    assert "  documents: 1 held (legal hold)\n" in said
    assert "Erasure partially completed" in said
    assert other.storage_key in dict(s3.versions(bucket))


def test_storage_that_is_down_holds_up_the_end_only(settings: Settings, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("where a folder has to be")
    settings.STORAGE = {"vendor": "folder", "folder": str(blocked)}
    bob = bob_of(a_firm())
    request = request_of(bob)
    said = execute(request)
    assert f"  ✗ journal for erasure request {request.pk}: " in said
    assert "1 step outside not confirmed yet" in said
    bob.refresh_from_db()
    assert (bob.erased_at, request.status) == (AT, "in_progress")
    blocked.unlink()
    assert "Erasure completed" in execute(request)


def test_a_step_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of(bob_of(a_firm()))
    execute(request)
    ErasureRequest.objects.update(status="in_progress")
    ErasureStep.objects.create(request=request, kind="pigeon_post", key="1", next_attempt_at=AT)
    said = execute(request)
    assert "pigeon_post for erasure request" in said
    assert "Nobody knows how to do 'pigeon_post'." in said
    assert ErasureStep.objects.get(kind="pigeon_post").problem == (
        "Nobody knows how to do 'pigeon_post'."
    )
