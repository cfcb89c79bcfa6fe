"""execute_erasure_request: what it says, when it acts, and that it acts once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine

from apps.audit.models import AuditEvent
from apps.billing.models import Invoice, LedgerRow, Receivables, RevenueMonth
from apps.billing.services import refresh_materialized_views
from apps.contacts.models import Contact
from apps.firms.models import Firm
from apps.notifications.models import Notification
from apps.privacy.models import ErasureAction, ErasureRequest
from tests.factories import (
    AuditEventFactory,
    ContactFactory,
    LegalHoldFactory,
    MembershipFactory,
    NotificationFactory,
    StatutoryPeriodFactory,
)
from tests.privacy.erasing import (
    EMAIL,
    LATER,
    NAME,
    NOW,
    PHONE,
    a_firm,
    account_of_bob,
    bob_of,
    execute,
    furnish,
    paid_invoice,
    request_of,
)
from tests.test_every_job import changed, every_row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def firm() -> Firm:
    return a_firm()


@pytest.fixture
def bob(firm: Firm) -> Contact:
    return bob_of(firm)


# ---- what it says ----------------------------------------------------------------------------


def test_says_what_was_done_with_each_category(bob: Contact) -> None:
    paid_invoice(bob)
    NotificationFactory(recipient_contact=bob)
    NotificationFactory(recipient_contact=bob)
    request = request_of(bob)
    assert execute(request) == (
        f"Erasure request {request.pk} for contact {bob.pk}\n"
        "  invoices: 2 retained until 2034-12-31 (tax law)\n"
        "  payments: 2 retained until 2034-12-31 (tax law)\n"
        "  notifications: 2 erased\n"
        "  contact records: 1 anonymised\n"
        "Erasure completed: 2 erased, 1 anonymised, 4 retained.\n"
    )
    assert (request.status, request.closed_at) == ("completed", datetime.fromisoformat(NOW))


def test_writes_the_profile_without_a_number(firm: Firm) -> None:
    user = account_of_bob()
    MembershipFactory(firm=firm, user=user)
    request = request_of(user=user)
    assert execute(request) == (
        f"Erasure request {request.pk} for user {user.pk}\n"
        "  memberships: 2 erased\n"
        "  profile: anonymised\n"
        "Erasure completed: 2 erased, 1 anonymised, 0 retained.\n"
    )


def test_a_dry_run_says_the_same_and_leaves_no_trace(bob: Contact) -> None:
    furnish(bob)
    request = request_of(bob)
    before = every_row()
    said = execute(request, dry_run=True)
    assert changed(before, every_row()) == []
    assert said.splitlines()[1:4] == [
        "  Would retain 2 invoices until 2034-12-31 (tax law)",
        "  Would retain 2 payments until 2034-12-31 (tax law)",
        "  Would retain 2 credits until 2034-12-31 (tax law)",
    ]
    would = said.splitlines()[-1].removeprefix("Would complete the erasure: ")
    assert would == "2 erased, 2 anonymised, 6 retained."
    assert execute(request).splitlines()[-1].endswith(would)


def test_names_nobody(bob: Contact) -> None:
    furnish(bob)
    request = request_of(bob)
    said = execute(request, verbosity=2)
    for word in (EMAIL, PHONE, *NAME.split()):
        assert word not in said


# ---- which requests --------------------------------------------------------------------------


def test_an_unknown_request() -> None:
    assert execute(request_id=999) == ("CommandError: Erasure request 999 does not exist.\n")


@pytest.mark.parametrize("status", ["received", "verified", "rejected", "cancelled"])
def test_one_that_is_not_approved(bob: Contact, status: str) -> None:
    request = request_of(bob, status=status)
    before = every_row()
    assert execute(request) == (
        f"CommandError: Erasure request {request.pk} is not approved (status: {status}).\n"
    )
    assert changed(before, every_row()) == []


def test_a_second_run_changes_nothing(bob: Contact, clock: Any) -> None:
    furnish(bob)
    request = request_of(bob)
    execute(request)
    before = every_row()
    clock.move_to(LATER)
    assert execute(request) == (
        f"Erasure request {request.pk} was completed on 2025-02-10; nothing to do.\n"
    )
    assert execute() == "No erasure requests are due.\n"
    assert changed(before, every_row()) == []


def test_without_a_number_every_approved_one_is_carried_out(firm: Firm) -> None:
    first, second = (
        request_of(bob_of(firm)),
        request_of(ContactFactory(display_name="Eve Adams")),
    )
    waiting = request_of(ContactFactory(), status="verified")
    said = execute().splitlines()
    assert said[-2:] == [
        f"{first}: Erasure completed: 0 erased, 1 anonymised, 0 retained.",
        f"{second}: Erasure completed: 0 erased, 1 anonymised, 0 retained.",
    ]
    statuses = dict(ErasureRequest.objects.values_list("pk", "status"))
    assert statuses == {first.pk: "completed", second.pk: "completed", waiting.pk: "verified"}


def test_one_that_fails_spares_the_others(bob: Contact) -> None:
    paid_invoice(bob)
    other = a_firm("Birch", country="GE")
    StatutoryPeriodFactory(country="", years=10).delete()
    StatutoryPeriodFactory(country="GE", years=6, reason="Tax Code")
    failing, fine = request_of(bob), request_of(bob_of(other))
    said = execute()
    assert f"  ✗ {failing} in Alder: There is no statutory period to keep records for" in said
    assert "CommandError: 1 item(s) failed; see the log." in said
    failing.refresh_from_db()
    fine.refresh_from_db()
    assert (failing.status, fine.status) == ("in_progress", "completed")
    StatutoryPeriodFactory(country="")
    assert execute(failing).endswith("Erasure completed: 0 erased, 1 anonymised, 4 retained.\n")


# ---- what stays as it is ---------------------------------------------------------------------


def test_numbers_totals_and_the_ledgers_reports_stay(bob: Contact) -> None:
    invoice = furnish(bob)
    paid_invoice(ContactFactory(firm=bob.firm))
    refresh_materialized_views()

    def ledger() -> list[Any]:
        refresh_materialized_views()
        views = (LedgerRow, RevenueMonth, Receivables)
        return [list(view.objects.order_by("pk").values()) for view in views]

    columns = ("number", "total_minor", "paid_minor", "balance_minor", "status", "issue_date")
    invoices = list(Invoice.objects.order_by("pk").values(*columns))
    before = ledger()
    execute(request_of(bob))
    assert ledger() == before
    assert list(Invoice.objects.order_by("pk").values(*columns)) == invoices
    invoice.refresh_from_db()
    assert invoice.billed_to == f"{NAME}\n{EMAIL}"


def test_the_neighbour_is_untouched(bob: Contact) -> None:
    neighbour = a_firm("Birch")
    furnish(bob_of(neighbour))
    furnish(bob)
    NotificationFactory(
        recipient_contact=ContactFactory(firm=neighbour), context={"about": f"{NAME} {EMAIL}"}
    )
    refresh_materialized_views()
    before = every_row(except_of=bob.firm)
    execute(request_of(bob))
    assert changed(before, every_row(except_of=bob.firm)) == []


def test_writes_down_figures_and_never_a_name(bob: Contact) -> None:
    furnish(bob)
    AuditEventFactory(firm=bob.firm, reason=f"{NAME} rang", changes={"email": [EMAIL, "x"]})
    request = request_of(bob)
    execute(request)
    actions = ErasureAction.objects.order_by("category").values_list(
        "category", "decision", "rows", "retained_until", "reason"
    )
    tax = (date(2034, 12, 31), "tax law")
    assert list(actions) == [
        ("contact records", "anonymised", 1, None, ""),
        ("credits", "retained", 2, *tax),
        ("invoices", "retained", 2, *tax),
        ("mentions elsewhere", "anonymised", 1, None, ""),
        ("notifications", "erased", 2, None, ""),
        ("payment methods", "anonymised", 1, None, ""),
        ("payments", "retained", 2, *tax),
    ]
    events = AuditEvent.objects.order_by("pk").values_list(
        "firm", "action", "reason", "changes"
    )
    assert list(events) == [
        (bob.firm_id, "late_fee_applied", "[erased] rang", {"email": ["[erased]", "x"]}),
        (bob.firm_id, "person_erased", "",
         {"erased": 2, "anonymised": 3, "retained": 6, "held": 0}),
        (None, "person_erased", "", {"erased": 0, "anonymised": 0, "retained": 0, "held": 0}),
        (bob.firm_id, "erasure_completed", "", {"status": ["in_progress", "completed"]}),
    ]  # fmt: skip


def test_forgets_what_it_looked_for_once_it_is_completed(bob: Contact) -> None:
    request = request_of(bob)
    execute(request)
    assert request.marks == {}
    assert request.covers["contacts"] == [bob.pk]


# ---- legal holds -----------------------------------------------------------------------------


def test_what_is_held_is_left_alone_and_counted(bob: Contact) -> None:
    furnish(bob)
    hold = LegalHoldFactory(firm=bob.firm, subject_type="contacts.contact", subject_id=bob.pk)
    AuditEventFactory(firm=bob.firm, reason=f"{NAME} rang")
    request = request_of(bob)
    said = execute(request)
    assert "  notifications: 2 held (legal hold)\n" in said
    assert said.endswith(
        "Erasure partially completed: 0 erased, 0 anonymised, 0 retained, 11 held.\n"
    )
    bob.refresh_from_db()
    assert (bob.display_name, bob.email, request.status) == (NAME, EMAIL, "partially_completed")
    assert Notification.objects.count() == 2
    assert AuditEvent.objects.get(action="late_fee_applied").reason == f"{NAME} rang"
    assert execute(request) == (
        f"{request} was partially completed on 2025-02-10; 11 records are still held.\n"
    )
    assert execute() == "No erasure requests are due.\n"

    hold.released_at = datetime(2025, 2, 10, tzinfo=UTC)
    hold.save()
    assert execute().endswith("Erasure completed: 2 erased, 3 anonymised, 6 retained.\n")
    request.refresh_from_db()
    bob.refresh_from_db()
    assert (bob.display_name, request.status) == (f"Erased contact {bob.pk}", "completed")
    assert AuditEvent.objects.get(action="late_fee_applied").reason == "[erased] rang"


def test_a_dry_run_after_a_release_leaves_no_trace(bob: Contact) -> None:
    hold = LegalHoldFactory(firm=bob.firm, subject_type="contacts.contact", subject_id=bob.pk)
    request = request_of(bob)
    execute(request)
    hold.released_at = datetime(2025, 2, 10, tzinfo=UTC)
    hold.save()
    before = every_row()
    assert execute(request, dry_run=True).endswith(
        "Would complete the erasure: 0 erased, 1 anonymised, 0 retained.\n"
    )
    assert changed(before, every_row()) == []
