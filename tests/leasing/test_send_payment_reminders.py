"""send_payment_reminders … (spec D19)."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from apps.billing.models import Invoice
from apps.billing.services import pause_dunning
from apps.core.problems import BadOption
from apps.firms.models import Firm
from apps.leasing.models import Lease, PropertyBillingConfig
from apps.leasing.services import send_payment_reminders
from apps.notifications.models import Delivery, Notification
from tests.factories import (
    BillingConfigFactory,
    FirmFactory,
    InvoiceFactory,
    LeaseFactory,
    PropertyFactory,
    UnitFactory,
)
from tests.leasing.reminding import TENTH, days_from, noon, run_on, sent
from tests.leasing.renting import at, home_with, pay, rent

pytestmark = pytest.mark.django_db


# ---- when --------------------------------------------------------------


def test_reminds_on_the_days_of_the_milestones_only() -> None:
    rent(due=TENTH)
    counts = run_on(*days_from(date(2025, 6, 1), date(2025, 8, 31)))
    assert sum(counts) == 5
    assert sent() == [
        ("2025-06-07", "before_3"),
        ("2025-06-09", "before_1"),
        ("2025-06-11", "after_1"),
        ("2025-06-17", "after_7"),
        ("2025-07-10", "after_30"),
    ]


def test_catches_up_a_missed_day_with_the_actual_number_of_days() -> None:
    rent(due=TENTH)
    run_on(*days_from(date(2025, 6, 1), date(2025, 6, 6)))
    run_on(*days_from(date(2025, 6, 8), date(2025, 6, 10)))
    assert sent() == [("2025-06-08", "before_3"), ("2025-06-09", "before_1")]
    assert [row.context["days"] for row in Notification.objects.order_by("pk")] == [2, 1]


def test_sends_only_the_most_urgent_and_notes_what_it_supersedes() -> None:
    rent(due=TENTH)
    assert run_on(date(2025, 6, 7)) == [1]
    assert run_on(date(2025, 6, 20)) == [1]
    assert sent() == [("2025-06-07", "before_3"), ("2025-06-20", "after_7")]
    last = Notification.objects.order_by("pk").last()
    assert last.context["supersedes"] == ["before_1", "after_1"]
    assert last.context["days"] == -10


def test_sends_the_same_when_it_runs_every_hour() -> None:
    rent(due=TENTH)
    for day in days_from(date(2025, 6, 6), date(2025, 6, 12)):
        for hour in range(24):
            with at(datetime(2025, 6, day.day, hour, 25, tzinfo=UTC)):
                send_payment_reminders(at="09:00")
    assert [milestone for _, milestone in sent()] == ["before_3", "before_1", "after_1"]
    hours = Notification.objects.order_by("pk").values_list("created_at", flat=True)
    assert {f"{at:%H:%M}" for at in hours} == {"13:25"}  # 09:25 in New York


def test_never_mails_debts_from_before_it_was_switched_on() -> None:
    rent(due=TENTH - timedelta(days=200))
    rent(due=TENTH - timedelta(days=45))
    in_window = rent(due=TENTH - timedelta(days=44))
    assert run_on(TENTH) == [1]
    assert Notification.objects.get().subject_id == str(in_window.pk)


@pytest.mark.parametrize(
    ("zone", "too_early", "time"),
    [
        ("America/Los_Angeles", "2025-06-07T06:59:00Z", "2025-06-07T07:00:00Z"),
        ("Asia/Tokyo", "2025-06-06T14:59:00Z", "2025-06-06T15:00:00Z"),
    ],
)
def test_goes_by_the_date_at_the_property(zone: str, too_early: str, time: str) -> None:
    rent(home=PropertyFactory(timezone=zone), due=TENTH)
    with at(too_early):
        assert send_payment_reminders().done == 0
    with at(time):
        assert send_payment_reminders().done == 1


def test_keeps_to_the_days_of_the_terms() -> None:
    home = home_with(remind_days_before="10", remind_days_after="5,14")
    rent(home=home, due=TENTH)
    usual = rent(due=TENTH)
    run_on(*days_from(date(2025, 5, 20), date(2025, 7, 31)))
    own = Notification.objects.exclude(subject_id=str(usual.pk)).order_by("pk")
    assert [row.dedupe_key.rpartition(":")[2] for row in own] == [
        "before_10",
        "after_5",
        "after_14",
    ]


# ---- asked for by number --------------------------------------------------------------


def test_sends_what_was_asked_for_and_later_still_the_usual() -> None:
    rent(due=TENTH)
    assert run_on(date(2025, 6, 5), days_before=5) == [1]
    assert run_on(date(2025, 6, 6), days_before=5) == [0]
    assert run_on(date(2025, 6, 7)) == [1]
    assert sent() == [("2025-06-05", "before_5"), ("2025-06-07", "before_3")]


def test_does_not_send_a_usual_reminder_again_by_its_number() -> None:
    rent(due=TENTH)
    assert run_on(date(2025, 6, 7)) == [1]
    assert run_on(date(2025, 6, 7), days_before=3) == [0]


def test_sends_nobody_two_reminders_on_one_day() -> None:
    rent(due=TENTH)
    assert run_on(date(2025, 6, 7)) == [1]
    assert run_on(date(2025, 6, 7), days_before=5) == [0]
    rent(due=TENTH)
    assert run_on(date(2025, 6, 7), days_before=5) == [1]
    assert run_on(date(2025, 6, 7)) == [0]


def test_replaces_only_the_list_that_was_asked_for() -> None:
    before, after = rent(due=TENTH), rent(due=TENTH - timedelta(days=14))
    assert run_on(date(2025, 6, 7), days_after=10) == [2]
    assert run_on(date(2025, 6, 8), days_before=9) == [0]
    keys = Notification.objects.order_by("pk").values_list("dedupe_key", flat=True)
    assert sorted(keys) == sorted(
        [f"rent-reminder:{before.pk}:before_3", f"rent-reminder:{after.pk}:after_10"]
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"days_before": -1}, "--days-before must be zero or a positive integer."),
        ({"days_after": 0}, "--days-after must be a positive integer."),
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"as_of": "2025-06-07"}, "--as-of can only be used with --dry-run."),
        ({"at": "9:00"}, "Invalid time '9:00'. Use HH:MM."),
    ],
)
def test_refuses_options_it_cannot_use(options: dict[str, object], sentence: str) -> None:
    rent(due=TENTH)
    with at(noon(date(2025, 6, 7))), pytest.raises(BadOption) as refusal:
        send_payment_reminders(**options)
    assert str(refusal.value) == sentence
    assert not Notification.objects.exists()


# ---- what --------------------------------------------------------------


@pytest.mark.parametrize("status", ["draft", "paid", "void", "written_off"])
def test_leaves_invoices_alone_that_nobody_owes(status: str) -> None:
    rent(due=TENTH, status=status)
    assert run_on(date(2025, 6, 7)) == [0]


def test_leaves_disputes_and_payment_plans_alone() -> None:
    rent(due=TENTH, in_dispute=True)
    planned = rent(due=TENTH)
    with at(noon(date(2025, 6, 5))):
        pause_dunning(invoice=planned, until=date(2025, 6, 9), actor=None, reason="a plan")
    assert run_on(date(2025, 6, 7), date(2025, 6, 9), date(2025, 6, 10)) == [0, 0, 1]


@pytest.mark.parametrize("status", [Lease.Status.ENDED, Lease.Status.TERMINATED])
def test_reminds_of_ended_leases_only_when_their_debt_is_overdue(status: str) -> None:
    invoice = rent(due=TENTH)
    Lease.objects.filter(pk=invoice.rent_period.lease_id).update(status=status)
    assert run_on(date(2025, 6, 7), date(2025, 6, 10), date(2025, 6, 11)) == [0, 0, 1]


def test_reminds_of_manual_invoices_to_renters() -> None:
    lease = LeaseFactory(unit=UnitFactory(property=home_with(property={"name": "Maple"})))
    mine = InvoiceFactory(account=lease.account, kind="manual", due_date=TENTH)
    InvoiceFactory(kind="manual", due_date=TENTH)  # to somebody who rents nothing
    InvoiceFactory(account=lease.account, kind="work", due_date=TENTH)
    assert run_on(date(2025, 6, 7)) == [1]
    reminder = Notification.objects.get()
    assert reminder.subject_id == str(mine.pk)
    assert reminder.context["home"] == str(lease.unit)


def test_goes_by_the_living_lease_of_a_manual_invoices_account() -> None:
    old = LeaseFactory(
        unit__property__timezone="Asia/Tokyo", status=Lease.Status.ENDED,
        start_date=date(2025, 1, 1),
    )  # fmt: skip
    InvoiceFactory(account=old.account, kind="manual", due_date=TENTH)
    home = PropertyFactory(firm=old.firm, timezone="America/Los_Angeles")
    LeaseFactory(unit=UnitFactory(property=home), account=old.account)
    LeaseFactory(unit=UnitFactory(property=home), account=old.account, status="draft")
    with at("2025-06-07T06:59:00Z"):
        assert send_payment_reminders().done == 0
    with at("2025-06-07T07:00:00Z"):
        assert send_payment_reminders().done == 1
    assert Notification.objects.count() == 1


def test_waits_for_a_bank_payment_that_covers_the_balance() -> None:
    covered, short = rent(due=TENTH), rent(due=TENTH)
    with at("2025-06-06T12:00:00Z"):
        pay(covered, 150_000, on=date(2025, 6, 6), status="pending")
        pay(short, 149_999, on=date(2025, 6, 6), status="pending")
    with at(noon(date(2025, 6, 7))):
        report = send_payment_reminders()
    assert (report.done, report.skipped) == (1, 1)
    assert Notification.objects.get().subject_id == str(short.pk)


# ---- only for whom, and at what cost --------------------------------------------------------


def test_leaves_other_and_suspended_firms_alone() -> None:
    mine, neighbour = rent(due=TENTH), rent(due=TENTH)
    suspended = FirmFactory(status=Firm.Status.SUSPENDED)
    rent(home=PropertyFactory(firm=suspended), due=TENTH)
    assert run_on(date(2025, 6, 7), firm_id=mine.firm_id) == [1]
    assert Notification.objects.get().firm == mine.firm
    assert run_on(date(2025, 6, 7)) == [1]
    assert Notification.objects.order_by("pk").last().firm == neighbour.firm


def test_says_which_firm_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    firm = FirmFactory(status=Firm.Status.CLOSED)
    with at(noon(date(2025, 6, 7))):
        call_command("send_payment_reminders", firm_id=firm.pk)
    assert f"Firm {firm.pk} is closed; skipped.\n" in capsys.readouterr().out


def test_spares_the_others_when_the_terms_of_one_cannot_be_read() -> None:
    good = rent(due=TENTH)
    bad = rent(home=PropertyFactory(firm=good.firm), due=TENTH)
    lease = bad.rent_period.lease
    BillingConfigFactory(property=lease.unit.property, remind_days_before="3;1")
    neighbour = rent(due=TENTH)
    with at(noon(date(2025, 6, 7))):
        report = send_payment_reminders()
    assert (report.done, report.failed) == (2, 1)
    told = set(Notification.objects.values_list("subject_id", flat=True))
    assert told == {str(good.pk), str(neighbour.pk)}


def test_spares_the_others_when_one_cannot_be_told() -> None:
    good, bad = rent(due=TENTH), rent(due=TENTH)
    Invoice.objects.filter(pk=bad.pk).update(currency="XXZ")  # no such currency
    with at(noon(date(2025, 6, 7))):
        report = send_payment_reminders()
    assert (report.done, report.failed) == (1, 1)
    assert Notification.objects.get().subject_id == str(good.pk)


def test_leaves_no_trace_in_a_dry_run() -> None:
    rent(due=TENTH)
    with at(noon(date(2025, 6, 7))):
        assert send_payment_reminders(dry_run=True).done == 1
    assert Notification.objects.count() == Delivery.objects.count() == 0


@at("2025-06-01T12:00:00Z")
def test_looks_at_another_day_in_a_dry_run() -> None:
    rent(due=TENTH)
    assert send_payment_reminders(dry_run=True).done == 0
    assert send_payment_reminders(dry_run=True, as_of="2025-06-07", at="23:59").done == 1


@pytest.mark.parametrize("manual", [False, True])
def test_costs_the_same_statements_for_few_and_for_many(manual: bool) -> None:
    home = PropertyFactory()
    costs = []
    for count in (2, 20):
        for _ in range(count):
            if manual:
                lease = LeaseFactory(unit=UnitFactory(property=home))
                InvoiceFactory(account=lease.account, kind="manual", due_date=TENTH)
            else:
                rent(home=home, due=TENTH)
        with (
            at(noon(date(2025, 6, 7))),
            CaptureQueriesContext(connection) as queries,
        ):
            assert send_payment_reminders().done == count
        costs.append(len(queries))
    assert costs[1] <= costs[0]


def test_reads_no_invoices_outside_every_window() -> None:
    home = home_with()
    costs = []
    for count in (1, 20):
        for _ in range(count):
            rent(home=home, due=TENTH)
            rent(home=home, due=TENTH - timedelta(days=100))
        with at(noon(date(2025, 6, 1))), CaptureQueriesContext(connection) as queries:
            assert send_payment_reminders().done == 0
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert PropertyBillingConfig.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_reminds_once_when_two_runs_meet() -> None:
    home = PropertyFactory()
    for _ in range(20):
        rent(home=home, due=datetime.now(UTC).date())
    outcomes: list[tuple[int, int]] = []

    def run() -> None:
        try:
            report = send_payment_reminders()
            outcomes.append((report.done, report.failed))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done for done, _ in outcomes) == 20
    assert [failed for _, failed in outcomes] == [0, 0]
    assert Notification.objects.count() == 20
