"""Bounced payments: the bank took the money back, wherever it has gone."""

from datetime import date

import pytest

from apps.audit.models import AuditEvent
from apps.billing import services
from apps.billing.models import AccountCredit, Payment
from tests.billing.ledger import LATER, NOW, TODAY, credit, figures, pay
from tests.factories import InvoiceFactory

pytestmark = pytest.mark.usefixtures("books")


def bounce(payment: Payment, *, today: date = TODAY) -> Payment:
    return services.reverse_payment(payment=payment, now=NOW, today=today, reason="Bounced")


def test_opens_everything_it_paid_for() -> None:
    march = InvoiceFactory(total_minor=100, due_date=date(2025, 3, 1))
    april = InvoiceFactory(account=march.account, total_minor=100, due_date=date(2025, 4, 1))
    payment = bounce(pay(march.account, 250), today=LATER)
    assert figures(march) == (100, 0, 0, "overdue")
    assert figures(april) == (100, 0, 0, "sent")
    assert (payment.status, credit(march.account)) == ("failed", 0)


def test_leaves_other_payments_where_they_are() -> None:
    invoice = InvoiceFactory(total_minor=100)
    pay(invoice.account, 60)
    bounce(pay(invoice.account, 40))
    assert figures(invoice) == (100, 60, 0, "partial")


def test_opens_what_its_credit_paid_for() -> None:
    march = InvoiceFactory(total_minor=100, due_date=date(2025, 3, 1))
    payment = pay(march.account, 170)
    april = InvoiceFactory(account=march.account, total_minor=50, due_date=date(2025, 4, 1))
    services.use_credit(invoice=april, today=TODAY, now=NOW)
    bounce(payment)
    assert figures(march) == (100, 0, 0, "sent")
    assert figures(april) == (50, 0, 0, "sent")
    assert (april.paid_at, credit(march.account)) == (None, 0)


def test_uses_other_credit_before_it_opens_an_invoice() -> None:
    march = InvoiceFactory(total_minor=100, due_date=date(2025, 3, 1))
    payment = pay(march.account, 150)
    april = InvoiceFactory(account=march.account, total_minor=50, due_date=date(2025, 4, 1))
    services.use_credit(invoice=april, today=TODAY, now=NOW)
    services.grant_credit(
        account=march.account,
        amount_minor=30,
        kind=AccountCredit.Kind.REWARD,
        effective_on=TODAY,
    )
    bounce(payment)
    assert figures(april) == (50, 0, 30, "sent")
    assert credit(march.account) == 0


def test_takes_back_what_is_left_of_a_partly_refunded_one() -> None:
    invoice = InvoiceFactory(total_minor=100)
    payment = pay(invoice.account, 100)
    services.refund_payment(payment=payment, amount_minor=30, now=NOW, today=TODAY)
    assert bounce(payment).status == "failed"
    assert figures(invoice) == (100, 0, 0, "sent")


def test_happens_once() -> None:
    invoice = InvoiceFactory(total_minor=100)
    payment = pay(invoice.account, 100)
    bounce(payment)
    pay(invoice.account, 100)
    bounce(payment)
    assert figures(invoice) == (100, 100, 0, "paid")
    event = AuditEvent.objects.get(action="payment_reversed")
    assert (event.reason, event.changes["amount_minor"]) == ("Bounced", 100)


def test_fails_a_pending_one() -> None:
    payment = pay(InvoiceFactory().account, 100, status=Payment.Status.PENDING)
    assert bounce(payment).status == "failed"
