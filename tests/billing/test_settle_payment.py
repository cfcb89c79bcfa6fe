"""Pending payments: they cover nothing until they arrive, and may fail."""

from datetime import date, timedelta

import pytest

from apps.billing import services
from apps.billing.models import BillingAccount, Payment, PaymentAllocation
from apps.core.problems import Problem
from tests.billing.ledger import LATER, NOW, TODAY, credit, figures, pay
from tests.factories import InvoiceFactory

pytestmark = pytest.mark.usefixtures("books")

ARRIVED = NOW + timedelta(days=9)


def debit(account: BillingAccount, minor: int) -> Payment:
    return pay(account, minor, method=Payment.Method.BANK_DEBIT, status=Payment.Status.PENDING)


def test_waits_for_the_money() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = debit(invoice.account, 150_000)
    assert figures(invoice) == (150_000, 0, 0, "sent")
    assert (payment.status, payment.settled_at) == ("pending", None)
    assert not PaymentAllocation.objects.filter(payment=payment).exists()


def test_covers_invoices_when_it_arrives() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = debit(invoice.account, 160_000)
    payment = services.settle_payment(payment=payment, now=ARRIVED, today=LATER)
    assert figures(invoice) == (150_000, 150_000, 0, "paid")
    assert (payment.status, payment.settled_at, payment.effective_on) == (
        "succeeded",
        ARRIVED,
        TODAY,
    )
    assert (invoice.paid_at, credit(invoice.account)) == (ARRIVED, 10_000)


def test_covers_the_invoices_it_was_meant_for() -> None:
    march = InvoiceFactory(total_minor=100, due_date=date(2025, 3, 1))
    april = InvoiceFactory(account=march.account, total_minor=100, due_date=date(2025, 4, 1))
    payment = debit(march.account, 100)
    services.settle_payment(payment=payment, now=ARRIVED, today=TODAY, invoices=[april])
    assert figures(march) == (100, 0, 0, "sent")
    assert figures(april) == (100, 100, 0, "paid")


def test_arrives_once() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = debit(invoice.account, 100_000)
    for _ in range(2):
        services.settle_payment(payment=payment, now=ARRIVED, today=TODAY)
    assert figures(invoice) == (150_000, 100_000, 0, "partial")


def test_becomes_credit_when_the_invoice_was_paid_meanwhile() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = debit(invoice.account, 150_000)
    pay(invoice.account, 150_000)
    services.settle_payment(payment=payment, now=ARRIVED, today=LATER, invoices=[invoice])
    assert figures(invoice) == (150_000, 150_000, 0, "paid")
    assert credit(invoice.account) == 150_000


def test_can_fail() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = debit(invoice.account, 150_000)
    for _ in range(2):
        assert services.fail_payment(payment=payment).status == "failed"
    assert figures(invoice) == (150_000, 0, 0, "sent")


def test_cannot_arrive_after_it_failed() -> None:
    payment = debit(InvoiceFactory().account, 100)
    services.fail_payment(payment=payment)
    with pytest.raises(Problem, match="failed payment cannot be settled"):
        services.settle_payment(payment=payment, now=ARRIVED, today=LATER)


def test_cannot_fail_after_it_arrived() -> None:
    payment = pay(InvoiceFactory().account, 100)
    with pytest.raises(Problem, match="reverse it instead"):
        services.fail_payment(payment=payment)
