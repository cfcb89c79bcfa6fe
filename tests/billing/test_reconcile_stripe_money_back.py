"""What reconcile_stripe finds of money that goes back or came twice (spec D3)."""

from datetime import timedelta

import pytest

from apps.billing.models import Invoice, Payment
from apps.billing.services import refund_payment
from apps.billing.services.payments import dispute_payment
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

pytestmark = pytest.mark.django_db

YESTERDAY = (NIGHT - DAY).timestamp()


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return open_shop(sandbox, name="Acme Consulting")


@pytest.fixture
def invoice(shop: Shop) -> Invoice:
    return overdue(shop, number="INV-2025-003")


# ---- refunds --------------------------------------------------------------------------------


def test_a_refund_that_is_not_recorded(shop: Shop, invoice: Invoice) -> None:
    refunds = [{"amount": 30_000, "at": YESTERDAY}, {"amount": 20_000, "at": YESTERDAY}]
    intent = paid_there(shop, invoice, ago=3 * DAY, refunds=refunds)
    paid_here(invoice, intent, ago=3 * DAY)
    [issue] = found(shop, "refund_not_recorded")
    assert issue.sentence == (
        f"INV-2025-003: $500.00 refunded in Stripe ({intent}) but no refund is recorded"
    )


def test_a_second_refund_that_is_not_recorded(shop: Shop, invoice: Invoice) -> None:
    refunds = [{"amount": 30_000, "at": YESTERDAY}, {"amount": 20_000, "at": YESTERDAY}]
    intent = paid_there(shop, invoice, ago=3 * DAY, refunds=refunds)
    _refund(paid_here(invoice, intent, ago=3 * DAY), 30_000)
    [issue] = found(shop, "refund_not_recorded")
    assert issue.local_state == "only $300.00 here"


def test_a_refund_that_never_was(shop: Shop, invoice: Invoice) -> None:
    intent = paid_there(shop, invoice, ago=3 * DAY)
    _refund(paid_here(invoice, intent, ago=3 * DAY), 30_000)
    [issue] = found(shop, "amount_mismatch")
    assert issue.local_state == "$300.00 of it is recorded as refunded"


def test_nothing_when_what_is_left_is_the_same(shop: Shop, invoice: Invoice) -> None:
    refunds = [{"amount": 50_000, "at": YESTERDAY}]
    intent = paid_there(shop, invoice, ago=3 * DAY, refunds=refunds)
    paid_here(invoice, intent, 200_000, ago=3 * DAY)
    assert nothing_is_found(shop)


@pytest.mark.parametrize("recorded", [False, True])
def test_nothing_about_a_refund_of_the_last_minutes(
    shop: Shop, invoice: Invoice, recorded: bool
) -> None:
    refunds = [{"amount": 50_000, "at": (NIGHT - timedelta(minutes=5)).timestamp()}]
    intent = paid_there(shop, invoice, ago=3 * DAY, refunds=refunds)
    payment = paid_here(invoice, intent, ago=3 * DAY)
    if recorded:
        _refund(payment, 50_000)
    assert nothing_is_found(shop)


# ---- disputes -------------------------------------------------------------------------------


def test_a_dispute_that_is_not_recorded(shop: Shop, invoice: Invoice) -> None:
    intent = paid_there(shop, invoice, ago=3 * DAY, dispute={"at": YESTERDAY})
    paid_here(invoice, intent, ago=3 * DAY)
    [issue] = found(shop, "dispute_not_recorded")
    assert issue.sentence == (
        f"INV-2025-003: disputed in Stripe ($2500.00, {intent}) but local status is succeeded"
    )


@pytest.mark.parametrize("age", [3, 60])
def test_a_dispute_whose_end_is_not_recorded(shop: Shop, invoice: Invoice, age: int) -> None:
    intent = paid_there(shop, invoice, ago=age * DAY)
    with at(NIGHT - (age - 1) * DAY):
        dispute = shop.sandbox.stripe.dispute(intent)
    payment = paid_here(invoice, intent, ago=age * DAY)
    with at(NIGHT - (age - 1) * DAY):
        dispute_payment(payment=payment)
    assert nothing_is_found(shop)
    shop.sandbox.stripe.close_dispute(dispute, "won")
    reconcile(NIGHT + DAY)
    assert only_issue(shop).remote_state == f"dispute over in Stripe ($2500.00, {intent})"
    assert "Mismatches repaired: 1" in reconcile(NIGHT + 2 * DAY, repair=True)
    payment.refresh_from_db()
    assert payment.status == "succeeded"


@pytest.mark.parametrize(
    ("lost", "words", "kept"),
    [
        (250_000, "dispute lost in Stripe ($2500.00, {intent})", 0),
        (50_000, "$500.00 lost in a dispute in Stripe ({intent})", 200_000),
    ],
)
def test_a_dispute_that_was_lost_before_we_heard_of_it(
    shop: Shop, invoice: Invoice, lost: int, words: str, kept: int
) -> None:
    intent = paid_there(shop, invoice, ago=3 * DAY)
    paid_here(invoice, intent, ago=3 * DAY)
    with at(NIGHT - DAY):
        dispute = shop.sandbox.stripe.dispute(intent, amount=lost)
        shop.sandbox.stripe.close_dispute(dispute, "lost")
    [issue] = found(shop, "dispute_not_recorded")
    assert issue.remote_state == words.format(intent=intent)
    assert "Mismatches repaired: 1" in reconcile(NIGHT + DAY, repair=True)
    invoice.refresh_from_db()
    assert invoice.paid_minor == kept
    assert "Mismatches found: 0 (0 new)" in reconcile(NIGHT + 2 * DAY)


def test_nothing_about_a_payment_that_was_taken_back_by_a_dispute(
    shop: Shop, invoice: Invoice
) -> None:
    intent = paid_there(shop, invoice, ago=3 * DAY)
    shop.sandbox.stripe.close_dispute(shop.sandbox.stripe.dispute(intent), "lost")
    payment = paid_here(invoice, intent, ago=3 * DAY)
    Payment.objects.filter(pk=payment.pk).update(status=Payment.Status.FAILED)
    assert nothing_is_found(shop)


# ---- twice ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ages", [(2, 1), (50, 1)])
def test_two_payments_of_one_invoice(
    shop: Shop, invoice: Invoice, ages: tuple[int, int]
) -> None:
    intents = [paid_there(shop, invoice, ago=age * DAY) for age in ages]
    for intent, age in zip(intents, ages, strict=True):
        paid_here(invoice, intent, ago=age * DAY)
    [issue] = found(shop, "duplicate_payment")
    first, second = sorted(intents)
    assert (issue.severity, issue.subject_key) == ("critical", f"{first} {second}")
    assert issue.sentence == (
        f"INV-2025-003: paid 2 times in Stripe ($5000.00 by {first} and {second}) "
        "but the invoice is over $2500.00"
    )


def test_two_payments_until_one_is_given_back(shop: Shop, invoice: Invoice) -> None:
    intents = [paid_there(shop, invoice, ago=age * DAY) for age in (2, 3)]
    payments = [
        paid_here(invoice, intent, ago=age * DAY)
        for intent, age in zip(intents, (2, 3), strict=True)
    ]
    found(shop, "duplicate_payment")
    assert "Mismatches found: 1 (0 new)" in reconcile(NIGHT + 60 * DAY)
    with at(NIGHT + 61 * DAY):
        shop.sandbox.stripe.refund(intents[1])
    _refund(payments[1], 250_000)
    reconcile(NIGHT + 62 * DAY)
    assert issues(shop) == [("duplicate_payment", "resolved")]


def test_nothing_about_instalments(shop: Shop, invoice: Invoice) -> None:
    for minor in (100_000, 150_000):
        paid_here(invoice, paid_there(shop, invoice, minor), minor)
    assert nothing_is_found(shop)


def test_nothing_when_the_first_payment_was_lost_in_a_dispute(
    shop: Shop, invoice: Invoice
) -> None:
    lost = paid_there(shop, invoice, ago=9 * DAY)
    with at(NIGHT - 8 * DAY):
        shop.sandbox.stripe.close_dispute(shop.sandbox.stripe.dispute(lost), "lost")
    payment = paid_here(invoice, lost, ago=9 * DAY)
    Payment.objects.filter(pk=payment.pk).update(status=Payment.Status.FAILED)
    Invoice.objects.filter(pk=invoice.pk).update(paid_minor=0, status="overdue")
    payment.allocations.all().delete()
    paid_here(invoice, paid_there(shop, invoice))
    assert nothing_is_found(shop)


def _refund(payment: Payment, minor: int) -> None:
    with at(NIGHT - timedelta(hours=20)):
        refund_payment(
            payment=payment, amount_minor=minor, now=NIGHT - DAY, today=(NIGHT - DAY).date()
        )
