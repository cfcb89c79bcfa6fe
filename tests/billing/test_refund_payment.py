"""Refunds: money goes back, invoices are open again, credit is gone."""

from datetime import date

import pytest

from apps.audit.models import AuditEvent
from apps.billing import services
from apps.billing.models import AccountCredit, Payment, PaymentAllocation
from apps.core.problems import Problem
from tests.billing.ledger import LATER, NOW, TODAY, credit, figures, pay
from tests.factories import InvoiceFactory, UserFactory

pytestmark = pytest.mark.usefixtures("books")


def refund(payment: Payment, minor: int | None = None) -> Payment:
    return services.refund_payment(payment=payment, amount_minor=minor, now=NOW, today=TODAY)


def test_opens_the_invoice_again() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = refund(pay(invoice.account, 150_000))
    assert figures(invoice) == (150_000, 0, 0, "sent")
    assert (payment.status, invoice.paid_at) == ("refunded", None)
    assert not PaymentAllocation.objects.filter(payment=payment).exists()


def test_makes_an_invoice_overdue_whose_due_date_has_passed() -> None:
    invoice = InvoiceFactory(total_minor=150_000, due_date=TODAY)
    payment = pay(invoice.account, 150_000)
    services.refund_payment(payment=payment, now=NOW, today=LATER)
    assert figures(invoice) == (150_000, 0, 0, "overdue")


def test_takes_back_the_newest_allocation_first() -> None:
    march = InvoiceFactory(total_minor=100, due_date=date(2025, 3, 1))
    april = InvoiceFactory(account=march.account, total_minor=100, due_date=date(2025, 4, 1))
    payment = refund(pay(march.account, 200), 130)
    assert figures(march) == (100, 70, 0, "partial")
    assert figures(april) == (100, 0, 0, "sent")
    assert payment.status == "partially_refunded"


def test_takes_back_credit_before_it_opens_an_invoice() -> None:
    invoice = InvoiceFactory(total_minor=100)
    payment = refund(pay(invoice.account, 150), 50)
    assert figures(invoice) == (100, 100, 0, "paid")
    assert (payment.status, credit(invoice.account)) == ("partially_refunded", 0)
    taken = AccountCredit.objects.get(payment=payment, kind="reversed")
    assert (taken.amount_minor, taken.effective_on) == (-50, TODAY)


def test_gives_back_in_several_steps() -> None:
    invoice = InvoiceFactory(total_minor=100)
    payment = pay(invoice.account, 150)
    assert refund(payment, 60).status == "partially_refunded"
    assert refund(payment, 60).status == "partially_refunded"
    assert refund(payment).status == "refunded"
    assert figures(invoice) == (100, 0, 0, "sent")


def test_gives_back_no_more_than_came_in() -> None:
    payment = pay(InvoiceFactory(total_minor=15_000).account, 15_000)
    refund(payment, 5_000)
    with pytest.raises(Problem, match=r"Only \$100\.00 of this payment can be refunded\."):
        refund(payment, 10_001)


def test_refuses_when_the_credit_was_used() -> None:
    march = InvoiceFactory(total_minor=10_000)
    payment = pay(march.account, 15_000)
    april = InvoiceFactory(account=march.account, total_minor=4_000)
    services.use_credit(invoice=april, today=TODAY, now=NOW)
    with pytest.raises(Problem, match=r"^\$40\.00 of this payment was used as credit"):
        refund(payment)
    assert figures(march) == (10_000, 10_000, 0, "paid")
    assert figures(april) == (4_000, 0, 4_000, "paid")
    assert credit(march.account) == 1_000


def test_never_pays_out_a_reward_in_place_of_used_credit() -> None:
    invoice = InvoiceFactory(total_minor=10_000)
    payment = pay(invoice.account, 15_000)
    services.grant_credit(
        account=invoice.account,
        amount_minor=5_000,
        kind=AccountCredit.Kind.REWARD,
        effective_on=LATER,
    )
    april = InvoiceFactory(account=invoice.account, total_minor=5_000)
    services.use_credit(invoice=april, today=TODAY, now=NOW)
    with pytest.raises(Problem, match="was used as credit"):
        refund(payment)
    assert credit(invoice.account) == 5_000


def test_returns_credit_that_a_voided_invoice_gave_back() -> None:
    invoice = InvoiceFactory(total_minor=10_000)
    payment = pay(invoice.account, 10_000)
    services.void_invoice(invoice=invoice, actor=None, reason="", today=TODAY, now=NOW)
    assert credit(invoice.account) == 10_000
    assert refund(payment).status == "refunded"
    assert credit(invoice.account) == 0


def test_leaves_a_written_off_invoice_written_off() -> None:
    invoice = InvoiceFactory(total_minor=10_000)
    payment = pay(invoice.account, 4_000)
    services.write_off(invoice=invoice, actor=None, reason="", today=TODAY, now=NOW)
    refund(payment)
    assert figures(invoice) == (10_000, 0, 0, "written_off")


def test_refuses_what_is_gone() -> None:
    payment = pay(InvoiceFactory().account, 100)
    refund(payment)
    with pytest.raises(Problem, match="cannot be refunded"):
        refund(payment)


def test_keeps_each_refund_with_its_day() -> None:
    payment = pay(InvoiceFactory().account, 100)
    services.refund_payment(payment=payment, amount_minor=40, now=NOW, today=TODAY)
    services.refund_payment(payment=payment, now=NOW, today=LATER)
    refunds = payment.refunds.order_by("pk").values_list("amount_minor", "effective_on")
    assert list(refunds) == [(40, TODAY), (60, LATER)]


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_refuses_what_never_came(status: str) -> None:
    invoice = InvoiceFactory()
    payment = pay(invoice.account, 100, status=Payment.Status.PENDING)
    Payment.objects.filter(pk=payment.pk).update(status=status)
    with pytest.raises(Problem, match="cannot be refunded"):
        refund(payment)


def test_is_written_down() -> None:
    payment = pay(InvoiceFactory().account, 100)
    actor = UserFactory(username="ada")
    services.refund_payment(
        payment=payment, amount_minor=40, now=NOW, today=TODAY, actor=actor, reason="Goodwill"
    )
    event = AuditEvent.objects.get(action="payment_refunded")
    assert (event.object_id, event.actor_label, event.reason) == (
        str(payment.pk),
        "ada",
        "Goodwill",
    )
    assert event.changes == {"amount_minor": 40, "currency": "USD"}
