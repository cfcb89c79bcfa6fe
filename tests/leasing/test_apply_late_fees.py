"""apply_late_fees … (spec D18)."""

import threading
from datetime import date
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from moneyed import Money

from apps.audit.models import AuditEvent
from apps.billing.models import Invoice, InvoiceLine
from apps.billing.services import pause_dunning
from apps.core.days import Clock
from apps.core.problems import BadOption
from apps.core.reports import Report
from apps.firms.models import Firm, FirmSettings
from apps.leasing.models import (
    JurisdictionCap,
    LateFeeAssessment,
    PropertyBillingConfig,
    RentStep,
)
from apps.leasing.services import (
    apply_late_fees,
    record_rent_payment,
)
from apps.notifications.models import Notification
from tests.factories import (
    BillingConfigFactory,
    FirmFactory,
    PropertyFactory,
)
from tests.leasing.charging import DAILY, SEVENTH, fees, run_on
from tests.leasing.renting import PERCENT, at, home_with, pay, rent

pytestmark = pytest.mark.django_db


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


# ---- how much -------------------------------------------------------------------------------

BOTH_CAPS = PERCENT | {"max_percent_of_rent": 2, "max_fee_minor": 2_500}


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
