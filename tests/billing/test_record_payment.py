"""Recording a payment: what it covers, in which order, and what is left."""

from datetime import date

import pytest
from django.db import IntegrityError, transaction

from apps.billing.models import AccountCredit, Invoice, Payment, PaymentAllocation
from apps.core.problems import Problem
from tests.billing.ledger import LATER, NOW, TODAY, credit, figures, pay
from tests.factories import BillingAccountFactory, InvoiceFactory

pytestmark = pytest.mark.usefixtures("books")


def test_pays_an_invoice_in_full() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = pay(invoice.account, 150_000)
    assert figures(invoice) == (150_000, 150_000, 0, "paid")
    assert (invoice.balance_minor, invoice.paid_at) == (0, NOW)
    assert (payment.status, payment.settled_at, payment.currency) == ("succeeded", NOW, "USD")
    assert credit(invoice.account) == 0


def test_pays_a_part() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    pay(invoice.account, 100_000)
    assert figures(invoice) == (150_000, 100_000, 0, "partial")
    assert invoice.paid_at is None


def test_leaves_a_part_paid_invoice_overdue_after_its_due_date() -> None:
    invoice = InvoiceFactory(total_minor=150_000, due_date=date(2025, 3, 1))
    pay(invoice.account, 100_000, today=date(2025, 3, 2))
    assert figures(invoice) == (150_000, 100_000, 0, "overdue")


def test_covers_the_oldest_due_date_first() -> None:
    april = InvoiceFactory(total_minor=100_000, due_date=date(2025, 4, 1))
    march = InvoiceFactory(
        account=april.account, total_minor=100_000, due_date=date(2025, 3, 1)
    )
    pay(april.account, 130_000)
    assert figures(march) == (100_000, 100_000, 0, "paid")
    assert figures(april) == (100_000, 30_000, 0, "partial")


def test_covers_the_given_invoices_in_their_order() -> None:
    march = InvoiceFactory(total_minor=100_000, due_date=date(2025, 3, 1))
    april = InvoiceFactory(
        account=march.account, total_minor=100_000, due_date=date(2025, 4, 1)
    )
    pay(march.account, 130_000, invoices=[april, march])
    assert figures(april) == (100_000, 100_000, 0, "paid")
    assert figures(march) == (100_000, 30_000, 0, "partial")


def test_turns_a_surplus_into_credit() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = pay(invoice.account, 150_001, effective_on=date(2025, 2, 27))
    assert figures(invoice) == (150_000, 150_000, 0, "paid")
    row = AccountCredit.objects.get(account=invoice.account)
    assert (row.kind, row.amount_minor, row.payment_id) == ("surplus", 1, payment.pk)
    assert row.effective_on == date(2025, 2, 27)
    assert credit(invoice.account) == 1


def test_turns_money_that_nothing_waits_for_into_a_prepayment() -> None:
    account = BillingAccountFactory()
    pay(account, 600_000)
    assert AccountCredit.objects.get(account=account).kind == "prepayment"
    assert credit(account) == 600_000


@pytest.mark.parametrize("status", ["draft", "paid", "void", "written_off"])
def test_keeps_what_an_invoice_no_longer_needs_as_surplus(status: str) -> None:
    invoice = InvoiceFactory(total_minor=0)
    Invoice.objects.filter(pk=invoice.pk).update(status=status)
    pay(invoice.account, 5_000, invoices=[invoice])
    assert figures(invoice) == (0, 0, 0, status)
    assert AccountCredit.objects.get(account=invoice.account).kind == "surplus"


def test_covers_nothing_of_another_account() -> None:
    mine, theirs = InvoiceFactory(), InvoiceFactory()
    with pytest.raises(Problem, match="belongs to another account"):
        pay(mine.account, 5_000, invoices=[theirs])
    assert not Payment.objects.filter(account=mine.account).exists()
    assert figures(theirs) == (150_000, 0, 0, "sent")


@pytest.mark.parametrize("minor", [0, -1])
def test_refuses_an_amount_that_is_not_positive(minor: int) -> None:
    with pytest.raises(Problem, match="more than zero"):
        pay(BillingAccountFactory(), minor)


@pytest.mark.parametrize(("code", "minor"), [("JPY", 98_765), ("KWD", 1_234_567)])
def test_counts_in_minor_units_of_any_currency(code: str, minor: int) -> None:
    invoice = InvoiceFactory(account__currency=code, total_minor=minor)
    payment = pay(invoice.account, minor + 1)
    assert figures(invoice) == (minor, minor, 0, "paid")
    assert (payment.currency, credit(invoice.account)) == (code, 1)
    assert AccountCredit.objects.get(account=invoice.account).currency == code


def test_records_a_gateway_reference_once() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    how = {"gateway": "stripe", "gateway_ref": "pi_1"}
    first = pay(invoice.account, 100_000, **how)
    again = pay(invoice.account, 100_000, **how)
    assert again == first
    assert figures(invoice) == (150_000, 100_000, 0, "partial")


def test_refuses_a_gateway_reference_for_another_amount() -> None:
    account = BillingAccountFactory()
    pay(account, 100, gateway="stripe", gateway_ref="pi_1")
    with pytest.raises(Problem, match="belongs to another payment"):
        pay(account, 101, gateway="stripe", gateway_ref="pi_1")


def test_never_hands_out_a_payment_of_another_firm() -> None:
    pay(BillingAccountFactory(), 100, gateway="stripe", gateway_ref="pi_1")
    with pytest.raises(Problem, match="belongs to another payment"):
        pay(BillingAccountFactory(), 100, gateway="stripe", gateway_ref="pi_1")


def test_records_payments_without_a_reference_each_time() -> None:
    account = BillingAccountFactory()
    pay(account, 100, gateway="stripe")
    pay(account, 100, gateway="stripe")
    assert credit(account) == 200


def test_uses_no_more_statements_for_an_account_with_more_history(
    django_assert_max_num_queries: pytest.FixtureRequest,
) -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    for _ in range(5):
        pay(invoice.account, 1_000)
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        pay(invoice.account, 1_000, today=LATER)


def test_is_refused_by_the_database_when_it_would_cover_too_much() -> None:
    invoice = InvoiceFactory(total_minor=100)
    with pytest.raises(IntegrityError), transaction.atomic():
        Invoice.objects.filter(pk=invoice.pk).update(paid_minor=101)


@pytest.mark.parametrize("status", ["failed", "refunded", "disputed"])
def test_refuses_a_status_that_is_the_end_of_something(status: str) -> None:
    with pytest.raises(Problem, match="cannot be recorded"):
        pay(BillingAccountFactory(), 100, status=Payment.Status(status))


def test_covers_an_invoice_given_twice_once() -> None:
    invoice = InvoiceFactory(total_minor=100)
    pay(invoice.account, 150, invoices=[invoice, invoice])
    assert PaymentAllocation.objects.get(invoice=invoice).amount_minor == 100
    assert credit(invoice.account) == 50


def test_is_dated_by_the_payer_and_stamped_by_the_clock() -> None:
    payment = pay(BillingAccountFactory(), 100, effective_on=date(2025, 2, 25))
    assert (payment.effective_on, payment.initiated_at) == (date(2025, 2, 25), NOW)
    assert payment.effective_on < TODAY
