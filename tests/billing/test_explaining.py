"""Why an invoice is not charged or marked: one condition fails, one sentence says so."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.billing.explaining import CHARGES, OVERDUE
from apps.billing.models import BillingAccount, Invoice, PaymentAttempt, PaymentMethod
from apps.billing.services.charging import chargeable
from apps.core.days import Clock
from apps.core.explaining import Explanation, Question, Verdict, explain
from apps.firms.models import Firm
from apps.webhooks.models import GatewayAccount
from tests.factories import (
    BillingAccountFactory,
    GatewayAccountFactory,
    InvoiceFactory,
    PaymentAttemptFactory,
    PaymentMethodFactory,
)

pytestmark = pytest.mark.django_db


def ask(how: Explanation, invoice: Invoice) -> Verdict:
    row = Invoice.objects.select_related(*how.loads).get(pk=invoice.pk)
    return explain(row, {"it": Question(how)}, Clock.read())["it"]


@pytest.fixture
def invoice() -> Any:
    """An invoice that the next run charges."""
    account = BillingAccountFactory(gateway_customer="cus_1")
    PaymentMethodFactory(account=account)
    GatewayAccountFactory(firm=account.firm)
    return InvoiceFactory(account=account, autopay_opt_in=True, kind="manual")


def test_says_that_the_card_is_charged(invoice: Invoice) -> None:
    assert ask(CHARGES, invoice) == Verdict(True, ["The next run charges the stored card."])


@pytest.mark.parametrize(
    ("model", "change", "sentence"),
    [
        (Invoice, {"status": "draft"}, "It is a draft; it has not been issued yet."),
        (Invoice, {"status": "void"}, "It is void."),
        (Invoice, {"status": "written_off"}, "It was written off."),
        (Invoice, {"paid_minor": 150_000}, "Nothing is owed on it any more."),
        (Invoice, {"autopay_opt_in": False}, "Autopay is switched off for it."),
        (Invoice, {"in_dispute": True}, "The customer disputes it."),
        (Invoice, {"autopay_status": "processing"}, "A charge is under way."),
        (
            Invoice,
            {"autopay_status": "failed"},
            "Autopay has given up after too many refused charges.",
        ),
        (
            Invoice,
            {"autopay_status": "needs_action"},
            "Autopay waits for the customer to authenticate.",
        ),
        (
            Invoice,
            {"autopay_status": "cancelled"},
            "Autopay has come to an end: cancelled.",
        ),
        (
            Firm,
            {"status": "suspended"},
            "The firm is suspended or closed; its customers are not charged.",
        ),
        (GatewayAccount, {"status": "disabled"}, "The firm has no usable gateway account."),
        (
            PaymentMethod,
            {"status": "invalid"},
            "The customer has no card that can be charged.",
        ),
        (
            BillingAccount,
            {"gateway_customer": ""},
            "The gateway does not know the customer yet.",
        ),
        (Invoice, {"total_minor": 20}, "Below minimum charge amount."),
    ],
)
def test_names_the_condition_that_keeps_an_invoice_from_being_charged(
    invoice: Invoice, model: Any, change: dict[str, Any], sentence: str
) -> None:
    model.objects.update(**change)
    assert ask(CHARGES, invoice).sentences == [sentence]


def test_names_every_condition_that_is_not_met(invoice: Invoice) -> None:
    Invoice.objects.update(status="paid", paid_minor=150_000, autopay_status="succeeded")
    assert ask(CHARGES, invoice).sentences == [
        "It is paid.",
        "Nothing is owed on it any more.",
        "Autopay has come to an end: succeeded.",
    ]


def test_says_when_the_next_charge_is(invoice: Invoice) -> None:
    Firm.objects.update(timezone="Asia/Tokyo")
    Invoice.objects.update(autopay_next_charge_at="2099-01-01T00:00:00Z")
    assert ask(CHARGES, invoice).sentences == [
        "Its next charge is not before 2099-01-01 09:00."
    ]


def test_knows_of_a_charge_under_way(invoice: Invoice) -> None:
    PaymentAttemptFactory(invoice=invoice, status="unknown")
    words = "A charge is under way, or its outcome is unknown."
    assert ask(CHARGES, invoice).sentences == [words]
    PaymentAttempt.objects.update(status="declined")
    assert ask(CHARGES, invoice).takes


def test_asks_the_neighbours_card_and_account_in_no_case(invoice: Invoice) -> None:
    PaymentMethod.objects.update(status="invalid")
    GatewayAccount.objects.update(status="disabled")
    other = PaymentMethodFactory()
    GatewayAccountFactory(firm=other.firm)
    assert len(ask(CHARGES, invoice).sentences) == 2


def test_takes_exactly_what_the_job_selects(invoice: Invoice) -> None:
    """The explanation adds the account and the card to the run's own selection."""
    InvoiceFactory(autopay_opt_in=False)
    assert list(chargeable(Clock.read())) == [invoice]


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        ({}, ["The next run marks it as overdue."]),
        ({"kind": "rent"}, ["Rent goes by the property's date; the leasing jobs mark it."]),
        ({"status": "overdue"}, ["It is marked as overdue already."]),
        ({"status": "void"}, ["It is void."]),
        ({"paid_minor": 150_000}, ["Nothing is owed on it any more."]),
        (
            {"due_date": "2099-01-01"},
            ["It is due on 2099-01-01; it is overdue from the day after that."],
        ),
    ],
)
def test_names_the_condition_that_keeps_an_invoice_from_being_overdue(
    invoice: Invoice, change: dict[str, Any], sentences: list[str]
) -> None:
    Invoice.objects.update(**change)
    assert ask(OVERDUE, invoice).sentences == sentences


def test_goes_by_the_firms_own_date(invoice: Invoice) -> None:
    tomorrow = timezone.now().date() + timedelta(days=1)
    Invoice.objects.update(due_date=tomorrow)
    Firm.objects.update(timezone="Pacific/Kiritimati")
    due_there = Clock.read().today("Pacific/Kiritimati") > tomorrow
    assert ask(OVERDUE, invoice).takes == due_there
