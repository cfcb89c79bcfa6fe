"""Two payments at the same moment: both are kept, no invoice is paid twice."""

from threading import Barrier

import pytest
from django.db import transaction

from apps.billing import services
from apps.billing.models import AccountCredit, Invoice, Payment
from tests.billing.at_once import at_once, until_somebody_waits
from tests.billing.ledger import NOW, TODAY, add_fees, credit, figures, pay
from tests.factories import InvoiceFactory

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_the_second_becomes_credit() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    acts = [lambda: pay(invoice.account, 100_000, invoices=[invoice])] * 4
    assert at_once(*acts) == []
    assert figures(invoice) == (150_000, 150_000, 0, "paid")
    assert credit(invoice.account) == 250_000
    assert services.find_inconsistencies() == []


def test_a_gateway_reference_is_recorded_once() -> None:
    account = InvoiceFactory(total_minor=150_000).account
    how = {"gateway": "stripe", "gateway_ref": "pi_1"}
    assert at_once(*[lambda: pay(account, 100_000, **how)] * 4) == []
    assert Payment.objects.get().amount_minor == 100_000
    assert services.find_inconsistencies() == []


def test_credit_is_spent_once() -> None:
    first = InvoiceFactory(total_minor=100)
    second = InvoiceFactory(account=first.account, total_minor=100)
    services.grant_credit(
        account=first.account,
        amount_minor=150,
        kind=AccountCredit.Kind.REWARD,
        effective_on=TODAY,
    )
    assert (
        at_once(
            lambda: services.use_credit(invoice=first, today=TODAY, now=NOW),
            lambda: services.use_credit(invoice=second, today=TODAY, now=NOW),
        )
        == []
    )
    assert sorted([figures(first)[2], figures(second)[2]]) == [50, 100]
    assert credit(first.account) == 0
    assert services.find_inconsistencies() == []


def test_a_pending_payment_arrives_once() -> None:
    invoice = InvoiceFactory(total_minor=150)
    payment = pay(invoice.account, 100, status=Payment.Status.PENDING)
    settle = [lambda: services.settle_payment(payment=payment, now=NOW, today=TODAY)] * 3
    assert at_once(*settle) == []
    assert figures(invoice) == (150, 100, 0, "partial")


def test_a_refund_gives_back_once() -> None:
    invoice = InvoiceFactory(total_minor=150)
    payment = pay(invoice.account, 150)
    refund = [lambda: services.refund_payment(payment=payment, now=NOW, today=TODAY)] * 2
    [error] = at_once(*refund)
    assert "cannot be refunded" in str(error)
    assert figures(invoice) == (150, 0, 0, "sent")
    assert services.find_inconsistencies() == []


@pytest.mark.postgres
def test_a_payment_waits_for_a_late_fee_and_covers_it() -> None:
    invoice = InvoiceFactory(total_minor=100)
    locked = Barrier(2)

    def charge() -> None:
        with transaction.atomic():
            fresh = list(Invoice.objects.filter(pk=invoice.pk).select_for_update())
            locked.wait()
            until_somebody_waits()
            add_fees(fresh, 10)

    def settle() -> None:
        locked.wait()
        pay(invoice.account, 110)

    assert at_once(charge, settle) == []
    assert figures(invoice) == (110, 110, 0, "paid")
    assert services.find_inconsistencies() == []
