"""apply_late_fees … (spec D18)."""

import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from moneyed import Money

from apps.audit.models import AuditEvent
from apps.billing.models import Invoice, InvoiceLine, Payment
from apps.billing.services import fail_payment, pause_dunning, settle_payment
from apps.core.days import Clock
from apps.core.problems import BadOption, Problem
from apps.core.reports import Report
from apps.firms.models import Firm, FirmSettings
from apps.leasing.models import (
    JurisdictionCap,
    LateFeeAssessment,
    LeaseParty,
    PropertyBillingConfig,
    RentStep,
)
from apps.leasing.services import (
    apply_late_fees,
    record_rent_payment,
    reverse_late_fee,
    waive_late_fee,
)
from apps.notifications.models import Delivery, Notification
from apps.notifications.services import deliver_notifications
from tests.factories import (
    BillingConfigFactory,
    ContactFactory,
    FirmFactory,
    LeaseFactory,
    PropertyFactory,
    UnitFactory,
    UserFactory,
)
from tests.leasing.renting import PERCENT, at, home_with, pay, rent
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

SEVENTH = "2025-03-07T18:00:00Z"  # six days after the due date, one after the grace days


def fees(invoice: Invoice) -> list[int]:
    lines = invoice.lines.filter(kind=InvoiceLine.Kind.LATE_FEE).order_by("pk")
    return list(lines.values_list("amount_minor", flat=True))


def run_on(*days: str) -> list[int]:
    """Run at noon in New York on each of these days and return how many fees it applied."""
    counts = []
    for day in days:
        with at(f"{day}T17:00:00Z"):
            counts.append(apply_late_fees().tallies["applied"])
    return counts


# ---- when ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "grace", "last_free_day", "first_fee_day"),
    [
        (date(2025, 3, 1), 5, "2025-03-06", "2025-03-07"),
        (date(2024, 2, 26), 5, "2024-03-02", "2024-03-03"),
        (date(2025, 2, 26), 5, "2025-03-03", "2025-03-04"),
        (date(2025, 3, 1), 0, "2025-03-01", "2025-03-02"),
        (date(2024, 12, 31), 3, "2025-01-03", "2025-01-04"),
    ],
)
def test_charges_nothing_on_the_last_grace_day_and_the_fee_on_the_next(
    due: date, grace: int, last_free_day: str, first_fee_day: str
) -> None:
    invoice = rent(home=home_with(grace_days=grace), due=due)
    assert run_on(last_free_day, first_fee_day) == [0, 1]
    assert fees(invoice) == [5_000]


def test_waits_for_the_next_business_day_where_the_terms_say_so() -> None:
    firm = FirmFactory(country="US")
    home = home_with(property={"firm": firm}, next_business_day=True)
    rent(home=home, due=date(2025, 6, 29))  # the grace days end on Friday 4 July
    assert run_on("2025-07-05", "2025-07-07", "2025-07-08") == [0, 0, 1]


@pytest.mark.parametrize(
    ("zone", "too_early", "time"),
    [
        ("America/Los_Angeles", "2025-03-07T07:59:00Z", "2025-03-07T08:00:00Z"),
        ("Asia/Tokyo", "2025-03-06T14:59:00Z", "2025-03-06T15:00:00Z"),
        ("Pacific/Kiritimati", "2025-03-06T09:59:00Z", "2025-03-06T10:00:00Z"),
    ],
)
def test_goes_by_the_date_at_the_property(zone: str, too_early: str, time: str) -> None:
    rent(home=home_with(property={"timezone": zone}))
    with at(too_early):
        assert apply_late_fees().done == 0
    with at(time):
        assert apply_late_fees().done == 1


def test_waits_for_the_local_hour_of_its_schedule() -> None:
    rent()
    with at("2025-03-07T13:59:00Z"):  # 08:59 in New York
        assert apply_late_fees(at="09:00").done == 0
    with at("2025-03-07T14:00:00Z"):
        assert apply_late_fees(at="09:00").done == 1


def test_accepts_rent_paid_late_in_the_evening_of_the_last_grace_day() -> None:
    home = home_with(property={"timezone": "America/Los_Angeles"})
    invoice = rent(home=home)
    with at("2025-03-07T07:50:00Z"):  # 6 March, 23:50 in Los Angeles
        today = home.today(Clock.read())
        record_rent_payment(
            lease=invoice.rent_period.lease, amount_minor=150_000, method="card",
            effective_on=today, now=Clock.read().now,
        )  # fmt: skip
    assert today == date(2025, 3, 6)
    with at("2025-03-07T20:00:00Z"):
        assert apply_late_fees().done == 0


def test_catches_up_after_an_outage() -> None:
    invoice = rent()
    with at("2025-04-20T18:00:00Z"):
        apply_late_fees()
    assert LateFeeAssessment.objects.get().assessed_on == date(2025, 4, 20)
    assert fees(invoice) == [5_000]


BOTH_CAPS = PERCENT | {"max_percent_of_rent": 2, "max_fee_minor": 2_500}

# ---- how much -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "paid", "currency", "config", "expected"),
    [
        (150_000, 0, "USD", PERCENT, 7_500),
        (150_000, 100_000, "USD", PERCENT, 2_500),
        (100_010, 0, "USD", PERCENT, 5_001),
        (98_765, 0, "JPY", PERCENT, 4_938),
        (150_000, 0, "USD", {}, 5_000),
        (150_000, 0, "USD", PERCENT | {"max_fee_minor": 5_000}, 5_000),
        (150_000, 0, "USD", PERCENT | {"max_fee_minor": 7_500}, 7_500),
        (150_000, 0, "USD", PERCENT | {"max_percent_of_rent": 2}, 3_000),
        (
            150_000,
            0,
            "USD",
            PERCENT | {"max_percent_of_rent": 2, "max_fee_minor": 2_000},
            2_000,
        ),
        (150_000, 100_000, "USD", PERCENT | {"percent_base": "rent"}, 7_500),
        (150_000, 0, "USD", {"late_fee_minor": 0}, None),
        (150_000, 0, "USD", PERCENT | {"late_fee_percent": 0}, None),
        (150_000, 0, "USD", {"late_fee_type": "none"}, None),
        (150_000, 0, "USD", {"max_fee_minor": 0}, None),
        (150_000, 149_000, "USD", {"min_balance_minor": 1_000}, None),
        (150_000, 148_999, "USD", {"min_balance_minor": 1_000}, 5_000),
    ],
)
def test_charges_what_the_terms_say(
    total: int, paid: int, currency: str, config: dict[str, object], expected: int | None
) -> None:
    home = home_with(property={"currency": currency}, **config)
    invoice = rent(home=home, total=total)
    with at(SEVENTH):
        if paid:
            pay(invoice, paid, on=date(2025, 3, 7))
        report = apply_late_fees()
    assert fees(invoice) == ([] if expected is None else [expected])
    assert report.tallies["applied"] == (expected is not None)


@pytest.mark.parametrize(
    ("law", "own_cap", "fee", "name"),
    [
        ({"max_fee_minor": 4_000}, None, 4_000, "jurisdiction US-NY"),
        ({"max_percent_of_rent": Decimal(2)}, None, 3_000, "jurisdiction US-NY"),
        (
            {"max_fee_minor": 4_000, "max_percent_of_rent": Decimal(2)},
            None,
            3_000,
            "jurisdiction US-NY",
        ),
        ({"max_fee_minor": 4_000}, 3_500, 3_500, "max_fee"),
        ({"max_fee_minor": 9_000}, None, 7_500, ""),
    ],
)
def test_charges_no_more_than_the_law_allows(
    law: dict[str, object], own_cap: int | None, fee: int, name: str
) -> None:
    cap = JurisdictionCap.objects.create(code="US-NY", currency="USD", source="RPL", **law)
    home = home_with(property={"jurisdiction": cap}, max_fee_minor=own_cap, **PERCENT)
    rent(home=home)
    with at(SEVENTH):
        apply_late_fees()
    assessment = LateFeeAssessment.objects.get()
    assert (assessment.fee_minor, assessment.cap_applied) == (fee, name)


def test_takes_the_rent_that_was_in_force_in_the_period() -> None:
    home = home_with(percent_base="rent", **PERCENT)
    invoice = rent(home=home)
    lease = invoice.rent_period.lease
    for day, minor in ((date(2025, 2, 15), 160_000), (date(2025, 3, 5), 180_000)):
        RentStep.objects.create(
            firm=lease.firm, lease=lease, effective_from=day, rent_minor=minor
        )
    with at(SEVENTH):
        apply_late_fees()
    assert fees(invoice) == [8_000]


def test_goes_by_the_terms_of_the_day_it_assesses() -> None:
    home = home_with()
    BillingConfigFactory(property=home, late_fee_minor=9_000, effective_from=date(2025, 3, 7))
    before, after = rent(home=home), rent(home=home, due=date(2025, 3, 2))
    with at("2025-03-07T18:00:00Z"):
        apply_late_fees()
    BillingConfigFactory(property=home, late_fee_minor=1_000, effective_from=date(2025, 3, 8))
    with at("2025-03-08T18:00:00Z"):
        apply_late_fees()
    assert (fees(before), fees(after)) == ([9_000], [1_000])


# ---- what it leaves behind ------------------------------------------------------------------


@at(SEVENTH)
def test_writes_line_totals_assessment_audit_and_message() -> None:
    invoice = rent(home=home_with(max_fee_minor=6_000, **PERCENT))
    apply_late_fees()
    invoice.refresh_from_db()
    assert (invoice.total_minor, invoice.late_fees_minor) == (156_000, 6_000)
    assert (invoice.status, invoice.due_date) == ("overdue", date(2025, 3, 1))
    assert invoice.revision == 1
    line = invoice.lines.get(kind="late_fee")
    assert (line.description, line.added_after_issue) == (
        "Late fee (5% of $1500.00, capped at $60.00)",
        True,
    )
    assessment = LateFeeAssessment.objects.get()
    assert (assessment.firm_id, assessment.assessment_key) == (invoice.firm_id, "initial")
    assert (assessment.assessed_on, assessment.state) == (date(2025, 3, 7), "applied")
    assert (assessment.base_minor, assessment.rate) == (150_000, Decimal(5))
    assert (assessment.fee_minor, assessment.cap_applied) == (6_000, "max_fee")
    assert assessment.config["grace_days"] == 5
    event = AuditEvent.objects.get(action="late_fee_applied")
    assert (event.firm_id, event.object_id) == (invoice.firm_id, str(assessment.pk))
    message = Notification.objects.get(type="late_fee_applied")
    assert message.dedupe_key == f"late-fee:{assessment.pk}"


@at(SEVENTH)
def test_tells_renters_but_not_guarantors() -> None:
    invoice = rent()
    lease = invoice.rent_period.lease
    co_renter, guarantor = ContactFactory.create_batch(2, firm=lease.firm)
    for contact, role in ((co_renter, "co_renter"), (guarantor, "guarantor")):
        LeaseParty.objects.create(firm=lease.firm, lease=lease, contact=contact, role=role)
    apply_late_fees()
    told = set(Notification.objects.values_list("recipient_contact", flat=True))
    assert told == {lease.account.contact_id, co_renter.pk}


@at(SEVENTH)
def test_says_in_the_mail_what_was_charged_and_what_is_owed(smtp_server: MailServer) -> None:
    home = home_with(property={"name": "Maple Court"}, max_fee_minor=6_000, **PERCENT)
    lease = LeaseFactory(unit=UnitFactory(property=home, label="101"))
    rent(lease=lease, number="INV-2025-031")
    apply_late_fees()
    deliver_notifications()
    [mail] = smtp_server.messages
    assert mail.message["Subject"] == "Late fee of $60.00 on invoice INV-2025-031"
    text = mail.message.get_body(("plain",)).get_content()
    assert (
        "Invoice INV-2025-031 for Maple Court 101 was due on 1 March 2025 "
        "and has not been paid in time." in text
    )
    assert "Late fee: $60.00 (5% of $1,500.00, capped at $60.00)" in text
    assert "Now to pay on invoice INV-2025-031: $1,560.00" in text


@at(SEVENTH)
def test_does_not_mail_about_a_fee_that_was_waived_meanwhile(smtp_server: MailServer) -> None:
    rent()
    apply_late_fees()
    waive(LateFeeAssessment.objects.get())
    deliver_notifications()
    assert smtp_server.messages == []
    assert Delivery.objects.get(channel="email").reason == "waived"


@at(SEVENTH)
def test_issues_a_separate_invoice_where_the_firm_wants_it(smtp_server: MailServer) -> None:
    invoice = rent(number="INV-2024-312")
    FirmSettings.objects.filter(firm=invoice.firm).update(
        late_fee_on_separate_invoice=True, net_days=14
    )
    apply_late_fees()
    invoice.refresh_from_db()
    assert (invoice.total_minor, invoice.status, fees(invoice)) == (150_000, "overdue", [])
    assessment = LateFeeAssessment.objects.get()
    fee_invoice = assessment.fee_invoice
    assert (fee_invoice.kind, fee_invoice.total_minor) == ("manual", 5_000)
    assert fee_invoice.due_date == date(2025, 3, 21)
    assert fee_invoice.lines.get().description == "Late fee on INV-2024-312 (flat)"
    deliver_notifications()
    [mail] = smtp_server.messages
    text = mail.message.get_body(("plain",)).get_content()
    assert f"The fee is on invoice {fee_invoice.number}, due on 21 March 2025." in text
    assert "Now to pay on invoice INV-2024-312: $1,500.00" in text
    waive(assessment)
    fee_invoice.refresh_from_db()
    assert (fee_invoice.status, fee_invoice.total_minor) == ("paid", 0)


# ---- once -----------------------------------------------------------------------------------


def test_charges_once_however_often_it_runs() -> None:
    invoice = rent()
    assert run_on("2025-03-07", "2025-03-07", "2025-03-08", "2025-04-30") == [1, 0, 0, 0]
    assert fees(invoice) == [5_000]


def test_never_charges_a_fee_on_a_fee() -> None:
    invoice = rent(home=home_with(**PERCENT))
    assert run_on("2025-03-07") == [1]
    with at("2025-03-10T18:00:00Z"):
        pay(invoice, 150_000, on=date(2025, 3, 10))
    assert run_on("2025-04-07", "2025-05-07") == [0, 0]
    invoice.refresh_from_db()
    assert (invoice.open_minor, invoice.status, fees(invoice)) == (7_500, "overdue", [7_500])


def waive(assessment: LateFeeAssessment) -> LateFeeAssessment:
    return waive_late_fee(
        assessment=assessment, actor=UserFactory(), reason="first time late",
        today=date(2025, 3, 8), now=Clock.read().now,
    )  # fmt: skip


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


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_charges_one_fee_when_two_runs_meet() -> None:
    home = home_with()
    for _ in range(20):
        rent(home=home)
    failures: list[int] = []

    def run() -> None:
        try:
            failures.append(apply_late_fees().failed)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [0, 0]
    lines = InvoiceLine.objects.filter(kind="late_fee")
    assert lines.count() == lines.values("invoice").distinct().count() == 20
    assert Notification.objects.count() == 20


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


# ---- daily fees ---------------------------------------------------------------------------

DAILY = {"fee_frequency": "daily", "daily_minor": 500, "daily_max_days": 3}


def test_charges_each_day_after_the_first_fee_up_to_the_most() -> None:
    invoice = rent(home=home_with(**DAILY))
    days = ["2025-03-07", "2025-03-08", "2025-03-08", "2025-03-09", "2025-03-10", "2025-03-11"]
    assert run_on(*days) == [1, 1, 0, 1, 1, 0]
    assert fees(invoice) == [5_000, 500, 500, 500]
    keys = LateFeeAssessment.objects.order_by("pk").values_list("assessment_key", flat=True)
    assert list(keys) == ["initial", "2025-03-08", "2025-03-09", "2025-03-10"]


def test_catches_up_missed_days_in_one_go() -> None:
    invoice = rent(home=home_with(**DAILY), number="INV-2025-031")
    run_on("2025-03-07")
    with at("2025-03-09T18:00:00Z"):
        report = apply_late_fees()
    assert (report.done, report.money["USD"]) == (1, Money(10, "USD"))
    assert fees(invoice) == [5_000, 500, 500]
    assert run_on("2025-03-20") == [1]
    assert fees(invoice) == [5_000, 500, 500, 500]


def test_charges_no_further_days_once_the_rent_is_paid() -> None:
    invoice = rent(home=home_with(**DAILY))
    run_on("2025-03-07", "2025-03-08")
    with at("2025-03-09T14:00:00Z"):
        pay(invoice, 150_000, on=date(2025, 3, 9))
    assert run_on("2025-03-09", "2025-03-10") == [0, 0]


def test_charges_no_further_days_once_the_first_fee_is_waived() -> None:
    rent(home=home_with(**DAILY))
    run_on("2025-03-07")
    with at("2025-03-07T20:00:00Z"):
        waive(LateFeeAssessment.objects.get())
    assert run_on("2025-03-08", "2025-03-09") == [0, 0]


def test_counts_what_was_charged_before_against_the_cap() -> None:
    invoice = rent(home=home_with(max_fee_minor=5_700, **DAILY))
    assert run_on("2025-03-07", "2025-03-08", "2025-03-09", "2025-03-10") == [1, 1, 1, 0]
    assert fees(invoice) == [5_000, 500, 200]


def test_reverses_only_the_days_after_a_payment() -> None:
    invoice = rent(home=home_with(**DAILY))
    run_on("2025-03-07", "2025-03-08", "2025-03-09", "2025-03-10")
    with at("2025-03-11T18:00:00Z"):
        pay(invoice, 150_000, on=date(2025, 3, 8))
        assert apply_late_fees().tallies["reversed"] == 2
    states = dict(LateFeeAssessment.objects.values_list("assessment_key", "state"))
    assert states == {
        "initial": "applied",
        "2025-03-08": "applied",
        "2025-03-09": "reversed",
        "2025-03-10": "reversed",
    }


def test_mails_caught_up_days_in_one_message(smtp_server: MailServer) -> None:
    rent(home=home_with(**DAILY), number="INV-2025-031")
    with at("2025-03-07T18:00:00Z"):
        apply_late_fees()
        deliver_notifications()
    with at("2025-03-09T18:00:00Z"):
        apply_late_fees()
        deliver_notifications()
    _, mail = smtp_server.messages
    assert mail.message["Subject"] == "2 late fees on your rent"
    text = mail.message.get_body(("plain",)).get_content()
    assert "$5.00 (for 8 March 2025)" in text
    assert text.count("Now to pay on invoice INV-2025-031: $1,560.00") == 1


# ---- only for whom --------------------------------------------------------------------------


@at(SEVENTH)
@pytest.mark.parametrize("status", ["draft", "void", "written_off", "paid"])
def test_leaves_invoices_alone_that_nobody_owes(status: str) -> None:
    rent(status=status)
    assert apply_late_fees().done == 0


def test_leaves_disputes_and_payment_plans_alone() -> None:
    rent(in_dispute=True)
    planned = rent()
    with at("2025-03-05T18:00:00Z"):
        pause_dunning(
            invoice=planned, until=date(2025, 3, 10), actor=None, reason="agreed to pay later"
        )
    assert run_on("2025-03-07", "2025-03-10", "2025-03-11") == [0, 0, 1]
    assert fees(planned) == [5_000]


@at(SEVENTH)
def test_leaves_other_properties_firms_and_kinds_alone() -> None:
    mine = rent()
    same_firm = rent(home=home_with(property={"firm": mine.firm}))
    neighbour = rent()
    suspended = rent(home=home_with(property={"firm": FirmFactory(status="suspended")}))
    other_kind = rent(kind=Invoice.Kind.MANUAL)
    other_kind.rent_period.delete()
    assert apply_late_fees(property=mine.rent_period.lease.unit.property_id).done == 1
    assert fees(mine) == [5_000]
    assert apply_late_fees(firm_id=mine.firm_id).done == 1
    assert (fees(same_firm), fees(neighbour)) == ([5_000], [])
    assert apply_late_fees().done == 1
    assert fees(suspended) == fees(other_kind) == []


@at(SEVENTH)
def test_says_which_firm_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    firm = FirmFactory(status=Firm.Status.SUSPENDED)
    invoice = rent(home=home_with(property={"firm": firm}))
    call_command("apply_late_fees", firm_id=firm.pk)
    assert f"Firm {firm.pk} is suspended; skipped.\n" in capsys.readouterr().out
    assert fees(invoice) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"property": 9999}, "Property with ID 9999 does not exist."),
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"as_of": "2025-03-07"}, "--as-of can only be used with --dry-run."),
        ({"at": "25:00"}, "Invalid time '25:00'. Use HH:MM."),
    ],
)
def test_refuses_options_it_cannot_use(options: dict[str, object], sentence: str) -> None:
    invoice = rent()
    with at(SEVENTH), pytest.raises(BadOption) as refusal:
        apply_late_fees(**options)
    assert str(refusal.value) == sentence
    assert fees(invoice) == []


@at(SEVENTH)
def test_spares_the_others_when_one_invoice_cannot_be_assessed() -> None:
    euros = JurisdictionCap.objects.create(
        code="XX", currency="EUR", max_fee_minor=1_000, source="a slip"
    )
    good = rent()
    bad = rent(home=home_with(property={"jurisdiction": euros, "firm": good.firm}))
    neighbour = rent()
    report = apply_late_fees()
    assert (report.done, report.failed) == (2, 1)
    assert (fees(good), fees(bad), fees(neighbour)) == ([5_000], [], [5_000])
    assert not bad.late_fee_assessments.exists()


@at(SEVENTH)
def test_spares_the_others_when_nobody_knows_what_day_it_is_at_a_property() -> None:
    good = rent()
    nowhere = PropertyFactory(timezone="America/Atlantis")
    report = apply_late_fees()
    assert (report.done, report.failed) == (1, 1)
    assert fees(good) == [5_000]
    assert nowhere.billing_configs.count() == 0


@at(SEVENTH)
def test_leaves_no_trace_in_a_dry_run() -> None:
    invoice = rent()
    report = apply_late_fees(dry_run=True)
    assert (report.done, report.money["USD"]) == (1, Money(50, "USD"))
    invoice.refresh_from_db()
    assert (invoice.status, invoice.total_minor, invoice.revision) == ("sent", 150_000, 0)
    for model in (LateFeeAssessment, Notification, AuditEvent):
        assert model.objects.count() == 0
    assert fees(invoice) == []


@at("2025-03-02T18:00:00Z")
def test_looks_at_another_day_in_a_dry_run() -> None:
    rent()
    assert apply_late_fees(dry_run=True).done == 0
    assert apply_late_fees(dry_run=True, as_of="2025-03-06").done == 0
    assert apply_late_fees(dry_run=True, as_of="2025-03-07", at="23:59").done == 1


# ---- words and cost -------------------------------------------------------------------------


@at(SEVENTH)
def test_prints_what_the_specification_shows(capsys: pytest.CaptureFixture[str]) -> None:
    firm = FirmFactory()
    percent = home_with(property={"firm": firm}, **PERCENT)
    rent(home=percent, number="INV-2025-031")
    rent(home=home_with(property={"firm": firm}), number="INV-2025-032")
    half = PERCENT | {"late_fee_percent": "2.50", "max_fee_minor": 3_000, "grace_days": 0}
    rent(
        home=home_with(property={"firm": firm}, **half),
        number="INV-2025-033",
        due=date(2025, 3, 6),
    )
    small = home_with(property={"firm": firm}, min_balance_minor=1_000)
    rent(home=small, number="INV-2025-034", total=1_000)
    lines = (
        "  ✓ {0}INV-2025-031: $75.00 late fee (5% of $1500.00, 6 days overdue)\n"
        "  ✓ {0}INV-2025-032: $50.00 late fee (flat, 6 days overdue)\n"
        "  ✓ {0}INV-2025-033: $30.00 late fee (2.5% of $1500.00, capped at $30.00, "
        "1 day overdue)\n"
    )
    skipped = "  - INV-2025-034: only $10.00 unpaid, below the minimum for a late fee\n"
    call_command("apply_late_fees", dry_run=True)
    assert capsys.readouterr().out == (
        "Applying late fees...\n" + skipped + lines.format("Would apply to ") + "\nSummary:\n"
        "  Late fees that would be applied: 3\n"
        "  Total late fees: $155.00\n"
        "  Invoices skipped: 1\n"
        "  Errors: 0\n"
    )
    call_command("apply_late_fees")
    assert capsys.readouterr().out == (
        "Applying late fees...\n" + skipped + lines.format("") + "\nSummary:\n"
        "  Late fees applied: 3\n"
        "  Total late fees: $155.00\n"
        "  Invoices skipped: 1\n"
        "  Errors: 0\n"
    )


def test_prints_daily_fees_and_reversals(capsys: pytest.CaptureFixture[str]) -> None:
    paid = rent(number="INV-2025-030")
    rent(home=home_with(**DAILY), number="INV-2025-031")
    run_on("2025-03-07")
    with at("2025-03-09T18:00:00Z"):
        pay(paid, 150_000, on=date(2025, 3, 5))
        call_command("apply_late_fees")
    assert capsys.readouterr().out == (
        "Applying late fees...\n"
        "  ✓ INV-2025-030: $50.00 late fee reversed (paid in time)\n"
        "  ✓ INV-2025-031: $10.00 late fee (2 days at $5.00, 8 days overdue)\n"
        "\nSummary:\n"
        "  Late fees applied: 1\n"
        "  Total late fees: $10.00\n"
        "  Invoices skipped: 0\n"
        "  Late fees reversed: 1\n"
        "  Errors: 0\n"
    )


@at(SEVENTH)
def test_prints_one_total_for_each_currency() -> None:
    rent()
    rent(home=home_with(property={"currency": "JPY"}, late_fee_minor=3_000), total=98_000)
    assert "  Total late fees: ¥3000, $50.00" in apply_late_fees().summary()


def cost_of_run() -> tuple[int, Report]:
    with CaptureQueriesContext(connection) as queries:
        report = apply_late_fees()
    return len(queries), report


@at(SEVENTH)
@pytest.mark.parametrize("separate", [False, True])
def test_costs_the_same_statements_for_few_and_for_many(separate: bool) -> None:
    home = home_with(**DAILY)
    FirmSettings.objects.filter(firm=home.firm).update(late_fee_on_separate_invoice=separate)
    costs = []
    for count in (2, 20):
        for _ in range(count):
            rent(home=home)
        cost, report = cost_of_run()
        assert report.done == count
        costs.append(cost)
    assert costs[1] <= costs[0]


@at("2025-03-01T18:00:00Z")
def test_reads_no_invoices_that_are_not_late() -> None:
    home = home_with()
    rent(home=home)
    few, _ = cost_of_run()
    for _ in range(20):
        rent(home=home)
    many, report = cost_of_run()
    assert (many, report.done, report.skipped) == (few, 0, 0)


def test_measures_the_bank_payments_own_day_at_the_property() -> None:
    home = home_with(property={"timezone": "America/Los_Angeles"})
    invoice = rent(home=home)
    with at("2025-03-07T07:59:00Z"):
        pay(invoice, 150_000, on=date(2025, 3, 6), status="pending")
    assert Payment.objects.get().initiated_at == datetime(2025, 3, 7, 7, 59, tzinfo=UTC)
    with at("2025-03-07T20:00:00Z"):
        assert apply_late_fees().done == 0


@at(SEVENTH)
def test_takes_the_terms_of_the_lease_before_those_of_the_property() -> None:
    invoice = rent(home=home_with(late_fee_minor=5_000))
    lease = invoice.rent_period.lease
    BillingConfigFactory(
        property=lease.unit.property, lease=lease, late_fee_minor=2_500, grace_days=3
    )
    apply_late_fees()
    assert fees(invoice) == [2_500]
    assert PropertyBillingConfig.objects.count() == 2
