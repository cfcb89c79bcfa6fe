"""The books' own check: silent when they add up, one sentence for what does not."""

from collections.abc import Callable
from datetime import date

import pytest
from django.db.models import F, Model

from apps.billing import services
from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentAllocation,
    Refund,
)
from tests.billing.ledger import NOW, TODAY, add_fees, pay
from tests.factories import FirmFactory, InvoiceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice() -> Invoice:
    """One with a fee, a payment, used credit and a surplus; and another firm's."""
    InvoiceFactory(total_minor=100)
    invoice = InvoiceFactory(total_minor=100)
    add_fees([invoice], 10)
    services.grant_credit(
        account=invoice.account,
        amount_minor=30,
        kind=AccountCredit.Kind.REWARD,
        effective_on=date(2025, 2, 1),
    )
    services.use_credit(invoice=invoice, today=TODAY, now=NOW)
    pay(invoice.account, 90)
    return invoice


def test_finds_nothing_in_order(invoice: Invoice) -> None:
    assert services.find_inconsistencies() == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda: InvoiceLine.objects.filter(kind="rent").last(), "total is not the sum"),
        (PaymentAllocation.objects.get, "paid is not the sum of its allocations"),
        (lambda: AccountCredit.objects.get(kind="reward"), "credit is not the sum"),
        (lambda: AccountCredit.objects.get(kind="surplus"), "do not fit its status"),
    ],
)
def test_finds_a_changed_part(
    invoice: Invoice, change: Callable[[], Model], found: str
) -> None:
    part = change()
    type(part)._default_manager.filter(pk=part.pk).update(amount_minor=F("amount_minor") + 1)
    assert any(found in sentence for sentence in services.find_inconsistencies())


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"late_fees_minor": 9}, "late fees are not the sum of its fee lines"),
        ({"paid_minor": 79}, "paid is not the sum of its allocations"),
        ({"credited_minor": 29}, "credited is not the credit used for it"),
        ({"tax_minor": 1}, "total is not subtotal and tax"),
        ({"status": "overdue"}, "open, but nothing is owed"),
        ({"paid_minor": 0}, "paid, but something is owed"),
        ({"currency": "EUR"}, "currency is not its account's"),
    ],
)
def test_finds_a_changed_invoice(
    invoice: Invoice, changes: dict[str, object], found: str
) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(**changes)
    sentences = services.find_inconsistencies()
    assert f"billing.invoice {invoice.pk}: {found}" in sentences


@pytest.mark.parametrize(
    ("model", "parent"),
    [
        (InvoiceLine, "invoice"),
        (Payment, "account"),
        (PaymentAllocation, "payment"),
        (AccountCredit, "account"),
    ],
)
def test_finds_a_child_of_another_firm(
    invoice: Invoice, model: type[Model], parent: str
) -> None:
    row = model._default_manager.filter(firm=invoice.firm).latest("pk")  # type: ignore[misc]
    model._default_manager.filter(pk=row.pk).update(firm=FirmFactory())
    expected = f"{model._meta.label_lower} {row.pk}: firm is not its {parent}'s"
    assert expected in services.find_inconsistencies()


def test_finds_a_payment_on_another_accounts_invoice(invoice: Invoice) -> None:
    other = BillingAccount.objects.exclude(pk=invoice.account_id).first()
    Invoice.objects.filter(pk=invoice.pk).update(account=other)
    found = services.find_inconsistencies()
    assert any("payment and invoice are of different accounts" in one for one in found)


def test_finds_a_failed_payment_that_still_covers_something(invoice: Invoice) -> None:
    Payment.objects.update(status="failed")
    assert any("do not fit its status" in one for one in services.find_inconsistencies())


def test_finds_a_refund_that_is_not_what_is_missing(invoice: Invoice) -> None:
    payment = Payment.objects.get(account=invoice.account)
    services.refund_payment(payment=payment, amount_minor=40, now=NOW, today=TODAY)
    assert services.find_inconsistencies() == []
    Refund.objects.update(amount_minor=39)
    assert services.find_inconsistencies() == [
        f"billing.payment {payment.pk}: what is missing of it is not the sum of its refunds"
    ]
