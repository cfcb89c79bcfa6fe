"""generate_package_invoices … (spec D1)."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.billing.models import Invoice, NumberSequence, PaymentMethod
from apps.billing.services import (
    find_inconsistencies,
    grant_credit,
    void_invoice,
)
from apps.core.problems import BadOption
from apps.core.watching import Watcher, watched_by
from apps.engagements.models import Engagement, EngagementPeriod, EngagementRate
from apps.engagements.services import generate_package_invoices, pause_engagement
from apps.firms.models import Firm, FirmSettings
from apps.notifications.models import Notification
from tests.engagements.billing import at, billed, engagement_of, invoices_of, run
from tests.factories import (
    BillingAccountFactory,
    EngagementFactory,
    FirmFactory,
)

pytestmark = pytest.mark.django_db

JUNE = "2025-06-10T12:00:00Z"


# ---- dates --------------------------------------------------------------------------------


def test_bills_each_month_from_the_anchor_without_drift() -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 31))
    day = date(2025, 1, 31)
    while day <= date(2025, 5, 1):
        with at(f"{day}T17:00:00Z"):
            assert generate_package_invoices().failed == 0
        day += timedelta(days=1)
    assert billed(engagement) == [
        ("2025-01-31", "2025-02-28"),
        ("2025-02-28", "2025-03-31"),
        ("2025-03-31", "2025-04-30"),
        ("2025-04-30", "2025-05-31"),
    ]
    assert [invoice.total_minor for invoice in invoices_of(engagement)] == [100_000] * 4


def test_bills_a_leap_day_on_the_last_of_february_and_again_on_the_29th() -> None:
    engagement = EngagementFactory(start_date=date(2024, 2, 29), billing_interval="annual")
    with at("2028-02-29T17:00:00Z"):
        generate_package_invoices()
    assert [start for start, _ in billed(engagement)] == [
        "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"
    ]  # fmt: skip


@at("2025-02-28T11:30:00Z")
def test_bills_the_day_that_it_is_at_the_firm() -> None:
    start = date(2025, 3, 1)
    early = engagement_of(FirmFactory(timezone="Pacific/Auckland"), start_date=start)
    late = engagement_of(FirmFactory(timezone="America/Los_Angeles"), start_date=start)
    generate_package_invoices()
    assert billed(early) == [("2025-03-01", "2025-04-01")]
    assert invoices_of(early)[0].issue_date == date(2025, 3, 1)
    assert billed(late) == []


@pytest.mark.parametrize(
    ("moment", "zone", "count"),
    [
        ("2025-03-30T21:59:59Z", "Europe/Berlin", 0),  # 23:59:59 on the day of 23 hours
        ("2025-03-30T22:00:00Z", "Europe/Berlin", 1),
        ("2025-03-31T03:59:59Z", "America/New_York", 0),
        ("2025-03-31T04:00:00Z", "America/New_York", 1),
        ("2025-03-30T12:59:59Z", "Australia/Sydney", 0),
        ("2025-03-30T13:00:00Z", "Australia/Sydney", 1),
        ("2025-03-30T09:59:59Z", "Pacific/Kiritimati", 0),
        ("2025-03-30T10:00:00Z", "Pacific/Kiritimati", 1),
    ],
)
def test_bills_from_local_midnight_on(moment: str, zone: str, count: int) -> None:
    engagement_of(FirmFactory(timezone=zone), start_date=date(2025, 3, 31))
    with at(moment):
        assert generate_package_invoices().done == count


def test_catches_up_what_it_has_missed() -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 15))
    with at("2025-04-01T12:00:00Z"):
        assert generate_package_invoices().done == 3
        again = generate_package_invoices()
    assert (again.done, again.skipped) == (0, 1)
    assert [start for start, _ in billed(engagement)] == [
        "2025-01-15", "2025-02-15", "2025-03-15"
    ]  # fmt: skip
    made = invoices_of(engagement)
    assert [one.number for one in made] == ["INV-2025-001", "INV-2025-002", "INV-2025-003"]
    assert {one.issue_date for one in made} == {date(2025, 4, 1)}
    assert {one.due_date for one in made} == {date(2025, 5, 1)}


@at(JUNE)
def test_never_bills_what_began_before_the_engagement_was_put_under_billing() -> None:
    engagement = EngagementFactory(start_date=date(2019, 1, 5), bill_from=date(2025, 5, 1))
    generate_package_invoices()
    assert [start for start, _ in billed(engagement)] == ["2025-05-05", "2025-06-05"]


@at(JUNE)
def test_bills_in_arrears_once_the_period_is_over() -> None:
    over = EngagementFactory(start_date=date(2025, 5, 10), billing_timing="arrears")
    going_on = EngagementFactory(start_date=date(2025, 5, 11), billing_timing="arrears")
    generate_package_invoices()
    assert billed(over) == [("2025-05-10", "2025-06-10")]
    assert billed(going_on) == []


# ---- amounts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "amount"),
    [
        (
            {"start_date": date(2025, 2, 1), "end_date": date(2025, 2, 10)},
            35_714,
        ),
        (
            {
                "start_date": date(2025, 2, 1),
                "end_date": date(2025, 2, 10),
                "proration": "none",
            },
            100_000,
        ),
        (
            {
                "start_date": date(2025, 1, 1),
                "end_date": date(2025, 4, 10),
                "billing_interval": "annual",
                "package_fee_minor": 100_000,
                "currency": "JPY",
            },
            27_397,
        ),
    ],
)
def test_bills_the_days_of_the_last_period(how: dict[str, Any], amount: int) -> None:
    account = BillingAccountFactory(currency=how.get("currency", "USD"))
    engagement = EngagementFactory(account=account, **how)
    with at("2025-03-20T12:00:00Z"):
        generate_package_invoices()
    [invoice] = invoices_of(engagement)
    assert invoice.total_minor == amount
    assert invoice.period_end == engagement.end_date + timedelta(days=1)


@at(JUNE)
def test_bills_only_the_package_of_a_mixed_engagement() -> None:
    firm = FirmFactory()
    mixed = engagement_of(firm, pricing_mode="mixed", start_date=date(2025, 6, 1))
    others = [engagement_of(firm, pricing_mode=mode) for mode in ("hourly", "fixed")]
    generate_package_invoices()
    [invoice] = invoices_of(mixed)
    [line] = invoice.lines.all()
    assert (line.kind, line.amount_minor) == ("package_fee", 100_000)
    assert line.description == f"{mixed.name}, 1 to 30 June 2025"
    assert [billed(other) for other in others] == [[], []]


@at("2025-04-10T12:00:00Z")
def test_takes_the_rate_in_force_when_the_period_begins() -> None:
    engagement = EngagementFactory(start_date=date(2025, 2, 10))
    for day, fee in ((date(2025, 3, 10), 120_000), (date(2025, 3, 11), 150_000)):
        EngagementRate.objects.create(
            firm=engagement.firm, engagement=engagement, effective_from=day, fee_minor=fee
        )
    generate_package_invoices()
    assert [one.total_minor for one in invoices_of(engagement)] == [100_000, 120_000, 150_000]


@at(JUNE)
def test_adds_a_line_for_the_tax() -> None:
    engagement = EngagementFactory(
        start_date=date(2025, 6, 1), package_fee_minor=99_999, tax_percent="8.25"
    )
    generate_package_invoices()
    [invoice] = invoices_of(engagement)
    assert (invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor) == (
        99_999, 8_250, 108_249
    )  # fmt: skip
    lines = invoice.lines.order_by("pk").values_list("kind", "description", "amount_minor")
    assert list(lines)[1] == ("tax", "Tax 8.25%", 8_250)
    assert find_inconsistencies() == []


# ---- how it is collected ------------------------------------------------------------------


@at(JUNE)
def test_gives_the_firms_days_to_pay_unless_the_engagement_has_its_own() -> None:
    firm = FirmFactory()
    FirmSettings.objects.filter(firm=firm).update(net_days=14)
    usual = engagement_of(firm, start_date=date(2025, 6, 1))
    own = engagement_of(firm, start_date=date(2025, 6, 1), net_days=0)
    generate_package_invoices()
    assert invoices_of(usual)[0].due_date == date(2025, 6, 24)
    assert invoices_of(own)[0].due_date == date(2025, 6, 10)


@pytest.mark.parametrize(
    ("timing", "card", "opt_in", "expected"),
    [
        ("issue", "active", True, (True, "scheduled", None)),
        ("due", "active", True, (True, "scheduled", "2025-07-10T04:00")),
        ("due", "invalid", True, (False, "", None)),
        ("due", "detached", True, (False, "", None)),
        ("due", None, True, (False, "", None)),
        ("due", "active", False, (False, "", None)),
    ],
)
@at(JUNE)
def test_plans_to_charge_a_card_that_can_be_charged(
    timing: str, card: str | None, opt_in: bool, expected: object
) -> None:
    account = BillingAccountFactory(autopay_timing=timing)
    engagement = EngagementFactory(
        account=account, start_date=date(2025, 6, 1), autopay_opt_in=opt_in
    )
    if card:
        PaymentMethod.objects.create(
            firm=account.firm, account=account, provider="stripe", provider_ref="pm_1",
            status=card,
        )  # fmt: skip
    generate_package_invoices()
    [invoice] = invoices_of(engagement)
    at_ = invoice.autopay_next_charge_at
    assert (
        invoice.autopay_opt_in,
        invoice.autopay_status,
        f"{at_:%Y-%m-%dT%H:%M}" if at_ else None,
    ) == expected


@at(JUNE)
def test_uses_account_credit_at_once() -> None:
    engagement = EngagementFactory(start_date=date(2025, 6, 1))
    grant_credit(
        account=engagement.account, amount_minor=150_000, kind="concession",
        effective_on=date(2025, 6, 1),
    )  # fmt: skip
    generate_package_invoices()
    [invoice] = invoices_of(engagement)
    assert (invoice.status, invoice.credited_minor) == ("paid", 100_000)


@at(JUNE)
def test_leaves_a_draft_where_the_firm_wants_to_look_first() -> None:
    engagement = EngagementFactory(start_date=date(2025, 6, 1))
    FirmSettings.objects.update(auto_issue_package_invoices=False)
    assert f"✓ Generated invoice for engagement {engagement.pk}: draft " in run()
    [invoice] = invoices_of(engagement)
    assert (invoice.status, invoice.number, invoice.sent_at) == ("draft", "", None)
    assert billed(engagement) == [("2025-06-01", "2025-07-01")]
    assert not Notification.objects.exists()
    assert generate_package_invoices().done == 0


# ---- once ---------------------------------------------------------------------------------


@at(JUNE)
def test_never_bills_a_voided_period_again() -> None:
    engagement = EngagementFactory(start_date=date(2025, 6, 1))
    generate_package_invoices()
    [invoice] = invoices_of(engagement)
    void_invoice(
        invoice=invoice, actor=None, reason="", today=date(2025, 6, 10), now=invoice.sent_at
    )
    again = generate_package_invoices()
    assert (again.done, again.skipped) == (0, 1)


@at(JUNE)
def test_never_bills_days_that_are_claimed_whatever_the_anchor_says_now() -> None:
    engagement = EngagementFactory(start_date=date(2025, 6, 1))
    generate_package_invoices()
    Engagement.objects.update(billing_anchor=date(2025, 5, 20), bill_from=date(2025, 5, 1))
    generate_package_invoices()
    assert billed(engagement) == [("2025-06-01", "2025-07-01")]


@at(JUNE)
def test_bills_nothing_of_what_is_not_in_force() -> None:
    firm = FirmFactory()
    for status in ("draft", "paused", "completed", "cancelled"):
        engagement_of(firm, status=status)
    engagement_of(FirmFactory(status=Firm.Status.SUSPENDED))
    engagement_of(FirmFactory(status=Firm.Status.CLOSED))
    trial = engagement_of(FirmFactory(status="trial"), start_date=date(2025, 6, 1))
    generate_package_invoices()
    assert [period.engagement for period in EngagementPeriod.objects.all()] == [trial]


@at(JUNE)
def test_leaves_the_neighbour_alone() -> None:
    ours = EngagementFactory(start_date=date(2025, 6, 1))
    theirs = EngagementFactory(start_date=date(2025, 6, 1))
    generate_package_invoices(firm_id=ours.firm_id)
    assert len(billed(ours)) == 1
    assert not Invoice.objects.filter(firm=theirs.firm).exists()
    assert not Notification.objects.filter(firm=theirs.firm).exists()


@at(JUNE)
def test_leaves_no_trace_in_a_dry_run() -> None:
    EngagementFactory(start_date=date(2025, 5, 1))
    assert generate_package_invoices(dry_run=True).done == 2
    for model in (Invoice, EngagementPeriod, Notification, NumberSequence):
        assert not model.objects.exists()


# ---- what goes wrong ----------------------------------------------------------------------


def test_refuses_more_than_twelve_periods_at_once() -> None:
    usual = EngagementFactory(start_date=date(2025, 1, 1))
    runaway = EngagementFactory(start_date=date(2024, 12, 1))
    with at("2025-12-31T12:00:00Z"):
        out = run(expect=1)
    assert (
        f"  ✗ Error for engagement {runaway.pk}: "
        "13 unbilled periods exceed the safety limit of 12\n"
    ) in out
    assert (len(billed(usual)), billed(runaway)) == (12, [])


@at(JUNE)
def test_spares_the_others_when_an_engagement_cannot_be_priced() -> None:
    firms = [FirmFactory(name=name) for name in ("A", "B", "C")]
    good, bad, fine = (engagement_of(firm, start_date=date(2025, 5, 20)) for firm in firms)
    beside = engagement_of(firms[1], start_date=date(2025, 6, 1))
    Engagement.objects.filter(pk=bad.pk).update(currency="EUR")
    out = run(expect=1)
    assert (
        f"Processing firm: B (ID: {firms[1].pk})\n"
        f"  ✗ Error for engagement {bad.pk}: "
        "the engagement is in EUR, its account in USD\n"
        f"  ✓ Generated invoice for engagement {beside.pk}: INV-2025-001 ($1000.00)\n"
    ) in out
    assert "  Errors: 1\n" in out
    assert "Successfully" not in out
    assert [len(billed(one)) for one in (good, bad, fine, beside)] == [1, 0, 1, 1]


@at(JUNE)
def test_spares_the_others_when_an_invoice_cannot_be_written() -> None:
    firm = FirmFactory()
    good = engagement_of(firm, start_date=date(2025, 6, 1))
    bad = engagement_of(firm, start_date=date(2025, 6, 1), package_fee_minor=9 * 10**18)
    Engagement.objects.filter(pk=bad.pk).update(tax_percent=50)  # more than a bigint holds
    report = generate_package_invoices()
    assert (report.done, report.failed) == (1, 1)
    assert [one.number for one in invoices_of(good)] == ["INV-2025-001"]
    assert billed(bad) == []


@at(JUNE)
def test_spares_the_others_when_a_firm_is_in_no_time_zone() -> None:
    good, bad = EngagementFactory(start_date=date(2025, 6, 1)), EngagementFactory()
    Firm.objects.filter(pk=bad.firm_id).update(timezone="Mars/Base")
    report = generate_package_invoices()
    assert (report.done, report.failed) == (1, 1)
    assert len(billed(good)) == 1


@at(JUNE)
def test_refuses_an_unknown_firm_and_leaves_out_a_suspended_one() -> None:
    with pytest.raises(BadOption, match=r"^Firm with ID 9999 does not exist\.$"):
        generate_package_invoices(firm_id=9999)
    firm = EngagementFactory(account__contact__firm__status="suspended").firm
    out = run(firm_id=firm.pk)
    assert out.startswith(f"Firm {firm.pk} is suspended; skipped.\n\nSummary:\n")
    assert not Invoice.objects.exists()
    with pytest.raises(CommandError, match=r"^--as-of can only be used with --dry-run\.$"):
        call_command("generate_package_invoices", as_of="2025-07-01")


# ---- what others do meanwhile --------------------------------------------------------------


class Meanwhile(Watcher):
    """Lets something happen after the run has looked at engagements, before it bills them."""

    def __init__(self, happen: Callable[[], object]) -> None:
        self.happen = [happen]

    def between(self) -> None:
        if self.happen:
            self.happen.pop()()


@at(JUNE)
def test_leaves_an_engagement_that_was_changed_meanwhile_to_the_next_run() -> None:
    firm = FirmFactory()
    paused, other = (engagement_of(firm, start_date=date(2025, 6, 1)) for _ in range(2))

    def pause() -> None:
        pause_engagement(
            engagement=paused, today=date(2025, 6, 10), actor=None, reason="Asked for"
        )

    with watched_by(Meanwhile(pause)):
        report = generate_package_invoices()
    assert (report.done, report.skipped, report.failed) == (1, 1, 0)
    assert (billed(paused), len(billed(other))) == ([], 1)


@at(JUNE)
def test_bills_nothing_that_another_run_has_billed_meanwhile() -> None:
    engagement = EngagementFactory(start_date=date(2025, 5, 1))
    with watched_by(Meanwhile(generate_package_invoices)):
        report = generate_package_invoices()
    assert (report.done, report.skipped, report.failed) == (0, 2, 0)
    assert len(billed(engagement)) == Invoice.objects.count() == 2


# ---- words --------------------------------------------------------------------------------


@at("2025-01-05T12:00:00Z")
def test_prints_what_the_specification_shows() -> None:
    firm = FirmFactory(name="Acme Consulting")
    engagement_of(FirmFactory(name="No packages"), pricing_mode="hourly")
    billable = engagement_of(firm, package_fee_minor=500_000)
    not_due = engagement_of(firm, billing_timing="arrears")
    free = engagement_of(firm, package_fee_minor=0)
    heading = f"Processing firm: Acme Consulting (ID: {firm.pk})\n"
    silent = (
        f"  - Skipped engagement {not_due.pk}: No period due yet\n"
        f"  - Skipped engagement {free.pk}: Package fee is zero\n"
    )
    assert run(dry_run=True) == (
        f"{heading}"
        f"  ✓ Would generate invoice for engagement {billable.pk}: "
        "2025-01-01 to 2025-01-31 ($5000.00)\n"
        f"{silent}\n"
        "Summary:\n"
        "  Firms processed: 1\n"
        "  Invoices that would be generated: 1\n"
        "  Engagements skipped: 2\n"
        "  Errors: 0\n"
    )
    assert run() == (
        f"{heading}"
        f"  ✓ Generated invoice for engagement {billable.pk}: INV-2025-001 ($5000.00)\n"
        f"{silent}\n"
        "Summary:\n"
        "  Firms processed: 1\n"
        "  Invoices generated: 1\n"
        "  Engagements skipped: 2\n"
        "  Errors: 0\n"
        "Successfully generated 1 invoices.\n"
    )
    assert run() == (
        f"{heading}"
        f"  - Skipped engagement {billable.pk}: Invoice already exists for this period\n"
        f"{silent}\n"
        "Summary:\n"
        "  Firms processed: 1\n"
        "  Invoices generated: 0\n"
        "  Engagements skipped: 3\n"
        "  Errors: 0\n"
        "Successfully generated 0 invoices.\n"
    )


@at(JUNE)
def test_previews_another_day() -> None:
    engagement = EngagementFactory(start_date=date(2025, 7, 10))
    out = run(dry_run=True, as_of="2025-07-10")
    assert f"engagement {engagement.pk}: 2025-07-10 to 2025-08-09 ($1000.00)" in out


# ---- cost ---------------------------------------------------------------------------------


@at(JUNE)
def test_costs_the_same_statements_for_few_and_for_many() -> None:
    firm, costs = FirmFactory(), []
    for engagements in (2, 30):
        for _ in range(engagements):
            engagement_of(firm, start_date=date(2025, 6, 1))
        with CaptureQueriesContext(connection) as queries:
            generate_package_invoices()
        costs.append(len(queries))
    assert costs[1] == costs[0]
