"""generate_monthly_invoices … (spec D17)."""

import threading
from datetime import date

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, connections
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from apps.billing.models import AccountCredit, Invoice, NumberSequence
from apps.billing.services import record_payment
from apps.core.days import Clock
from apps.core.problems import BadOption
from apps.firms.models import Firm
from apps.leasing.models import Lease, LeaseCharge, LeaseParty, Property, RentPeriod, RentStep
from apps.leasing.services import apply_late_fees, generate_monthly_invoices
from apps.leasing.services.rent import LeaseMonth, rent_lines
from apps.notifications.models import Notification
from tests.factories import (
    BillingConfigFactory,
    ContactFactory,
    FirmFactory,
    LeaseFactory,
    PropertyFactory,
    UnitFactory,
)

pytestmark = pytest.mark.django_db


def at(moment: str) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def lease_at(home: Property, **how: object) -> Lease:
    return LeaseFactory(unit=UnitFactory(property=home), **how)


# ---- amounts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "month", "rent", "currency", "method", "expected"),
    [
        (date(2025, 4, 18), None, "2025-04-01", 150_000, "USD", "actual", 65_000),
        (date(2024, 2, 18), None, "2024-02-01", 150_000, "USD", "actual", 62_069),
        (date(2024, 1, 1), date(2025, 2, 10), "2025-02-01", 145_000, "USD", "actual", 51_786),
        (date(2025, 3, 27), None, "2025-03-01", 98_000, "JPY", "actual", 15_806),
        (date(2024, 1, 1), None, "2025-02-01", 145_000, "USD", "actual", 145_000),
        (date(2025, 2, 18), None, "2025-02-01", 150_000, "USD", "thirty", 55_000),
        (date(2025, 3, 2), None, "2025-03-01", 150_000, "USD", "thirty", 150_000),
        (date(2024, 1, 1), None, "2025-02-01", 150_000, "USD", "thirty", 150_000),
        (date(2025, 4, 18), None, "2025-04-01", 150_000, "USD", "none", 150_000),
    ],
)
def test_prorates_partial_months(
    start: date,
    end: date | None,
    month: str,
    rent: int,
    currency: str,
    method: str,
    expected: int,
) -> None:
    home = PropertyFactory(currency=currency)
    lease = lease_at(home, start_date=start, end_date=end, rent_minor=rent, proration=method)
    [line] = rent_lines(LeaseMonth(lease, date.fromisoformat(month)), steps=[], charges=[])
    assert line.amount_minor == expected
    assert line.unit_minor == rent


def test_writes_one_line_for_each_rent_of_a_month() -> None:
    lease = LeaseFactory(rent_minor=150_000)
    steps = [RentStep(lease=lease, effective_from=date(2025, 4, 16), rent_minor=180_000)]
    lines = rent_lines(LeaseMonth(lease, date(2025, 4, 1)), steps=steps, charges=[])
    assert [(line.period_start, line.period_end, line.amount_minor) for line in lines] == [
        (date(2025, 4, 1), date(2025, 4, 16), 75_000),
        (date(2025, 4, 16), date(2025, 5, 1), 90_000),
    ]


def test_splits_a_whole_month_of_thirtieths_without_loss() -> None:
    lease = LeaseFactory(rent_minor=150_000, proration=Lease.Proration.THIRTY)
    steps = [RentStep(lease=lease, effective_from=date(2025, 2, 15), rent_minor=150_000)]
    lines = rent_lines(LeaseMonth(lease, date(2025, 2, 1)), steps=steps, charges=[])
    assert [line.amount_minor for line in lines] == [70_000, 80_000]


def test_adds_charges_prorated_unless_they_are_fixed() -> None:
    lease = LeaseFactory(rent_minor=150_000, start_date=date(2025, 4, 16))
    charges = [
        LeaseCharge(kind="Pet rent", amount_minor=3_000, starts_on=date(2025, 1, 1)),
        LeaseCharge(
            kind="Key deposit", amount_minor=5_000, starts_on=date(2025, 4, 1), prorated=False
        ),
        LeaseCharge(kind="Gone", amount_minor=9_000, starts_on=date(2025, 1, 1),
                    ends_on=date(2025, 3, 31)),
    ]  # fmt: skip
    lines = rent_lines(LeaseMonth(lease, date(2025, 4, 1)), steps=[], charges=charges)
    assert [(line.description, line.amount_minor) for line in lines] == [
        ("Rent", 75_000),
        ("Pet rent", 1_500),
        ("Key deposit", 5_000),
    ]


@at("2025-06-10T12:00:00Z")
def test_turns_a_concession_larger_than_the_rent_into_credit() -> None:
    lease = LeaseFactory(rent_minor=10_000)
    LeaseCharge.objects.create(
        firm=lease.firm, lease=lease, kind="Concession", amount_minor=-15_000,
        starts_on=date(2025, 1, 1),
    )  # fmt: skip
    generate_monthly_invoices()
    invoice = Invoice.objects.get()
    assert (invoice.total_minor, invoice.status) == (0, "paid")
    assert invoice.lines.aggregate(sum=Sum("amount_minor"))["sum"] == 0
    lease.account.refresh_from_db()
    assert lease.account.credit_minor == 5_000


# ---- dates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due_day", "month", "due"),
    [
        (31, "2025-02", date(2025, 2, 28)),
        (31, "2024-02", date(2024, 2, 29)),
        (31, "2025-04", date(2025, 4, 30)),
        (15, "2025-03", date(2025, 3, 15)),
    ],
)
def test_makes_rent_due_on_the_last_day_of_shorter_months(
    due_day: int, month: str, due: date
) -> None:
    lease = LeaseFactory(due_day=due_day, start_date=date(2020, 1, 1))
    assert LeaseMonth(lease, date.fromisoformat(f"{month}-01")).due == due


def test_makes_the_first_rent_due_no_earlier_than_the_move_in() -> None:
    lease = LeaseFactory(due_day=1, start_date=date(2025, 4, 18))
    assert LeaseMonth(lease, date(2025, 4, 1)).due == date(2025, 4, 18)


def test_bills_the_month_that_it_is_at_the_property() -> None:
    lease_at(PropertyFactory(timezone="America/Los_Angeles"), start_date=date(2025, 2, 1))
    with at("2025-02-01T00:00:00Z"):
        assert generate_monthly_invoices().done == 0
    with at("2025-02-01T08:00:00Z"):
        assert generate_monthly_invoices().done == 1
    assert RentPeriod.objects.get().period_start == date(2025, 2, 1)


@at("2025-03-01T15:00:00Z")
def test_bills_a_lease_under_notice_to_its_last_day_and_not_after() -> None:
    lease = LeaseFactory(
        status=Lease.Status.NOTICE, end_date=date(2025, 3, 15), rent_minor=155_000
    )
    generate_monthly_invoices()
    generate_monthly_invoices(month="2025-04")
    invoice = Invoice.objects.get()
    assert invoice.total_minor == 75_000
    assert (invoice.period_start, invoice.period_end) == (date(2025, 3, 1), date(2025, 3, 16))
    assert lease.rent_periods.count() == 1


def test_bills_ahead_within_the_lead_time_of_the_terms() -> None:
    home = PropertyFactory()
    BillingConfigFactory(property=home, invoice_lead_days=5)
    lease_at(home, start_date=date(2025, 2, 1), due_day=1)
    with at("2025-02-23T18:00:00Z"):
        assert generate_monthly_invoices().done == 1  # February only
    with at("2025-02-24T18:00:00Z"):
        generate_monthly_invoices()
    assert [str(p.period_start) for p in RentPeriod.objects.order_by("period_start")] == [
        "2025-02-01",
        "2025-03-01",
    ]
    assert Invoice.objects.order_by("pk").last().due_date == date(2025, 3, 1)


def test_never_makes_the_renter_pay_for_the_landlords_delay() -> None:
    home = PropertyFactory()
    BillingConfigFactory(property=home, grace_days=0)
    lease_at(home)
    with at("2025-03-20T18:00:00Z"):
        generate_monthly_invoices(month="2025-02")
        invoice = Invoice.objects.get()
        assert invoice.contractual_due_date == date(2025, 2, 1)
        assert invoice.due_date == date(2025, 3, 20)
    with at("2025-03-20T23:00:00Z"):
        assert apply_late_fees().done == 0


@at("2025-03-20T12:00:00Z")
def test_refuses_a_month_that_is_too_far_ahead_or_unreadable() -> None:
    with pytest.raises(BadOption, match=r"^Month 2026-04 is more than 12 months ahead\.$"):
        generate_monthly_invoices(month="2026-04")
    with pytest.raises(BadOption, match=r"^Invalid month '2025-13'\. Use YYYY-MM\.$"):
        generate_monthly_invoices(month="2025-13")
    with pytest.raises(BadOption, match=r"^Property with ID 9999 does not exist\.$"):
        generate_monthly_invoices(property=9999)
    with pytest.raises(BadOption, match=r"^Firm with ID 9999 does not exist\.$"):
        generate_monthly_invoices(firm_id=9999)


# ---- once, and only for whom --------------------------------------------------------------


@at("2025-03-01T18:00:00Z")
def test_bills_a_month_once() -> None:
    LeaseFactory()
    assert generate_monthly_invoices(month="2025-03").done == 1
    again = generate_monthly_invoices(month="2025-03")
    assert (again.done, again.skipped) == (0, 1)
    assert Invoice.objects.count() == Notification.objects.count() == 1


@at("2025-03-01T18:00:00Z")
def test_never_bills_a_voided_month_again() -> None:
    LeaseFactory()
    generate_monthly_invoices()
    Invoice.objects.update(status=Invoice.Status.VOID)
    assert generate_monthly_invoices().done == 0


@at("2025-03-01T18:00:00Z")
def test_leaves_suspended_firms_and_other_properties_alone() -> None:
    mine, neighbour = LeaseFactory(), LeaseFactory()
    LeaseFactory(unit__property__firm__status=Firm.Status.SUSPENDED)
    LeaseFactory(status=Lease.Status.ENDED)
    generate_monthly_invoices(property=mine.unit.property_id)
    assert [period.lease for period in RentPeriod.objects.all()] == [mine]
    assert not neighbour.account.invoices.exists()


@at("2025-03-01T18:00:00Z")
def test_tells_renters_but_not_guarantors() -> None:
    lease = LeaseFactory()
    co_renter = ContactFactory(firm=lease.firm)
    guarantor = ContactFactory(firm=lease.firm)
    LeaseParty.objects.create(
        firm=lease.firm, lease=lease, contact=co_renter, role=LeaseParty.Role.CO_RENTER
    )
    LeaseParty.objects.create(
        firm=lease.firm, lease=lease, contact=guarantor, role=LeaseParty.Role.GUARANTOR
    )
    generate_monthly_invoices()
    told = {n.recipient_contact_id for n in Notification.objects.filter(type="invoice_issued")}
    assert told == {lease.account.contact_id, co_renter.pk}


@at("2025-03-01T18:00:00Z")
def test_uses_account_credit_at_once() -> None:
    lease = LeaseFactory(rent_minor=200_000)
    record_payment(
        account=lease.account, amount_minor=600_000, method="bank",
        effective_on=date(2025, 1, 10), today=date(2025, 1, 10), now=Clock.read().now,
    )  # fmt: skip
    generate_monthly_invoices()
    invoice = Invoice.objects.get()
    lease.account.refresh_from_db()
    assert (invoice.status, invoice.credited_minor) == ("paid", 200_000)
    assert lease.account.credit_minor == 400_000
    used = AccountCredit.objects.get(kind="applied")
    assert (used.amount_minor, used.effective_on) == (-200_000, date(2025, 1, 10))


@at("2025-03-01T18:00:00Z")
def test_plans_the_card_charge_for_the_due_date_at_the_property() -> None:
    home = PropertyFactory(timezone="America/New_York")
    lease = lease_at(home, due_day=15)
    lease.account.autopay_enabled = True
    lease.account.save()
    generate_monthly_invoices()
    invoice = Invoice.objects.get()
    assert (invoice.autopay_opt_in, invoice.autopay_status) == (True, "scheduled")
    assert f"{invoice.autopay_next_charge_at:%Y-%m-%dT%H:%M}" == "2025-03-15T04:00"


@at("2025-03-01T18:00:00Z")
def test_spares_the_others_when_one_lease_cannot_be_billed() -> None:
    good, bad = LeaseFactory(), LeaseFactory()
    Lease.objects.filter(pk=bad.pk).update(currency="EUR")  # its account is in USD
    report = generate_monthly_invoices()
    assert (report.done, report.failed) == (1, 1)
    assert [period.lease for period in RentPeriod.objects.all()] == [good]
    assert Invoice.objects.get().number == "INV-2025-001"


@at("2025-03-01T18:00:00Z")
def test_leaves_no_trace_in_a_dry_run() -> None:
    LeaseFactory()
    report = generate_monthly_invoices(dry_run=True)
    assert report.done == 1
    for model in (Invoice, RentPeriod, Notification, NumberSequence):
        assert model.objects.count() == 0


# ---- numbers, words, cost -----------------------------------------------------------------


@at("2025-12-31T18:00:00Z")
def test_numbers_without_gaps_within_firm_and_year() -> None:
    firm, other = FirmFactory(), FirmFactory()
    for home in (PropertyFactory(firm=firm), PropertyFactory(firm=other)):
        for _ in range(2):
            lease_at(home)
    generate_monthly_invoices()
    with at("2026-01-01T18:00:00Z"):
        generate_monthly_invoices()
    for one in (firm, other):
        numbers = one.invoices.order_by("pk").values_list("number", flat=True)
        assert sorted(numbers) == [
            "INV-2025-001", "INV-2025-002", "INV-2026-001", "INV-2026-002"
        ]  # fmt: skip


@at("2025-03-01T18:00:00Z")
def test_prints_what_the_specification_shows(capsys: pytest.CaptureFixture[str]) -> None:
    home = PropertyFactory(name="Maple Court")
    first = LeaseFactory(unit=UnitFactory(property=home, label="101"), rent_minor=150_000)
    second = LeaseFactory(unit=UnitFactory(property=home, label="102"))
    LeaseCharge.objects.create(
        firm=home.firm, lease=first, kind="Pet rent", amount_minor=3_500,
        starts_on=date(2025, 1, 1),
    )  # fmt: skip
    call_command("generate_monthly_invoices", property=home.pk, month="2025-03", dry_run=True)
    assert capsys.readouterr().out == (
        "Generating rent invoices...\n"
        f"  ✓ Would invoice Lease {first.pk} (Maple Court 101): $1535.00 due 2025-03-01\n"
        f"  ✓ Would invoice Lease {second.pk} (Maple Court 102): $1500.00 due 2025-03-01\n"
        "\nSummary:\n"
        "  Invoices that would be generated: 2\n"
        "  Leases skipped: 0\n"
        "  Errors: 0\n"
    )
    Lease.objects.filter(pk=second.pk).update(status="draft")
    call_command("generate_monthly_invoices")
    Lease.objects.filter(pk=second.pk).update(status="active")
    capsys.readouterr()
    call_command("generate_monthly_invoices")
    assert capsys.readouterr().out == (
        "Generating rent invoices...\n"
        f"  - Lease {first.pk} (Maple Court 101): invoice already exists for 2025-03\n"
        f"  ✓ Lease {second.pk} (Maple Court 102): INV-2025-002 $1500.00 due 2025-03-01\n"
        "\nSummary:\n"
        "  Invoices generated: 1\n"
        "  Leases skipped: 1\n"
        "  Errors: 0\n"
    )


@at("2025-03-01T18:00:00Z")
def test_costs_the_same_statements_for_few_and_for_many() -> None:
    home = PropertyFactory()
    costs = []
    for leases in (2, 20):
        for _ in range(leases):
            lease_at(home, rent_minor=150_000)
        with CaptureQueriesContext(connection) as queries:
            generate_monthly_invoices()
        costs.append(len(queries))
    assert costs[1] <= costs[0] + 12  # SQLite cuts long inserts into several statements


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_bills_once_when_two_runs_meet() -> None:
    home = PropertyFactory()
    for _ in range(20):
        lease_at(home)
    failures: list[int] = []

    def run() -> None:
        try:
            failures.append(generate_monthly_invoices(month="2025-03").failed)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [0, 0]
    numbers = sorted(Invoice.objects.values_list("number", flat=True))
    year = Invoice.objects.all()[0].issue_date.year
    assert numbers == [f"INV-{year}-{n:03d}" for n in range(1, 21)]


@at("2025-03-01T18:00:00Z")
def test_spares_the_others_when_a_property_stands_in_no_time_zone() -> None:
    good, bad = LeaseFactory(), LeaseFactory()
    Property.objects.filter(pk=bad.unit.property_id).update(timezone="Mars/Base")
    report = generate_monthly_invoices()
    assert (report.done, report.failed) == (1, 1)
    assert [period.lease for period in RentPeriod.objects.all()] == [good]
