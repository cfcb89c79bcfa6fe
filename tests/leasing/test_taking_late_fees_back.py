"""Taking late fees back … (spec D18 "Corrections")."""

from datetime import UTC, date, datetime

import pytest

from apps.audit.models import AuditEvent
from apps.billing.models import Payment
from apps.billing.services import fail_payment, settle_payment
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.leasing.models import (
    LateFeeAssessment,
)
from apps.leasing.services import (
    apply_late_fees,
    record_rent_payment,
    reverse_late_fee,
)
from tests.factories import (
    LeaseFactory,
    UnitFactory,
)
from tests.leasing.charging import SEVENTH, fees, run_on, waive
from tests.leasing.renting import at, home_with, pay, rent

pytestmark = pytest.mark.django_db


def test_never_charges_a_waived_fee_again() -> None:
    invoice = rent()
    run_on("2025-03-07")
    with at("2025-03-08T18:00:00Z"):
        waive(LateFeeAssessment.objects.get())
    invoice.refresh_from_db()
    assert (invoice.total_minor, invoice.late_fees_minor) == (150_000, 0)
    assert fees(invoice) == [5_000, -5_000]
    assert run_on(*[f"2025-04-{day:02d}" for day in range(1, 31)]) == [0] * 30
    event = AuditEvent.objects.get(action="late_fee_waived")
    assert (event.reason, event.changes["state"]) == ("first time late", ["applied", "waived"])


@at("2025-03-08T18:00:00Z")
def test_refuses_to_take_a_fee_back_twice() -> None:
    rent()
    apply_late_fees()
    assessment = LateFeeAssessment.objects.get()
    waive(assessment)
    with pytest.raises(Problem, match=r"^This late fee is waived already\.$"):
        reverse_late_fee(
            assessment=assessment, actor=None, reason="x", today=date(2025, 3, 8),
            now=Clock.read().now,
        )  # fmt: skip


def test_returns_what_was_paid_for_a_fee_that_is_taken_back() -> None:
    invoice = rent()
    run_on("2025-03-07")
    with at("2025-03-08T18:00:00Z"):
        pay(invoice, 155_000, on=date(2025, 3, 8))
        waive(LateFeeAssessment.objects.get())
    invoice.refresh_from_db()
    invoice.account.refresh_from_db()
    assert (invoice.status, invoice.total_minor) == ("paid", 150_000)
    assert invoice.account.credit_minor == 5_000


# ---- payments that prove a fee wrong ------------------------------------------------------


def test_reverses_a_fee_when_a_check_dated_in_time_is_recorded_late() -> None:
    invoice = rent()
    assert run_on("2025-03-07") == [1]
    with at("2025-03-10T18:00:00Z"):
        pay(invoice, 150_000, on=date(2025, 3, 5), method=Payment.Method.CHECK)
        report = apply_late_fees()
    invoice.refresh_from_db()
    assert (report.done, report.tallies["reversed"]) == (1, 1)
    assert LateFeeAssessment.objects.get().state == "reversed"
    assert (invoice.status, invoice.total_minor) == ("paid", 150_000)
    assert run_on("2025-03-11", "2025-04-11") == [0, 0]


def test_reverses_the_fee_at_once_when_rent_is_recorded_through_leasing() -> None:
    invoice, other = rent(), rent()
    run_on("2025-03-07")
    with at("2025-03-10T18:00:00Z"):
        record_rent_payment(
            lease=invoice.rent_period.lease, amount_minor=150_000, method="check",
            effective_on=date(2025, 3, 5), now=Clock.read().now,
        )  # fmt: skip
    invoice.refresh_from_db()
    assert (invoice.status, invoice.total_minor) == ("paid", 150_000)
    event = AuditEvent.objects.get(action="late_fee_reversed")
    assert event.reason == "The rent had been paid in time."
    assert other.late_fee_assessments.get().state == "applied"


@pytest.mark.parametrize(
    ("amount", "paid_on"),
    [
        (150_000, date(2025, 3, 7)),  # one day too late
        (149_999, date(2025, 3, 5)),  # one cent too little
    ],
)
def test_keeps_the_fee_when_the_rent_was_not_paid_in_time(amount: int, paid_on: date) -> None:
    invoice = rent()
    run_on("2025-03-07")
    with at("2025-03-10T18:00:00Z"):
        pay(invoice, amount, on=paid_on)
        assert apply_late_fees().done == 0
    assert LateFeeAssessment.objects.get().state == "applied"


def test_forgives_a_balance_below_the_minimum_when_it_looks_again() -> None:
    invoice = rent(home=home_with(min_balance_minor=1_000))
    run_on("2025-03-07")
    with at("2025-03-10T18:00:00Z"):
        pay(invoice, 149_000, on=date(2025, 3, 5))
        assert apply_late_fees().tallies["reversed"] == 1


def test_adds_up_payments_that_came_in_time() -> None:
    invoice = rent()
    with at("2025-03-04T18:00:00Z"):
        pay(invoice, 100_000, on=date(2025, 3, 4))
    run_on("2025-03-07")
    with at("2025-03-10T18:00:00Z"):
        pay(invoice, 50_000, on=date(2025, 3, 6))
        assert apply_late_fees().tallies["reversed"] == 1


def test_waits_for_a_bank_payment_begun_in_time() -> None:
    invoice = rent()
    with at("2025-03-06T23:00:00Z"):
        payment = pay(invoice, 150_000, on=date(2025, 3, 6), status=Payment.Status.PENDING)
    with at(SEVENTH):
        report = apply_late_fees()
        assert (report.done, report.skipped) == (0, 1)
    with at("2025-03-12T18:00:00Z"):
        settle_payment(payment=payment, now=Clock.read().now, today=date(2025, 3, 12))
        assert apply_late_fees().done == 0
    assert not LateFeeAssessment.objects.exists()


def test_measures_the_bank_payments_own_day_at_the_property() -> None:
    home = home_with(property={"timezone": "America/Los_Angeles"})
    invoice = rent(home=home)
    with at("2025-03-07T07:59:00Z"):
        pay(invoice, 150_000, on=date(2025, 3, 6), status="pending")
    assert Payment.objects.get().initiated_at == datetime(2025, 3, 7, 7, 59, tzinfo=UTC)
    with at("2025-03-07T20:00:00Z"):
        assert apply_late_fees().done == 0


def test_charges_the_fee_after_all_when_the_bank_payment_fails() -> None:
    invoice = rent()
    with at("2025-03-06T23:00:00Z"):
        payment = pay(invoice, 150_000, on=date(2025, 3, 6), status=Payment.Status.PENDING)
    with at("2025-03-12T18:00:00Z"):
        fail_payment(payment=payment)
        assert apply_late_fees().done == 1


@pytest.mark.parametrize(
    ("begun", "amount", "method"),
    [
        ("2025-03-07T15:00:00Z", 150_000, "bank"),  # after the last grace day
        ("2025-03-06T23:00:00Z", 149_999, "bank"),  # does not cover the rent
        ("2025-03-06T23:00:00Z", 150_000, "card"),  # no bank payment
    ],
)
def test_does_not_wait_for_other_payments(begun: str, amount: int, method: str) -> None:
    invoice = rent()
    with at(begun):
        pay(invoice, amount, on=date(2025, 3, 6), status="pending", method=method)
    with at(SEVENTH):
        assert apply_late_fees().done == 1


def test_lets_a_bank_payment_cover_the_oldest_rent_only() -> None:
    lease = LeaseFactory(unit=UnitFactory(property=home_with()))
    older = rent(lease=lease, due=date(2025, 2, 1))
    newer = rent(lease=lease, due=date(2025, 3, 1))
    with at("2025-02-05T18:00:00Z"):
        pay(older, 150_000, on=date(2025, 2, 5), status="pending")
    with at(SEVENTH):
        apply_late_fees()
    assert (fees(older), fees(newer)) == ([], [5_000])
