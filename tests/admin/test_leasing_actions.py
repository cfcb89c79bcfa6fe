"""What staff press on leases and late fees."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.billing.models import Invoice, InvoiceLine
from apps.documents.models import SignatureRequest
from apps.firms.models import Firm, FirmSettings, User
from apps.leasing.models import LateFeeAssessment, Lease, Unit
from tests.admin.test_billing_actions import pay, press, said
from tests.admin.visiting import address, filled
from tests.admin.world import everything, staff_of
from tests.factories import LeaseFactory, UserFactory

NOW = datetime(2025, 3, 20, 15, 0, tzinfo=UTC)
LEASES = reverse("admin:leasing_lease_changelist")
FEES = reverse("admin:leasing_latefeeassessment_changelist")


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def fee(ours: Firm) -> LateFeeAssessment:
    """Fifty dollars for being late, on the invoice of March."""
    assessment = LateFeeAssessment.objects.get(firm=ours)
    invoice = assessment.invoice
    InvoiceLine.objects.create(
        firm=ours,
        invoice=invoice,
        kind="late_fee",
        description="Late fee",
        unit_minor=5_000,
        amount_minor=5_000,
    )
    Invoice.objects.filter(pk=invoice.pk).update(
        subtotal_minor=155_000, total_minor=155_000, late_fees_minor=5_000
    )
    return assessment


@pytest.fixture
def draft(ours: Firm) -> Lease:
    lease = Lease.objects.get(firm=ours)
    Lease.objects.update(status=Lease.Status.DRAFT)
    SignatureRequest.objects.update(status="signed", signed_at=NOW)
    return lease


def waive(client: Client, fee: LateFeeAssessment, **typed: str) -> Any:
    return press(
        client, FEES, "waive", fee, confirmed="yes", **({"reason": "Goodwill"} | typed)
    )


def test_waives_a_late_fee(desk: Client, alice: User, fee: LateFeeAssessment) -> None:
    before = everything()
    assert b"never charged again" in press(desk, FEES, "waive", fee).content
    assert everything() == before
    assert said(waive(desk, fee)) == "1 late fee waived."
    assert said(waive(desk, fee)) == (
        "0 late fees waived, 1 skipped: This late fee is waived already."
    )
    event = AuditEvent.objects.get(action="late_fee_waived")
    assert (event.actor, event.reason) == (alice, "Goodwill")
    fee.invoice.refresh_from_db()
    assert (fee.invoice.total_minor, fee.invoice.late_fees_minor) == (150_000, 0)


def test_puts_a_lease_into_force(desk: Client, alice: User, draft: Lease) -> None:
    assert said(press(desk, LEASES, "put_into_force", draft)) == "1 lease put into force."
    assert said(press(desk, LEASES, "put_into_force", draft)) == (
        f"0 leases put into force, 1 skipped: {draft} is active."
    )
    event = AuditEvent.objects.get(action="lease_active")
    assert (event.actor, event.object_id) == (alice, str(draft.pk))


def test_does_not_put_a_lease_into_force_that_somebody_has_to_sign(
    desk: Client, draft: Lease
) -> None:
    SignatureRequest.objects.update(status="pending", signed_at=None)
    assert said(press(desk, LEASES, "put_into_force", draft)) == (
        f"0 leases put into force, 1 skipped: {draft} is not signed by everybody yet."
    )
    draft.refresh_from_db()
    assert draft.status == Lease.Status.DRAFT


def test_records_a_rent_payment_and_takes_back_the_fee_it_proves_wrong(
    desk: Client, fee: LateFeeAssessment
) -> None:
    LateFeeAssessment.objects.update(config={"in_time_until": "2025-03-06"})
    lease = Lease.objects.get(firm=fee.firm)
    answer = pay(desk, LEASES, lease, amount="1490.00", paid_on="2025-03-05")
    assert said(answer).startswith("$1,490.00 recorded: $1,490.00 for ALDER-000001")
    fee.refresh_from_db()
    assert fee.state == LateFeeAssessment.State.REVERSED


def test_who_may_only_look_presses_nothing(
    client: Client, ours: Firm, fee: LateFeeAssessment, draft: Lease
) -> None:
    user = staff_of(ours, rights=False)
    looking = ("view_lease", "view_latefeeassessment")
    user.user_permissions.set(Permission.objects.filter(codename__in=looking))
    client.force_login(user)
    before = everything()
    waive(client, fee)
    press(client, LEASES, "put_into_force", draft)
    pay(client, LEASES, draft)
    assert everything() == before


# ---- the form of a lease --------------------------------------------------------------------


def test_a_living_lease_is_not_moved_onto_another(desk: Client, ours: Firm) -> None:
    lease = Lease.objects.get(firm=ours)
    home = lease.unit.property
    taken = Unit.objects.create(firm=ours, property=home, label="2")
    other = LeaseFactory(unit=taken, start_date=date(2025, 1, 1), account=lease.account)
    where = address("leasing.lease", "change", lease.pk)
    answer = desk.post(where, filled(desk, where) | {"unit": taken.pk})
    assert f"Alder Court 2 is let under lease {other.pk} from 2025-01-01." in str(
        answer.context["errors"]
    )


def test_a_lease_ends_after_it_begins(desk: Client, ours: Firm) -> None:
    where = address("leasing.lease", "change", Lease.objects.get(firm=ours).pk)
    answer = desk.post(where, filled(desk, where) | {"end_date": "2023-12-31"})
    assert "The last day is before the first." in str(answer.context["errors"])


# ---- the settings of a firm -----------------------------------------------------------------


def test_staff_change_their_firms_settings(desk: Client, ours: Firm, theirs: Firm) -> None:
    where = address("firms.firmsettings", "change", ours.settings.pk)
    assert desk.post(where, filled(desk, where) | {"invoice_prefix": "AH"}).status_code == 302
    prefixes = dict(FirmSettings.objects.values_list("firm__name", "invoice_prefix"))
    assert prefixes == {"Alder Homes": "AH", "Birch Homes": "INV"}


def test_staff_do_not_change_the_firm_itself(desk: Client, ours: Firm) -> None:
    where = address("firms.firm", "change", ours.pk)
    assert desk.post(where, {"status": "closed"}).status_code == 403


def test_firms_are_made_by_provision_firm_and_not_here(office: Client) -> None:
    where = address("firms.firm", "add")
    data = {"name": "New", "slug": "new", "timezone": "UTC", "currency": "USD"}
    assert office.get(where).status_code == office.post(where, data).status_code == 403
    assert not Firm.objects.filter(slug="new").exists()


def test_a_firm_is_changed_with_its_settings(office: Client, ours: Firm) -> None:
    where = address("firms.firm", "change", ours.pk)
    data = filled(office, where) | {"name": "Alder & Co", "settings-0-net_days": "14"}
    assert office.post(where, data).status_code == 302
    ours.refresh_from_db()
    assert (ours.name, FirmSettings.objects.get(firm=ours).net_days) == ("Alder & Co", 14)


def test_a_superuser_adds_a_member_with_a_role(office: Client, ours: Firm) -> None:
    person = UserFactory()
    where = address("firms.membership", "add")
    data = filled(office, where) | {"user": person.pk, "firm": ours.pk, "is_active": "on"}
    data |= {"roles-TOTAL_FORMS": 1, "roles-0-role": "owner"}
    assert office.post(where, data).status_code == 302
    assert person.memberships.get().roles.get().firm == ours
