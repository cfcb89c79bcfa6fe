"""What reconcile_stripe finds: every kind of mismatch (spec D3), and nothing that agrees."""

from datetime import timedelta
from typing import Any

import pytest

from apps.billing.models import Invoice, Payment, PaymentAttempt
from apps.billing.services.reconciling.comparing import Mismatch
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.billing.collecting import Shop, at, open_shop
from tests.billing.reconciling import (
    DAY,
    NIGHT,
    found,
    issues,
    nothing_is_found,
    only_issue,
    overdue,
    paid_here,
    paid_there,
    reconcile,
)
from tests.factories import PaymentAttemptFactory

pytestmark = pytest.mark.django_db

YESTERDAY = (NIGHT - DAY).timestamp()


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return open_shop(sandbox, name="Acme Consulting")


@pytest.fixture
def invoice(shop: Shop) -> Invoice:
    return overdue(shop, number="INV-2025-003")


def attempt(invoice: Invoice, **how: Any) -> PaymentAttempt:
    made: PaymentAttempt = PaymentAttemptFactory(
        invoice=invoice, payment_method=invoice.account.default_payment_method, **how
    )
    return made


def test_are_those_of_the_specification() -> None:
    assert {kind.value: (kind.severity.value, kind.can_be_repaired) for kind in Mismatch} == {
        "remote_paid_local_unpaid": ("error", True),
        "local_paid_remote_not_paid": ("error", False),
        "amount_mismatch": ("error", False),
        "currency_mismatch": ("error", False),
        "refund_not_recorded": ("error", True),
        "dispute_not_recorded": ("error", True),
        "duplicate_payment": ("critical", False),
        "unknown_invoice": ("warning", False),
        "stuck_processing": ("warning", False),
        "wrong_firm": ("critical", False),
        "livemode_mismatch": ("error", False),
    }


# ---- paid there, not here -------------------------------------------------------------------


def test_a_payment_that_is_still_pending_here(shop: Shop, invoice: Invoice) -> None:
    intent = paid_there(shop, invoice)
    paid_here(invoice, intent, status=Payment.Status.PENDING)
    [issue] = found(shop, "remote_paid_local_unpaid")
    assert issue.severity == "error"
    assert issue.sentence == (
        f"INV-2025-003: paid in Stripe ($2500.00, {intent}) but local status is pending"
    )


def test_a_second_payment_of_an_invoice_that_is_paid_already(
    shop: Shop, invoice: Invoice
) -> None:
    paid_here(invoice, "", ago=5 * DAY)
    paid_there(shop, invoice)
    [issue] = found(shop, "remote_paid_local_unpaid")
    assert issue.local_state == "not recorded here"


def test_nothing_when_all_of_an_unrecorded_payment_went_back(
    shop: Shop, invoice: Invoice
) -> None:
    paid_there(shop, invoice, ago=2 * DAY, refunds=[{"at": YESTERDAY}])
    assert nothing_is_found(shop)


def test_a_payment_that_names_only_the_attempt(shop: Shop, invoice: Invoice) -> None:
    asked = attempt(invoice, status="transient_error")
    paid_there(shop, invoice, metadata={"attempt": str(asked.pk)})
    [issue] = found(shop, "remote_paid_local_unpaid")
    assert issue.label == "INV-2025-003"


# ---- paid here, not there -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [("processing", "processing"), ("card_declined", "requires payment method")],
)
def test_a_payment_that_did_not_succeed_there(
    shop: Shop, invoice: Invoice, status: str, words: str
) -> None:
    intent = paid_there(shop, invoice, status=status)
    paid_here(invoice, intent)
    [issue] = found(shop, "local_paid_remote_not_paid")
    assert issue.sentence == (
        f"INV-2025-003: {words} in Stripe ({intent}) but $2500.00 is recorded as paid"
    )


def test_a_payment_that_nobody_knows_there(shop: Shop, invoice: Invoice) -> None:
    paid_here(invoice, "pi_nobody")
    [issue] = found(shop, "local_paid_remote_not_paid")
    assert issue.remote_state == "unknown in Stripe (pi_nobody)"


def test_nothing_about_a_payment_that_did_not_come_from_the_gateway(
    shop: Shop, invoice: Invoice
) -> None:
    with at(NIGHT - DAY):
        payment = paid_here(invoice, "check 17")
    Payment.objects.filter(pk=payment.pk).update(gateway="admin")
    assert nothing_is_found(shop)


# ---- amounts and currencies -----------------------------------------------------------------


def test_another_amount_than_is_recorded(shop: Shop, invoice: Invoice) -> None:
    intent = paid_there(shop, invoice, 249_000)
    paid_here(invoice, intent)
    [issue] = found(shop, "amount_mismatch")
    assert issue.sentence == (
        f"INV-2025-003: $2490.00 received in Stripe ({intent}) but $2500.00 is recorded"
    )


def test_another_amount_than_was_asked_for(shop: Shop, invoice: Invoice) -> None:
    asked = attempt(invoice, status="unknown")
    paid_there(shop, invoice, 260_000, metadata={"attempt": str(asked.pk)})
    [issue] = found(shop, "amount_mismatch")
    assert issue.local_state == "$2500.00 was asked for"


def test_a_payment_of_more_than_the_invoice(shop: Shop, invoice: Invoice) -> None:
    paid_there(shop, invoice, 25_000_000)
    [issue] = found(shop, "amount_mismatch")
    assert issue.local_state == "the invoice is over $2500.00"


def test_nothing_about_a_part_of_the_invoice_that_is_recorded(
    shop: Shop, invoice: Invoice
) -> None:
    paid_here(invoice, paid_there(shop, invoice, 100_000), 100_000)
    assert nothing_is_found(shop)


@pytest.mark.parametrize(
    ("currency", "total", "sent"),
    [("JPY", 5_000, 5_000), ("ISK", 5_000, 500_000), ("KWD", 10_500, 10_500)],
)
def test_nothing_when_the_gateway_counts_in_another_unit(
    shop: Shop, currency: str, total: int, sent: int
) -> None:
    account = shop.customer(currency=currency)
    invoice = overdue(shop, account=account, total_minor=total)
    paid_here(invoice, paid_there(shop, invoice, sent))
    assert nothing_is_found(shop)


def test_another_currency(shop: Shop, invoice: Invoice) -> None:
    intent = paid_there(shop, invoice, currency="EUR")
    [issue] = found(shop, "currency_mismatch")
    assert issue.sentence == (
        f"INV-2025-003: paid in EUR in Stripe (€2500.00, {intent}) but it is in USD here"
    )


# ---- strangers ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["99999999", "9" * 40])
def test_a_payment_for_an_invoice_that_is_not_there(
    shop: Shop, invoice: Invoice, number: str
) -> None:
    metadata = {"firm": str(shop.firm.pk), "invoice": number}
    intent = paid_there(shop, invoice, metadata=metadata)
    [issue] = found(shop, "unknown_invoice")
    assert (issue.severity, issue.label) == ("warning", intent)
    words = " for invoice 99999999" if len(number) == 8 else ""
    assert issue.sentence == (
        f"{intent}: paid in Stripe ($2500.00){words} but there is no such invoice here"
    )


def test_a_payment_that_names_another_firms_invoice(
    shop: Shop, invoice: Invoice, sandbox: Sandbox
) -> None:
    theirs = overdue(open_shop(sandbox, name="Birch"), number="SECRET-1")
    paid_there(shop, invoice, metadata={"invoice": str(theirs.pk)})
    [issue] = found(shop, "unknown_invoice")
    assert "SECRET-1" not in issue.sentence


def test_a_payment_that_names_another_firm(
    shop: Shop, invoice: Invoice, sandbox: Sandbox
) -> None:
    other = open_shop(sandbox, name="Birch").firm
    metadata = {"firm": str(other.pk), "invoice": str(invoice.pk)}
    intent = paid_there(shop, invoice, metadata=metadata)
    [issue] = found(shop, "wrong_firm")
    assert issue.severity == "critical"
    assert issue.remote_state == f"in this firm's Stripe account ({intent})"
    assert issue.local_state == "it names another firm"


def test_a_payment_that_another_firms_books_have(
    shop: Shop, invoice: Invoice, sandbox: Sandbox
) -> None:
    theirs = overdue(open_shop(sandbox, name="Birch"))
    paid_here(theirs, paid_there(shop, invoice))
    reconcile(firm_id=shop.firm.pk)
    assert issues(shop) == [("wrong_firm", "open")]
    assert only_issue(shop).local_state == "recorded in another firm's books"


def test_a_live_payment_in_a_test_account(shop: Shop, invoice: Invoice) -> None:
    shop.sandbox.stripe.accounts[shop.key].livemode = True
    intent = paid_there(shop, invoice)
    [issue] = found(shop, "livemode_mismatch")
    assert issue.sentence == (
        f"INV-2025-003: a live payment in Stripe ({intent}) but the account here is a test one"
    )
    assert GatewayAccount.objects.get().livemode is False


# ---- for too long ---------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "stuck"), [(7 * 24, False), (7 * 24 + 1, True)])
def test_a_debit_that_is_under_way_for_more_than_a_week(
    shop: Shop, invoice: Invoice, hours: int, stuck: bool
) -> None:
    since = timedelta(hours=hours)
    intent = paid_there(shop, invoice, ago=since, status="processing")
    paid_here(invoice, intent, ago=since, status=Payment.Status.PENDING)
    if not stuck:
        assert nothing_is_found(shop)
        return
    [issue] = found(shop, "stuck_processing")
    assert issue.severity == "warning"
    assert issue.sentence == (
        f"INV-2025-003: processing in Stripe since 2025-06-03 ({intent}) "
        "but local status is pending"
    )


def test_a_debit_that_failed_there_long_ago(shop: Shop, invoice: Invoice) -> None:
    intent = paid_there(shop, invoice, ago=9 * DAY, status="card_declined")
    with at(NIGHT - 9 * DAY):
        attempt(invoice, status="processing", gateway_ref=intent)
    [issue] = found(shop, "stuck_processing")
    assert issue.remote_state.startswith("requires payment method in Stripe since 2025-06-01")
