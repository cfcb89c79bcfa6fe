"""reconcile_stripe … (spec D3)."""

import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.billing.models import Invoice, Payment
from apps.billing.services import find_inconsistencies, reconcile_stripe
from apps.core.problems import BadOption
from apps.discrepancies.models import Discrepancy, ReconciliationRun
from apps.discrepancies.services import ignore_discrepancy
from apps.firms.models import Firm, User
from apps.jobs.models import JobRun
from apps.notifications.models import Notification
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.billing.collecting import Shop, at, open_shop
from tests.billing.reconciling import (
    DAY,
    NIGHT,
    deliver_events,
    issues,
    only_issue,
    overdue,
    paid_here,
    paid_there,
    reconcile,
    requests,
    summary,
)
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

UNPAID = "remote_paid_local_unpaid"


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return open_shop(sandbox, name="Acme Consulting")


@pytest.fixture
def neighbour(sandbox: Sandbox) -> Iterator[Shop]:
    """Another firm with a mismatch of its own, which was found the night before."""
    other = open_shop(sandbox, name="Birch")
    paid_there(other, overdue(other), ago=3 * DAY)
    reconcile(NIGHT - DAY, firm_id=other.firm.pk)
    tables = (Invoice, Payment, Discrepancy, ReconciliationRun, Notification)

    def rows() -> list[object]:
        return [
            list(table._default_manager.filter(firm=other.firm).values()) for table in tables
        ]

    before = rows()
    yield other
    assert rows() == before


# ---- the six cases of the specification -----------------------------------------------------


def test_notes_a_payment_whose_event_was_lost_until_it_comes(shop: Shop) -> None:
    invoice = overdue(shop, number="INV-2025-003")
    account = invoice.account
    with at(NIGHT - DAY):
        intent = shop.sandbox.stripe.pay_remotely(
            customer=account.gateway_customer,
            card=f"pm_{account.pk}_0",
            amount=250_000,
            metadata={"firm": str(shop.firm.pk), "invoice": str(invoice.pk)},
        )
    assert reconcile() == (
        f"Reconciling firm: Acme Consulting (ID: {shop.firm.pk})\n"
        f"  ✗ INV-2025-003: paid in Stripe ($2500.00, {intent}) but local status is overdue\n"
        "\n"
        "Summary:\n"
        "  Firms reconciled: 1\n"
        "  Invoices checked: 1\n"
        "  Mismatches found: 1 (1 new)\n"
        "  Errors: 0\n"
    )
    assert "Mismatches found: 1 (0 new)" in reconcile(NIGHT + DAY)
    assert (only_issue(shop).status, only_issue(shop).occurrences) == ("open", 2)
    deliver_events(shop, NIGHT + DAY)
    assert "Mismatches found: 0 (0 new)" in reconcile(NIGHT + 2 * DAY)
    assert only_issue(shop).status == "resolved"
    assert Notification.objects.filter(type="discrepancies_found").count() == 1


def test_goes_through_every_page(shop: Shop) -> None:
    account = shop.customer()
    for number in range(250):
        invoice = overdue(shop, account=account, total_minor=10_000 + number)
        intent = paid_there(shop, invoice, ago=timedelta(hours=1 + number))
        if number not in {0, 249}:
            paid_here(invoice, intent)
    shop.sandbox.core.log.reset()
    assert summary(reconcile())[1:3] == [
        "Invoices checked: 250",
        "Mismatches found: 2 (2 new)",
    ]
    assert requests(shop) == ["/v1/refunds", "/v1/disputes", *["/v1/payment_intents"] * 3]


def test_compares_in_the_gateways_own_unit(shop: Shop) -> None:
    account = shop.customer(currency="JPY")
    invoice = overdue(shop, account=account, total_minor=5_000, number="INV-2025-007")
    intent = paid_there(shop, invoice, 500_000)
    paid_here(invoice, intent)
    assert (
        f"  ✗ INV-2025-007: ¥500000 received in Stripe ({intent}) but ¥5000 is recorded\n"
    ) in reconcile()
    assert issues(shop) == [("amount_mismatch", "open")]


def test_spares_the_others_when_a_key_is_revoked(shop: Shop, sandbox: Sandbox) -> None:
    other = open_shop(sandbox, name="Birch")
    paid_there(other, overdue(other))
    sandbox.stripe.revoke(shop.key)
    said = reconcile()
    assert "  ✗ Acme Consulting: Stripe does not accept the secret key" in said
    assert summary(said) == [
        "Firms reconciled: 1",
        "Invoices checked: 1",
        "Mismatches found: 1 (1 new)",
        "Errors: 1",
        "CommandError: 1 item(s) failed; see the log.",
    ]
    assert (issues(shop), issues(other)) == ([], [(UNPAID, "open")])


def test_ignores_what_is_three_minutes_old(shop: Shop) -> None:
    paid_there(shop, overdue(shop), ago=timedelta(minutes=3))
    assert "Mismatches found: 0 (0 new)" in reconcile()


def test_repairs_once(shop: Shop) -> None:
    invoice = overdue(shop, number="INV-2025-003")
    intent = paid_there(shop, invoice)
    said = reconcile(repair=True)
    assert (
        f"  ✓ INV-2025-003: paid in Stripe ($2500.00, {intent}) but local status is overdue; "
        "repaired\n"
    ) in said
    assert summary(said)[2:] == [
        "Mismatches found: 1 (1 new)",
        "Mismatches repaired: 1",
        "Errors: 0",
    ]
    assert summary(reconcile(NIGHT + DAY, repair=True))[2:4] == [
        "Mismatches found: 0 (0 new)",
        "Mismatches repaired: 0",
    ]
    payment = Payment.objects.get()
    assert (payment.gateway_ref, payment.amount_minor) == (intent, 250_000)
    invoice.refresh_from_db()
    assert (invoice.status, only_issue(shop).status) == ("paid", "repaired")
    assert find_inconsistencies() == []


# ---- whose, and what is left alone ----------------------------------------------------------


def test_leaves_the_neighbour_alone(shop: Shop, neighbour: Shop) -> None:
    paid_there(shop, overdue(shop))
    assert "Mismatches found: 1 (1 new)" in reconcile(firm_id=shop.firm.pk, repair=True)


@pytest.mark.parametrize("status", [Firm.Status.SUSPENDED, Firm.Status.CLOSED])
def test_looks_at_firms_that_are_served_no_more(shop: Shop, status: str) -> None:
    Firm.objects.filter(pk=shop.firm.pk).update(status=status)
    paid_there(shop, overdue(shop))
    assert summary(reconcile())[0] == "Firms reconciled: 1"
    assert issues(shop) == [(UNPAID, "open")]


def test_leaves_out_firms_without_an_account(shop: Shop) -> None:
    GatewayAccount.objects.update(status="disabled")
    assert summary(reconcile())[0] == "Firms reconciled: 0"
    said = reconcile(firm_id=shop.firm.pk)
    assert said.startswith("  - Acme Consulting: no usable Stripe account\n")
    assert "Errors: 0" in said


def test_never_uses_an_account_of_the_other_mode(shop: Shop) -> None:
    GatewayAccount.objects.update(livemode=True)
    assert summary(reconcile())[0] == "Firms reconciled: 0"
    assert shop.sandbox.requests == []


def test_refuses_a_firm_that_does_not_exist() -> None:
    with pytest.raises(BadOption, match=r"^Firm with ID 9999 does not exist\.$"):
        reconcile_stripe(firm_id=9999)


def test_says_nothing_of_payments_that_were_not_asked_for_here(shop: Shop) -> None:
    paid_there(shop, overdue(shop), metadata={"order": "web-17", "firm": "Smith & Sons"})
    assert summary(reconcile())[1:3] == ["Invoices checked: 0", "Mismatches found: 0 (0 new)"]


def test_says_nothing_of_what_agrees(shop: Shop) -> None:
    invoice = overdue(shop)
    paid_here(invoice, paid_there(shop, invoice))
    assert summary(reconcile()) == [
        "Firms reconciled: 1",
        "Invoices checked: 1",
        "Mismatches found: 0 (0 new)",
        "Errors: 0",
    ]


def test_says_nothing_of_what_a_person_ignores(shop: Shop) -> None:
    paid_there(shop, overdue(shop))
    reconcile()
    ignore_discrepancy(
        discrepancy=only_issue(shop), actor=UserFactory(), reason="Test payment.", now=NIGHT
    )
    for repair in (False, True):
        assert "Mismatches found: 0 (0 new)" in reconcile(NIGHT + DAY, repair=repair)
    assert issues(shop) == [(UNPAID, "ignored")]
    assert Payment.objects.count() == 0


def test_says_nothing_of_what_changed_here_since_it_began(shop: Shop) -> None:
    invoice = overdue(shop)
    intent = paid_there(shop, invoice)
    paid_here(invoice, intent, 200_000, ago=timedelta(seconds=-30))
    assert "Mismatches found: 0 (0 new)" in reconcile()


# ---- dry runs, cost -------------------------------------------------------------------------


def test_leaves_no_trace_in_a_dry_run(shop: Shop) -> None:
    invoice = overdue(shop, number="INV-2025-003")
    paid_there(shop, invoice)
    said = reconcile(dry_run=True, repair=True)
    assert "but local status is overdue; would be repaired\n" in said
    assert summary(said)[2:4] == ["Mismatches found: 1 (1 new)", "Mismatches repaired: 0"]
    for table in (Discrepancy, ReconciliationRun, Payment, Notification):
        assert table._default_manager.count() == 0
    assert {call.method for call in shop.sandbox.requests} == {"GET"}


def test_applies_exactly_what_a_preview_showed(shop: Shop) -> None:
    reconcile(NIGHT - DAY)
    known = paid_there(shop, overdue(shop), ago=3 * DAY)
    reconcile(NIGHT - DAY + timedelta(hours=1))
    shown = paid_there(shop, overdue(shop), ago=2 * DAY)
    reconcile(dry_run=True)
    paid_there(shop, overdue(shop), ago=DAY)
    preview = JobRun.objects.get(dry_run=True)
    with at(NIGHT + timedelta(hours=1)):
        call_command("apply_preview", preview.pk, stdout=io.StringIO())
    found = Discrepancy.objects.order_by("pk").values_list(
        "subject_key", "status", "occurrences"
    )
    assert list(found) == [(known, "open", 2), (shown, "open", 1)]


def test_costs_the_same_statements_for_few_and_for_many(shop: Shop) -> None:
    account = shop.customer()
    costs = []
    for many in (2, 60):
        for number in range(many):
            paid_there(shop, overdue(shop, account=account), ago=timedelta(hours=1 + number))
        with CaptureQueriesContext(connection) as queries:
            reconcile(NIGHT)
        costs.append(len(queries))
    assert costs[1] <= costs[0] + 4


def test_tells_admins_of_new_issues_and_operators_of_critical_ones(shop: Shop) -> None:
    operator: User = UserFactory(is_superuser=True)
    paid_there(shop, overdue(shop), ago=3 * DAY)
    twice = overdue(shop)
    for ago in (2 * DAY, DAY):
        paid_here(twice, paid_there(shop, twice, ago=ago))
    reconcile()
    told = {
        one.recipient_user: one.context["count"]
        for one in Notification.objects.filter(type="discrepancies_found")
    }
    owner = User.objects.get(memberships__firm=shop.firm)
    assert told == {owner: 2, operator: 1}
