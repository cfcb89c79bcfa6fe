"""Why rent is not invoiced, reminded of, or costs no fee: one condition, one sentence."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from apps.billing.models import Invoice
from apps.core.days import Clock
from apps.core.explaining import Explanation, Question, explain
from apps.firms.models import Firm
from apps.leasing.explaining import LATE_FEES, REMINDERS, RENT, REWARDS
from apps.leasing.models import Lease, PropertyBillingConfig, RentPeriod
from apps.leasing.services import send_payment_reminders
from tests.factories import (
    AssessmentFactory,
    BillingConfigFactory,
    ContactFactory,
    InvoiceFactory,
    LeaseFactory,
    RentPeriodFactory,
)

pytestmark = pytest.mark.django_db

NOON = datetime(2025, 3, 10, 16, tzinfo=UTC)  # in New York


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def period() -> RentPeriod:
    """March's rent, due on the 1st, unpaid on the 10th, with terms that know a late fee."""
    lease = LeaseFactory()
    BillingConfigFactory(property=lease.unit.property)
    invoice = InvoiceFactory(account=lease.account)
    found: RentPeriod = RentPeriodFactory(
        lease=lease, period_start="2025-03-01", period_end="2025-04-01", invoice=invoice
    )
    return found


def ask(how: Explanation, row: Any) -> list[str]:
    row = how.model._default_manager.select_related(*how.loads).get(pk=row.pk)
    return list(explain(row, {"it": Question(how)}, Clock.read())["it"].sentences)


@pytest.mark.parametrize(
    ("model", "change", "sentence"),
    [
        (Invoice, {}, "The next run adds a late fee."),
        (Invoice, {"status": "void"}, "It is void."),
        (Invoice, {"paid_minor": 150_000}, "Nothing is owed on it any more."),
        (Invoice, {"in_dispute": True}, "The customer disputes it."),
        (
            Invoice,
            {"dunning_paused_until": "2025-04-01"},
            "It is on a payment plan until 2025-04-01.",
        ),
        (Invoice, {"due_date": "2025-03-10"}, "It is due on 2025-03-10 and not late yet."),
        (
            Invoice,
            {"due_date": "2025-03-06"},
            "It can be paid without a fee until 2025-03-11.",
        ),
        (Firm, {"status": "suspended"}, "It is no rent of a property of a served firm."),
        (PropertyBillingConfig, {"late_fee_type": "none"}, "Its terms know no late fee."),
        (
            PropertyBillingConfig,
            {"effective_from": "2025-05-01"},
            "Its lease has no terms for late fees.",
        ),
        (
            PropertyBillingConfig,
            {"min_balance_minor": 200_000},
            "Only $1500.00 unpaid, below the minimum for a late fee.",
        ),
    ],
)
def test_names_what_keeps_rent_from_a_late_fee(
    period: RentPeriod, model: Any, change: dict[str, Any], sentence: str
) -> None:
    if change:
        model.objects.update(**change)
    assert ask(LATE_FEES, period.invoice) == [sentence]


def test_says_that_the_first_late_fee_was_decided(period: RentPeriod) -> None:
    AssessmentFactory(invoice=period.invoice)
    [sentence] = ask(LATE_FEES, period.invoice)
    assert sentence.startswith("Its first late fee has been decided")


def test_says_of_an_invoice_that_is_no_rent_that_it_costs_no_late_fee() -> None:
    assert ask(LATE_FEES, InvoiceFactory(kind="manual")) == [
        "It is no rent of a property of a served firm."
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "The next run reminds the renters who have not heard of this step."),
        ({"in_dispute": True}, "The customer disputes it."),
        (
            {"due_date": "2025-03-20"},
            "It is due on 2025-03-20; the first reminder comes nearer to that.",
        ),
        (
            {"due_date": "2024-12-01"},
            "It was due on 2024-12-01; the last reminder is long past.",
        ),
        (
            {"due_date": "2025-02-10"},
            "None of the days on which renters are reminded has come.",
        ),
    ],
)
def test_names_what_keeps_renters_from_being_reminded(
    period: RentPeriod, change: dict[str, Any], sentence: str
) -> None:
    Invoice.objects.update(**change or {"revision": 1})
    assert ask(REMINDERS, period.invoice) == [sentence]


def test_knows_that_the_renters_have_heard_of_the_step(period: RentPeriod) -> None:
    assert send_payment_reminders().done == 1
    assert ask(REMINDERS, period.invoice) == ["Its renters have heard of this step."]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "2025-03 is dealt with already; 2025-04 follows on 2025-04-01."),
        (
            {"status": "ended"},
            "Only active leases and those under notice owe rent; it is ended.",
        ),
        ({"start_date": "2025-05-01"}, "It is not in force in 2025-03."),
    ],
)
def test_names_what_keeps_a_lease_from_being_invoiced(
    period: RentPeriod, change: dict[str, Any], sentence: str
) -> None:
    Lease.objects.update(**change or {"due_day": 1})
    assert ask(RENT, period.lease) == [sentence]


def test_says_when_the_next_month_follows_ahead_of_its_due_date(period: RentPeriod) -> None:
    PropertyBillingConfig.objects.update(invoice_lead_days=10)
    assert ask(RENT, period.lease) == [
        "2025-03 is dealt with already; 2025-04 follows on 2025-03-22."
    ]


def test_says_that_a_lease_is_invoiced_next() -> None:
    assert ask(RENT, LeaseFactory()) == ["The next run issues its invoice."]


def test_names_who_earns_no_rewards(period: RentPeriod) -> None:
    [renter] = [party.contact for party in period.lease.parties.all()]
    assert ask(REWARDS, renter) == ["The next run counts the months that were paid in time."]
    assert ask(REWARDS, ContactFactory()) == [
        "Nobody earns rewards but the first renter of a lease in force."
    ]
