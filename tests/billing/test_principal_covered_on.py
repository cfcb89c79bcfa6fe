"""When an invoice's principal was covered, as rewards and late fees want to know."""

from datetime import date

import pytest

from apps.billing import services
from apps.billing.models import AccountCredit, Invoice, Payment
from tests.billing.ledger import LATER, NOW, TODAY, add_fees, pay
from tests.factories import InvoiceFactory

pytestmark = pytest.mark.usefixtures("books")


def covered(invoice: Invoice) -> date | None:
    return services.principal_covered_on([invoice.pk])[invoice.pk]


def day(number: int) -> date:
    return date(2025, 2, number)


def test_is_the_day_the_payer_paid() -> None:
    invoice = InvoiceFactory(total_minor=100)
    pay(invoice.account, 100, effective_on=day(20), today=LATER)
    assert covered(invoice) == day(20)


def test_is_the_day_of_the_instalment_that_completed_it() -> None:
    invoice = InvoiceFactory(total_minor=100)
    pay(invoice.account, 30, effective_on=day(22))
    pay(invoice.account, 30, effective_on=day(20))
    assert covered(invoice) is None
    pay(invoice.account, 40, effective_on=day(21))
    assert covered(invoice) == day(22)


def test_does_not_wait_for_late_fees() -> None:
    invoice = InvoiceFactory(total_minor=100)
    add_fees([invoice], 50)
    pay(invoice.account, 100, effective_on=day(20))
    pay(invoice.account, 50, effective_on=day(25))
    assert covered(invoice) == day(20)


def test_counts_credit_from_the_day_it_came_in() -> None:
    invoice = InvoiceFactory(total_minor=100)
    services.grant_credit(
        account=invoice.account,
        amount_minor=100,
        kind=AccountCredit.Kind.PREPAYMENT,
        effective_on=day(3),
    )
    services.use_credit(invoice=invoice, today=TODAY, now=NOW)
    assert covered(invoice) == day(3)


def test_adds_credit_and_payments() -> None:
    invoice = InvoiceFactory(total_minor=100)
    services.grant_credit(
        account=invoice.account,
        amount_minor=60,
        kind=AccountCredit.Kind.REWARD,
        effective_on=day(3),
    )
    services.use_credit(invoice=invoice, today=TODAY, now=NOW)
    pay(invoice.account, 40, effective_on=day(4))
    assert covered(invoice) == day(4)


def test_forgets_a_payment_that_bounced() -> None:
    invoice = InvoiceFactory(total_minor=100)
    payment = pay(invoice.account, 100, effective_on=day(20))
    services.reverse_payment(payment=payment, now=NOW, today=TODAY)
    assert covered(invoice) is None
    pay(invoice.account, 100, effective_on=TODAY)
    assert covered(invoice) == TODAY


def test_forgets_what_was_refunded() -> None:
    invoice = InvoiceFactory(total_minor=100)
    payment = pay(invoice.account, 100, effective_on=day(20))
    services.refund_payment(payment=payment, amount_minor=1, now=NOW, today=TODAY)
    assert covered(invoice) is None


def test_does_not_trust_a_disputed_payment() -> None:
    invoice = InvoiceFactory(total_minor=100)
    payment = pay(invoice.account, 100)
    Payment.objects.filter(pk=payment.pk).update(status="disputed")
    assert covered(invoice) is None


def test_does_not_trust_a_pending_payment() -> None:
    invoice = InvoiceFactory(total_minor=100)
    how = {"effective_on": day(20), "status": Payment.Status.PENDING}
    payment = pay(invoice.account, 100, **how)
    assert covered(invoice) is None
    services.settle_payment(payment=payment, now=NOW, today=LATER)
    assert covered(invoice) == day(20)


def test_needs_only_the_principal_that_a_credit_note_left() -> None:
    invoice = InvoiceFactory(total_minor=100)
    pay(invoice.account, 60, effective_on=day(20))
    services.credit_line(
        invoice=invoice, amount_minor=40, description="Credit", today=TODAY, now=NOW
    )
    assert covered(invoice) == day(20)


def test_is_the_issue_date_when_there_was_nothing_to_pay() -> None:
    invoice = InvoiceFactory(total_minor=0, status="paid")
    assert covered(invoice) == invoice.issue_date


def test_asks_three_times_however_many_invoices(
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    invoices = InvoiceFactory.create_batch(5, total_minor=100)
    for invoice in invoices[:4]:
        pay(invoice.account, 100)
    with django_assert_num_queries(3):  # type: ignore[operator]
        days = services.principal_covered_on([one.pk for one in invoices])
    assert list(days.values()).count(TODAY) == 4
    assert days[invoices[4].pk] is None
