"""send_daily_summary … (spec D28, C-24)."""

from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.billing.models import BillingAccount, Payment
from apps.billing.services import record_payment, refund_payment, settle_payment
from apps.core.days import DAY, local_instant
from apps.core.problems import BadOption
from apps.core.watching import watched_by
from apps.fieldwork.models import SummaryMark, WorkOrder
from apps.fieldwork.services import send_daily_summary
from apps.firms.models import Firm, Membership, Role
from apps.notifications.models import Delivery, Notification
from tests.factories import (
    BillingAccountFactory,
    EstimateFactory,
    FirmFactory,
    InvoiceFactory,
    PaymentAttemptFactory,
    PayoutFactory,
    PayoutRequestFactory,
    SummaryMarkFactory,
    WorkOrderEventFactory,
    WorkOrderFactory,
)
from tests.fieldwork.nightly import (
    Trips,
    at,
    member,
    noon,
    printed,
    recipients,
    sent,
    words,
)

pytestmark = pytest.mark.django_db

MONDAY = date(2024, 1, 15)  # the source's sample is of this day
SUNDAY = date(2024, 1, 14)
LONG_AGO = datetime(2023, 6, 1, 12, tzinfo=UTC)
KIND = "daily_summary"


@pytest.fixture
def firm() -> Firm:
    """Fixit in New York, with an admin, a job of long ago, and nothing left unreported."""
    fixit: Firm = FirmFactory(name="Fixit Services")
    member(fixit, Role.ADMIN)
    WorkOrderFactory(firm=fixit, status="CANCELLED", created_at=LONG_AGO)
    SummaryMarkFactory(firm=fixit, reported_through=SUNDAY - DAY)
    return fixit


def local(day: date, time: str, firm: Firm) -> datetime:
    """Return the instant of a time of day at a firm."""
    return local_instant(day, wall.fromisoformat(time), firm.timezone)


def run(day: date = MONDAY, **options: Any) -> dict[str, Any]:
    """Run on a day and return the facts of the newest summary."""
    with at(noon(day)):
        send_daily_summary(**options)
    facts: dict[str, Any] = sent(KIND)[-1].context
    return facts


def account_of(firm: Firm, currency: str = "USD") -> BillingAccount:
    account: BillingAccount = BillingAccountFactory(contact__firm=firm, currency=currency)
    return account


def pay(
    account: BillingAccount, amount: int, *, on: date, kind: str = "work", total: int = 0
) -> Payment:
    """Pay an invoice for a job, at noon of a day."""
    invoice = InvoiceFactory(account=account, kind=kind, total_minor=total or amount)
    return record_payment(
        account=account, amount_minor=amount, method=Payment.Method.CARD, effective_on=on,
        now=noon(on), today=on, invoices=[invoice],
    )  # fmt: skip


def refund(payment: Payment, amount: int, *, on: date) -> None:
    refund_payment(payment=payment, amount_minor=amount, now=noon(on), today=on)


# ---- yesterday ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "time", "counts"),
    [
        (SUNDAY - DAY, "23:59:59", 0),
        (SUNDAY, "00:00:00", 1),
        (SUNDAY, "23:59:59", 1),
        (MONDAY, "00:00:00", 0),
    ],
)
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Asia/Kathmandu"])
def test_counts_what_happened_between_two_local_midnights(
    firm: Firm, day: date, time: str, counts: int, zone: str
) -> None:
    Firm.objects.filter(pk=firm.pk).update(timezone=zone)
    firm.refresh_from_db()
    moment = local(day, time, firm)
    order = WorkOrderFactory(firm=firm, created_at=moment)
    WorkOrderEventFactory(work_order=order, kind="completed", occurred_at=moment)
    EstimateFactory(work_order=order, submitted_at=moment)
    PayoutFactory(request__contractor__contact__firm=firm, paid_at=moment, amount_minor=5_000)
    with at(moment):
        account = account_of(firm)
        record_payment(
            account=account, amount_minor=700, method=Payment.Method.CARD, effective_on=day,
            now=moment, today=day,
            invoices=[InvoiceFactory(account=account, kind="work", total_minor=700)],
        )  # fmt: skip
    with at(local(MONDAY, "09:00:00", firm)):
        send_daily_summary()
    [summary] = sent(KIND)
    assert summary.context["yesterday"] == {
        "first": "2024-01-14",
        "last": "2024-01-14",
        "created": counts,
        "completed": counts,
        "estimates": counts,
        "payouts": f"{counts} (${50 * counts}.00)",
        "revenue": f"${7 * counts}.00",
    }


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2025, 3, 9), 23), (date(2025, 11, 2), 25), (date(2025, 6, 1), 24)]
)
def test_loses_and_repeats_nothing_when_the_clocks_change(
    firm: Firm, day: date, hours: int
) -> None:
    SummaryMark.objects.update(reported_through=day - 2 * DAY)
    first = local(day, "00:00:00", firm)
    for half_hour in range(-4, 2 * hours + 4):
        WorkOrderFactory(firm=firm, created_at=first + half_hour * timedelta(minutes=30))
    counts = []
    for report_day in (day, day + DAY, day + 2 * DAY):
        counts.append(run(report_day)["yesterday"]["created"])
    assert counts == [4, 2 * hours, 4]


def test_counts_a_job_once_that_was_completed_reopened_and_completed_again(firm: Firm) -> None:
    order = WorkOrderFactory(firm=firm, status="COMPLETED", created_at=LONG_AGO)
    for kind in ("completed", "reopened", "completed"):
        WorkOrderEventFactory(work_order=order, kind=kind, occurred_at=noon(SUNDAY))
    assert run()["yesterday"]["completed"] == 1


def test_counts_no_drafted_estimates(firm: Firm) -> None:
    order = WorkOrderFactory(firm=firm, created_at=LONG_AGO)
    EstimateFactory(
        work_order=order, status="DRAFT", submitted_at=None, created_at=noon(SUNDAY)
    )
    for status in ("SUBMITTED", "APPROVED", "REJECTED"):
        EstimateFactory(work_order=order, status=status, submitted_at=noon(SUNDAY))
    facts = run()
    assert (facts["yesterday"]["estimates"], facts["current"]["estimates"]) == (3, 1)


def test_never_adds_two_currencies(firm: Firm) -> None:
    for currency, amount in (("USD", 250_000), ("EUR", 100_000), ("USD", 250_000)):
        request = PayoutRequestFactory(
            contractor__contact__firm=firm, status="PAID", currency=currency,
            amount_minor=amount,
        )  # fmt: skip
        PayoutFactory(request=request, paid_at=noon(SUNDAY))
        pay(account_of(firm, currency), amount, on=SUNDAY)
    yesterday = run()["yesterday"]
    assert yesterday["payouts"] == "3 (€1,000.00, $5,000.00)"
    assert yesterday["revenue"] == "€1,000.00, $5,000.00"


def test_writes_nothing_as_a_zero_in_the_firms_own_currency(firm: Firm) -> None:
    Firm.objects.filter(pk=firm.pk).update(currency="JPY")
    yesterday = run()["yesterday"]
    assert (yesterday["payouts"], yesterday["revenue"]) == ("0 (¥0)", "¥0")


# ---- revenue --------------------------------------------------------------------------------


def test_counts_only_what_was_paid_for_jobs(firm: Firm) -> None:
    account = account_of(firm)
    pay(account, 1_250_000, on=SUNDAY)
    pay(account, 90_000, on=SUNDAY, kind="rent")
    pay(account_of(firm), 40_000, on=SUNDAY, kind="manual")
    pay(account_of(FirmFactory()), 70_000, on=SUNDAY)
    assert run()["yesterday"]["revenue"] == "$12,500.00"


def test_counts_of_a_payment_what_covers_jobs(firm: Firm) -> None:
    account = account_of(firm)
    invoices = [
        InvoiceFactory(account=account, kind=kind, total_minor=total)
        for kind, total in (("work", 30_000), ("rent", 20_000))
    ]
    record_payment(
        account=account, amount_minor=60_000, method=Payment.Method.BANK,
        effective_on=SUNDAY, now=noon(SUNDAY), today=SUNDAY, invoices=invoices,
    )  # fmt: skip
    assert run()["yesterday"]["revenue"] == "$300.00"


def test_counts_a_bank_payment_when_it_has_arrived(firm: Firm) -> None:
    account = account_of(firm)
    payment = record_payment(
        account=account, amount_minor=50_000, method=Payment.Method.BANK_DEBIT,
        effective_on=SUNDAY, now=noon(SUNDAY), today=SUNDAY, status=Payment.Status.PENDING,
        invoices=[InvoiceFactory(account=account, kind="work", total_minor=50_000)],
    )  # fmt: skip
    assert run()["yesterday"]["revenue"] == "$0.00"
    settle_payment(payment=payment, now=noon(MONDAY), today=MONDAY)
    assert run(MONDAY + DAY)["yesterday"]["revenue"] == "$500.00"


@pytest.mark.parametrize("paid", [50_000, 80_000])
def test_takes_a_refund_off(firm: Firm, paid: int) -> None:
    payment = pay(account_of(firm), paid, on=SUNDAY - 20 * DAY)
    refund(payment, 50_000, on=SUNDAY)
    assert run()["yesterday"]["revenue"] == "-$500.00"


@pytest.mark.parametrize(("back", "left"), [(20_000, "$300.00"), (50_000, "$0.00")])
def test_takes_off_what_was_given_back_on_the_same_day(
    firm: Firm, back: int, left: str
) -> None:
    payment = pay(account_of(firm), 50_000, on=SUNDAY)
    refund(payment, back, on=SUNDAY)
    assert run()["yesterday"]["revenue"] == left


@pytest.mark.parametrize("back", [20_000, 50_000])
def test_counts_a_payment_on_its_day_and_its_refund_on_the_next(firm: Firm, back: int) -> None:
    payment = pay(account_of(firm), 50_000, on=SUNDAY)
    refund(payment, back, on=MONDAY)  # before the summary of Sunday is made
    assert run()["yesterday"]["revenue"] == "$500.00"
    assert run(MONDAY + DAY)["yesterday"]["revenue"] == f"-${back // 100}.00"


def test_takes_nothing_off_when_only_credit_was_given_back(firm: Firm) -> None:
    payment = pay(account_of(firm), 80_000, on=SUNDAY - 20 * DAY, total=50_000)
    refund(payment, 30_000, on=SUNDAY)
    assert run()["yesterday"]["revenue"] == "$0.00"


def test_knows_what_a_payment_was_for_by_its_charge_when_all_of_it_was_given_back(
    firm: Firm,
) -> None:
    account = account_of(firm)
    pay(account, 10_000, on=SUNDAY - 20 * DAY, kind="rent")
    invoice = InvoiceFactory(account=account, kind="work", total_minor=50_000)
    payment = record_payment(
        account=account, amount_minor=50_000, method=Payment.Method.CARD,
        effective_on=SUNDAY, now=noon(SUNDAY - 20 * DAY), today=SUNDAY - 20 * DAY,
        invoices=[invoice], attempt=PaymentAttemptFactory(invoice=invoice),
    )  # fmt: skip
    refund(payment, 50_000, on=SUNDAY)
    assert run()["yesterday"]["revenue"] == "-$500.00"


def test_takes_no_refund_of_rent_off(firm: Firm) -> None:
    account = account_of(firm)
    payment = pay(account, 50_000, on=SUNDAY - 20 * DAY, kind="rent")
    pay(account, 10_000, on=SUNDAY)
    refund(payment, 50_000, on=SUNDAY)
    assert run()["yesterday"]["revenue"] == "$100.00"


# ---- how things stand -----------------------------------------------------------------------


def test_says_how_things_stand(firm: Firm) -> None:
    for status, number in (
        ("PENDING", 2), ("ASSIGNED", 3), ("IN_PROGRESS", 1), ("ON_HOLD", 1), ("COMPLETED", 2),
        ("VERIFIED", 4), ("CANCELLED", 5),
    ):  # fmt: skip
        WorkOrderFactory.create_batch(number, firm=firm, status=status, created_at=LONG_AGO)
    for status, due in (
        ("PENDING", SUNDAY),
        ("ON_HOLD", SUNDAY),
        ("ASSIGNED", MONDAY),
        ("COMPLETED", SUNDAY),
    ):
        WorkOrderFactory(firm=firm, status=status, due_date=due, created_at=LONG_AGO)
    EstimateFactory(work_order=WorkOrder.objects.filter(status="PENDING").first())
    assert run()["current"] == {
        "total": 17, "pending": 3, "active": 5, "completions": 3, "overdue": 2, "estimates": 1
    }  # fmt: skip


# ---- days that were never reported ----------------------------------------------------------


def created(span: dict[str, Any] | None) -> tuple[str, str, int] | None:
    return span and (span["first"], span["last"], span["created"])


def test_catches_up_the_weekend_on_monday_and_nothing_on_tuesday(firm: Firm) -> None:
    SummaryMark.objects.update(reported_through=date(2024, 1, 11))  # on Friday, of Thursday
    for day, number in ((12, 1), (13, 2), (14, 3), (15, 4)):
        moment = noon(date(2024, 1, day))
        WorkOrderFactory.create_batch(number, firm=firm, created_at=moment)
    monday, tuesday = run(), run(MONDAY + DAY)
    assert created(monday["yesterday"]) == ("2024-01-14", "2024-01-14", 3)
    assert created(monday["missed"]) == ("2024-01-12", "2024-01-13", 3)
    assert created(tuesday["yesterday"]) == ("2024-01-15", "2024-01-15", 4)
    assert tuesday["missed"] is None


@pytest.mark.parametrize(
    ("reported_through", "missed"),
    [
        (date(2024, 1, 13), None),
        (date(2024, 1, 12), ("2024-01-13", "2024-01-13")),
        (date(2024, 1, 6), ("2024-01-07", "2024-01-13")),
        (date(2023, 12, 1), ("2024-01-07", "2024-01-13")),
        (None, ("2024-01-07", "2024-01-13")),
    ],
)
def test_catches_up_a_week_at_most(
    firm: Firm, reported_through: date | None, missed: tuple[str, str] | None
) -> None:
    if reported_through:
        SummaryMark.objects.update(reported_through=reported_through)
    else:
        SummaryMark.objects.all().delete()
    span = run()["missed"]
    assert (span and (span["first"], span["last"])) == missed


@pytest.mark.parametrize(
    ("first_job", "missed"),
    [("2024-01-15T10:00:00Z", None), ("2024-01-14T04:59:59Z", "2024-01-13")],
)
def test_catches_up_nothing_from_before_the_first_job(first_job: str, missed: str) -> None:
    firm = FirmFactory()
    member(firm)
    WorkOrderFactory(firm=firm, created_at=datetime.fromisoformat(first_job))
    span = run()["missed"]
    assert (span and span["first"]) == missed


# ---- what is said ---------------------------------------------------------------------------


def test_says_it_as_the_source_document_does(firm: Firm) -> None:
    SummaryMark.objects.update(reported_through=date(2024, 1, 11))
    WorkOrderFactory.create_batch(5, firm=firm, created_at=noon(SUNDAY))
    WorkOrderFactory(firm=firm, status="ASSIGNED", due_date=SUNDAY, created_at=LONG_AGO)
    done = WorkOrderFactory.create_batch(2, firm=firm, status="COMPLETED", created_at=LONG_AGO)
    for order in done:
        WorkOrderEventFactory(work_order=order, kind="completed", occurred_at=noon(SUNDAY))
    EstimateFactory.create_batch(4, work_order=done[0], submitted_at=noon(SUNDAY - DAY))
    for amount in (200_000, 300_000):
        PayoutFactory(
            request__contractor__contact__firm=firm, amount_minor=amount, paid_at=noon(SUNDAY)
        )
    pay(account_of(firm), 1_250_000, on=SUNDAY)
    run()
    said = words(*sent(KIND))
    assert said.subject == "Daily Summary Report - January 15, 2024"
    assert said.text == (
        "Daily Summary Report - January 15, 2024\n"
        "==================================================\n"
        "\n"
        "📊 YESTERDAY'S ACTIVITY (January 14, 2024):\n"
        "  • New Jobs Created: 5\n"
        "  • Jobs Completed: 2\n"
        "  • New Estimates: 0\n"
        "  • Payouts Processed: 2 ($5,000.00)\n"
        "  • Revenue Generated: $12,500.00\n"
        "\n"
        "📅 NOT YET REPORTED (January 12, 2024 - January 13, 2024):\n"
        "  • New Jobs Created: 0\n"
        "  • Jobs Completed: 0\n"
        "  • New Estimates: 4\n"
        "  • Payouts Processed: 0 ($0.00)\n"
        "  • Revenue Generated: $0.00\n"
        "\n"
        "📈 CURRENT STATUS:\n"
        "  • Total Jobs: 8\n"
        "  • Pending Jobs: 5\n"
        "  • Active Jobs: 1\n"
        "  • Pending Estimates: 4\n"
        "  • Pending Completions: 2\n"
        "\n"
        "⚠️ REQUIRES ATTENTION:\n"
        "  • 5 unassigned jobs\n"
        "  • 1 overdue job\n"
        "  • 2 job completions awaiting verification"
    )


def test_is_sent_also_when_nothing_happened_and_nothing_needs_attention(firm: Firm) -> None:
    run()
    text = words(*sent(KIND)).text
    assert "  • New Jobs Created: 0\n" in text
    assert text.endswith("  • Pending Completions: 0")
    assert "REQUIRES ATTENTION" not in text


def test_shows_the_same_as_a_page(firm: Firm) -> None:
    WorkOrderFactory(firm=firm, created_at=noon(SUNDAY))
    run()
    soup = BeautifulSoup(words(*sent(KIND)).html, "html.parser")
    assert [one.get_text() for one in soup.select("h2")] == [
        "📊 YESTERDAY'S ACTIVITY (January 14, 2024)", "📈 CURRENT STATUS",
        "⚠️ REQUIRES ATTENTION",
    ]  # fmt: skip
    cells = [one.get_text() for one in soup.select("td")]
    assert cells[:2] == ["New Jobs Created", "1"]
    assert cells[-2] == "1 unassigned job"


# ---- whom, and how often --------------------------------------------------------------------


def test_tells_facility_managers_and_admins(firm: Firm) -> None:
    admin = Membership.objects.get(firm=firm).user
    people = [admin, member(firm, Role.OWNER), member(firm, Role.FACILITY_MANAGER)]
    member(firm, Role.STAFF)
    Membership.objects.filter(user=member(firm, Role.ADMIN)).update(is_active=False)
    run()
    assert recipients(KIND) == {f"user:{person.pk}" for person in people}
    assert {one.dedupe_key for one in sent(KIND)} == {
        f"daily-summary:{person.pk}:2024-01-15" for person in people
    }


def test_skips_firms_that_never_had_a_job() -> None:
    member(FirmFactory())
    with at(noon(MONDAY)):
        assert send_daily_summary().done == 0
    assert not SummaryMark.objects.exists()


def test_reports_nothing_while_nobody_would_read_it_and_catches_up_later(firm: Firm) -> None:
    Membership.objects.filter(firm=firm).update(is_active=False)
    with at(noon(MONDAY)):
        report = send_daily_summary()
    assert (report.done, report.skipped) == (0, 1)
    assert SummaryMark.objects.get().reported_through == SUNDAY - DAY
    Membership.objects.filter(firm=firm).update(is_active=True)
    assert created(run(MONDAY + DAY)["missed"]) == ("2024-01-14", "2024-01-14", 0)


def test_writes_down_how_far_it_has_got_and_says_nothing_the_second_time(firm: Firm) -> None:
    with at(noon(MONDAY)):
        assert printed("send_daily_summary") == (
            "Generating daily summary...\nDaily summary sent to 1 user\n"
        )
        assert SummaryMark.objects.get(firm=firm).reported_through == SUNDAY
        assert printed("send_daily_summary") == (
            "Generating daily summary...\nDaily summary sent to 0 users\n"
        )
    assert len(sent(KIND)) == 1


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2024-01-15T13:59:00Z", 0),  # 08:59 on Monday in New York
        ("2024-01-15T14:00:00Z", 1),
        ("2024-01-13T15:00:00Z", 0),  # a Saturday
        ("2024-01-15T04:30:00Z", 0),  # still Sunday in New York
    ],
)
def test_waits_for_the_local_time_and_day_of_its_schedule(
    firm: Firm, moment: str, told: int
) -> None:
    SummaryMark.objects.update(reported_through=date(2024, 1, 10))
    with at(moment):
        report = send_daily_summary(at="09:00", weekdays="mon,tue,wed,thu,fri")
    assert report.done == told


# ---- dry, next door, in spite of errors, and at what cost -----------------------------------


def test_shows_the_body_in_a_dry_run_and_leaves_no_trace(firm: Firm) -> None:
    with at(noon(MONDAY)):
        out = printed("send_daily_summary", dry_run=True)
    assert out.startswith(
        "Generating daily summary...\n"
        "  ✓ Would send to 1 user of Fixit Services:\n"
        "\n"
        "Daily Summary Report - January 15, 2024\n"
        "==================================================\n"
    )
    assert out.endswith("\n\nDaily summary would be sent to 1 user\n")
    assert SummaryMark.objects.get().reported_through == SUNDAY - DAY
    assert Notification.objects.count() == Delivery.objects.count() == 0


def test_leaves_other_and_suspended_firms_alone(firm: Firm) -> None:
    neighbour, suspended = FirmFactory(), FirmFactory(status=Firm.Status.SUSPENDED)
    for one in (neighbour, suspended):
        member(one)
        WorkOrderFactory(firm=one, created_at=noon(SUNDAY))
    assert run(firm_id=firm.pk)["yesterday"]["created"] == 0
    assert {one.firm_id for one in sent(KIND)} == {firm.pk}
    assert run()["yesterday"]["created"] == 1
    assert {one.firm_id for one in sent(KIND)} == {firm.pk, neighbour.pk}


@pytest.mark.parametrize("break_it", ["currency", "zone"])
def test_spares_the_others_when_one_firm_fails(firm: Firm, break_it: str) -> None:
    bad = FirmFactory()
    member(bad)
    WorkOrderFactory(firm=bad, created_at=LONG_AGO)
    broken = {"currency": "XXZ"} if break_it == "currency" else {"timezone": "Mars/Olympus"}
    Firm.objects.filter(pk=bad.pk).update(**broken)
    with at(noon(MONDAY)):
        report = send_daily_summary()
    assert (report.done, report.failed) == (1, 1)
    assert {one.firm_id for one in sent(KIND)} == {firm.pk}
    assert set(SummaryMark.objects.values_list("firm", flat=True)) == {firm.pk}


def test_keeps_the_mark_and_the_messages_together(firm: Firm) -> None:
    with at(noon(MONDAY)), watched_by(Trips(firm.pk)):
        report = send_daily_summary()
    assert (report.done, report.failed) == (0, 1)
    assert SummaryMark.objects.get().reported_through == SUNDAY - DAY
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"at": "9"}, "Invalid time '9'. Use HH:MM."),
        ({"weekdays": "daily"}, "Invalid weekdays 'daily'. Use names such as mon,thu."),
        ({"as_of": "2025-06-10"}, "--as-of can only be used with --dry-run."),
    ],
)
def test_refuses_options_it_cannot_use(
    firm: Firm, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadOption) as refusal:
        send_daily_summary(**options)
    assert str(refusal.value) == sentence
    assert not Notification.objects.exists()


def test_costs_the_same_statements_for_few_rows_and_for_many(firm: Firm) -> None:
    costs = []
    account = account_of(firm)
    for day, count in ((SUNDAY, 10), (MONDAY, 600)):
        orders = WorkOrderFactory.create_batch(count, firm=firm, created_at=noon(day))
        EstimateFactory.create_batch(10, work_order=orders[0], submitted_at=noon(day))
        for _ in range(count // 10):
            pay(account, 1_000, on=day)
        with at(noon(day + DAY)), CaptureQueriesContext(connection) as queries:
            assert send_daily_summary().done == 1
        costs.append(len(queries))
    assert costs[0] == costs[1]
