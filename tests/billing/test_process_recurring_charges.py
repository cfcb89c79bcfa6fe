"""Collecting open invoices from stored cards (spec D2)."""

from datetime import date, timedelta
from typing import Any

import pytest

from apps.billing.models import Invoice, Payment, PaymentAttempt, PaymentMethod
from apps.billing.services import void_invoice
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.models import Firm
from apps.notifications.models import Notification
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.billing.collecting import (
    NOON,
    Shop,
    at,
    attempts,
    collect,
    instant,
    open_shop,
    state,
)
from tests.billing.ledger import pay

pytestmark = pytest.mark.django_db

Autopay = Invoice.Autopay


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return open_shop(sandbox, name="Acme Consulting")


def told(kind: str) -> int:
    return Notification.objects.filter(type=kind).count()


# ---- charging -----------------------------------------------------------------------------


def test_charges_what_is_owed_and_says_so(shop: Shop) -> None:
    invoice = shop.invoice(number="INV-2025-001")
    assert collect() == (
        "Processing autopay charges...\n"
        "  ✓ Charged invoice INV-2025-001 for $5000.00\n"
        "\n"
        "Summary:\n"
        "  Invoices charged: 1\n"
        "  Total amount charged: $5000.00\n"
        "  Failed charges: 0\n"
    )
    assert state(invoice) == ("paid", "succeeded", 0)
    [charge] = shop.charges(invoice)
    assert (charge.amount, charge.currency) == (500_000, "usd")
    payment = Payment.objects.get()
    assert (payment.amount_minor, payment.method, payment.status, payment.effective_on) == (
        500_000, "card", "succeeded", date(2025, 1, 10)
    )  # fmt: skip
    assert payment.gateway_ref == charge.id
    assert payment.attempt == PaymentAttempt.objects.get()
    assert told("payment_received") == 1


def test_charges_nothing_again(shop: Shop) -> None:
    invoice = shop.invoice()
    collect()
    assert "Invoices charged: 0" in collect()
    assert len(shop.charges()) == 1
    assert attempts(invoice) == [(500_000, "succeeded")]


def test_a_partly_paid_invoice_is_charged_for_the_rest(shop: Shop) -> None:
    invoice = shop.invoice()
    pay(invoice.account, 120_000)
    assert "for $3800.00" in collect()
    assert [c.amount for c in shop.charges(invoice)] == [380_000]
    assert state(invoice) == ("paid", "succeeded", 0)


@pytest.mark.parametrize(
    ("currency", "minor", "written", "asked"),
    [("JPY", 5_000, "¥5000", 5_000), ("KWD", 10_500, "10.500 KWD", 10_500),
     ("ISK", 5_000, "5000 ISK", 500_000), ("EUR", 1_999, "€19.99", 1_999)],
)  # fmt: skip
def test_the_gateway_is_asked_in_its_own_units(
    shop: Shop, currency: str, minor: int, written: str, asked: int
) -> None:
    invoice = shop.invoice(shop.customer(currency=currency), total_minor=minor)
    assert f"for {written}\n" in collect()
    assert [c.amount for c in shop.charges(invoice)] == [asked]
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_minor) == ("paid", minor)


def test_one_total_for_each_currency(shop: Shop) -> None:
    shop.invoice(shop.customer(currency="JPY"), total_minor=120_000)
    shop.invoice(total_minor=750_000)
    assert "Total amount charged: ¥120000, $7500.00\n" in collect()


@pytest.mark.parametrize(
    "facts",
    [
        {"autopay_opt_in": False},
        {"autopay_status": Autopay.PROCESSING},
        {"autopay_status": Autopay.NEEDS_ACTION},
        {"autopay_status": Autopay.SUCCEEDED},
        {"autopay_status": Autopay.FAILED},
        {"autopay_status": Autopay.CANCELLED},
        {"autopay_next_charge_at": instant("2025-01-10T17:00:01")},
        {"in_dispute": True},
        {"status": Invoice.Status.DRAFT, "number": ""},
        {"status": Invoice.Status.VOID},
        {"status": Invoice.Status.WRITTEN_OFF},
    ],
    ids=str,
)
def test_is_left_alone(shop: Shop, facts: dict[str, Any]) -> None:
    invoice = shop.invoice(**facts)
    assert "Invoices charged: 0" in collect()
    assert shop.charges() == []
    assert attempts(invoice) == []


@pytest.mark.parametrize(
    "facts",
    [
        {"autopay_next_charge_at": instant("2025-01-10T17:00:00")},
        {"autopay_next_charge_at": None},
        {"autopay_status": Autopay.RETRYING, "autopay_failure_count": 2},
        {"autopay_status": Autopay.NONE},
        {"status": Invoice.Status.OVERDUE, "due_date": date(2025, 1, 5)},
    ],
    ids=str,
)
def test_is_charged(shop: Shop, facts: dict[str, Any]) -> None:
    invoice = shop.invoice(**facts)
    collect()
    assert state(invoice) == ("paid", "succeeded", 0)


def test_a_card_whose_printed_date_has_passed_is_tried(shop: Shop) -> None:
    invoice = shop.invoice()
    PaymentMethod.objects.update(exp_year=2024)
    collect()
    assert state(invoice)[0] == "paid"


# ---- declines -----------------------------------------------------------------------------


def test_a_soft_decline_is_tried_on_four_days_and_never_again(shop: Shop) -> None:
    invoice = shop.invoice(
        shop.customer("insufficient_funds"), number="INV-2025-005", total_minor=100_000
    )
    lines, tried = [], []
    for day in range(40):
        when = instant("2025-01-10T08:00:00") + timedelta(days=day)
        said = collect(when)
        if "Failed to charge" in said:
            lines.append(said.splitlines()[1])
            tried.append(when.date().isoformat())
    assert tried == ["2025-01-10", "2025-01-13", "2025-01-20", "2025-02-03"]
    assert lines == [
        "  ⚠ Failed to charge INV-2025-005: Card declined (will retry in 3 days)",
        "  ⚠ Failed to charge INV-2025-005: Card declined (will retry in 7 days)",
        "  ⚠ Failed to charge INV-2025-005: Card declined (will retry in 14 days)",
        "  ⚠ Failed to charge INV-2025-005: Card declined "
        "(no retries left; manual intervention required)",
    ]
    # The autopay has failed; the debt exists (C-8).
    assert state(invoice) == ("sent", "failed", 4)
    assert invoice.autopay_next_charge_at is None
    for hours in range(100):
        collect(instant("2025-03-01T00:00:00") + timedelta(hours=hours))
    assert len(attempts(invoice)) == 4
    assert shop.charges() == []
    assert (told("charge_failed"), told("charge_given_up"), told("collecting_failed")) == (
        3, 1, 1
    )  # fmt: skip


def test_a_decline_is_a_business_outcome_and_no_error(shop: Shop) -> None:
    shop.invoice(shop.customer("generic_decline"))
    said = collect()
    assert "CommandError" not in said
    assert "Invoices charged: 0\n  Total amount charged: $0.00\n  Failed charges: 1\n" in said


@pytest.mark.parametrize("code", ["stolen_card", "expired_card", "highest_risk_level"])
def test_a_dead_card_is_asked_once_ever(shop: Shop, code: str) -> None:
    invoice = shop.invoice(shop.customer(code), number="INV-2025-006")
    assert (
        "  ⚠ Failed to charge INV-2025-006: Card declined (card cannot be retried; "
        "customer must update payment method)\n"
    ) in collect()
    for day in range(1, 31):
        collect(instant("2025-01-10T17:00:00") + timedelta(days=day))
    assert attempts(invoice) == [(500_000, "declined")]
    assert state(invoice) == ("sent", "failed", 0)
    card = PaymentMethod.objects.get()
    assert (card.status, card.invalid_reason) == ("invalid", code)
    assert told("charge_given_up") == 1


def test_an_authentication_is_asked_of_the_customer(shop: Shop) -> None:
    invoice = shop.invoice(shop.customer("authentication_required"), number="INV-2025-007")
    assert (
        "  ⚠ Failed to charge INV-2025-007: Card declined (customer authentication required)\n"
    ) in collect()
    collect(instant("2025-02-10T17:00:00"))
    assert state(invoice) == ("sent", "needs_action", 0)
    assert attempts(invoice) == [(500_000, "requires_action")]
    assert told("authentication_needed") == 1


def test_a_bank_debit_is_neither_charged_nor_failed(shop: Shop) -> None:
    invoice = shop.invoice(shop.customer("processing"))
    said = collect()
    assert "Invoices charged: 0\n  Total amount charged: $0.00\n  Failed charges: 0\n" in said
    assert "  Under way at the bank: 1\n" in said
    assert state(invoice) == ("sent", "processing", 0)
    assert Payment.objects.get().status == "pending"
    collect(instant("2025-01-11T17:00:00"))
    assert attempts(invoice) == [(500_000, "processing")]


def test_an_invoice_that_is_being_charged_cannot_be_voided(shop: Shop) -> None:
    invoice = shop.invoice(shop.customer("processing"))
    collect()
    with at(NOON), pytest.raises(Problem, match="under way; wait for its outcome"):
        void_invoice(
            invoice=invoice,
            actor=None,
            reason="wrong",
            today=date(2025, 1, 10),
            now=Clock.read().now,
        )


# ---- skips --------------------------------------------------------------------------------


def test_without_a_card_it_is_skipped_and_the_customer_asked_once(shop: Shop) -> None:
    shop.invoice(shop.customer(None), number="INV-2025-009")
    for _ in range(3):
        assert "  - Skipped INV-2025-009: No valid payment method\n" in collect()
    assert told("no_card") == 1


@pytest.mark.parametrize(
    ("currency", "minor", "words"),
    [("USD", 49, "Below minimum charge amount"), ("JPY", 49, "Below minimum charge amount"),
     ("KWD", 10_505, "The gateway cannot charge this amount")],
)  # fmt: skip
def test_an_amount_that_the_gateway_would_not_take_is_skipped(
    shop: Shop, currency: str, minor: int, words: str
) -> None:
    customer = shop.customer(currency=currency)
    invoice = shop.invoice(customer, total_minor=minor, number="INV-2025-010")
    assert f"  - Skipped INV-2025-010: {words}\n" in collect()
    assert state(invoice)[1] == "scheduled"
    assert attempts(invoice) == []


# ---- whose invoices -----------------------------------------------------------------------


def test_the_neighbour_is_charged_on_its_own_account(shop: Shop) -> None:
    neighbour = open_shop(shop.sandbox, timezone="Asia/Tokyo")
    ours, theirs = shop.invoice(), neighbour.invoice()
    collect(firm_id=shop.firm.pk)
    assert state(ours)[0] == "paid"
    assert state(theirs) == ("sent", "scheduled", 0)
    collect()
    assert state(theirs)[0] == "paid"
    assert len(shop.charges()) == len(neighbour.charges()) == 1
    assert neighbour.charges()[0].account != shop.charges()[0].account


@pytest.mark.parametrize("status", [Firm.Status.SUSPENDED, Firm.Status.CLOSED])
def test_a_firm_that_is_not_served_charges_nobody(shop: Shop, status: Firm.Status) -> None:
    invoice = shop.invoice()
    Firm.objects.filter(pk=shop.firm.pk).update(status=status)
    assert "Invoices charged: 0" in collect()
    said = collect(firm_id=shop.firm.pk)
    assert f"Firm {shop.firm.pk} is {status}; skipped.\n" in said
    assert state(invoice) == ("sent", "scheduled", 0)


@pytest.mark.parametrize("change", [{"status": "disabled"}, {"livemode": True}])
def test_an_account_that_cannot_be_used_here_is_left_alone(
    shop: Shop, change: dict[str, Any]
) -> None:
    invoice = shop.invoice()
    GatewayAccount.objects.update(**change)
    assert "Invoices charged: 0" in collect()
    assert state(invoice) == ("sent", "scheduled", 0)
    assert shop.sandbox.requests == []


def test_a_revoked_key_stops_this_firm_only_and_changes_nothing(shop: Shop) -> None:
    neighbour = open_shop(shop.sandbox)
    ours, theirs = shop.invoice(), neighbour.invoice()
    shop.sandbox.stripe.revoke(shop.key)
    said = collect()
    assert "  ✗ Acme Consulting: " in said
    assert said.endswith("CommandError: 1 item(s) failed; see the log.\n")
    assert state(ours) == ("sent", "scheduled", 0)
    assert attempts(ours) == []
    assert state(theirs)[0] == "paid"
    assert shop.key not in said


def test_a_dry_run_shows_what_would_be_charged_and_asks_nobody(shop: Shop) -> None:
    invoice = shop.invoice(number="INV-2025-001")
    assert collect(dry_run=True) == (
        "Processing autopay charges...\n"
        "  • Would charge invoice INV-2025-001 for $5000.00\n"
        "\n"
        "Summary:\n"
        "  Invoices to charge: 1\n"
        "  Total amount: $5000.00\n"
    )
    assert state(invoice) == ("sent", "scheduled", 0)
    assert attempts(invoice) == []
    assert shop.sandbox.requests == []
    assert told("no_card") == 0


def test_a_dry_run_of_another_day_sees_what_is_due_then(shop: Shop) -> None:
    shop.invoice(autopay_next_charge_at=instant("2025-02-01T05:00:00"))
    assert "Invoices to charge: 0" in collect(dry_run=True)
    assert "Invoices to charge: 1" in collect(dry_run=True, as_of="2025-02-01")
