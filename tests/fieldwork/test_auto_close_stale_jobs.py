"""auto_close_stale_jobs … (spec D30)."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent
from apps.core.problems import BadOption
from apps.core.watching import Together, watched_by
from apps.fieldwork.models import WorkOrder, WorkOrderNote
from apps.fieldwork.services import add_note, auto_close_stale_jobs
from apps.firms.models import Firm, Membership
from apps.notifications.models import Delivery, Notification
from tests.factories import (
    BillingAccountFactory,
    EstimateFactory,
    FirmFactory,
    InvoiceFactory,
    PayoutRequestFactory,
    WorkOrderFactory,
)
from tests.fieldwork.nightly import (
    Hears,
    Meddles,
    Trips,
    at,
    member,
    no_longer_wanted,
    noon,
    printed,
    recipients,
    sent,
    words,
)
from tests.fieldwork.working import audited, contractor_of, history

pytestmark = pytest.mark.django_db

SUNDAY = date(2025, 6, 15)
NOW = noon(SUNDAY)
SECOND = timedelta(seconds=1)


@pytest.fixture
def firm() -> Firm:
    fixit: Firm = FirmFactory(name="Fixit Services", slug="fixit")
    return fixit


def job(firm: Firm, idle: int | timedelta, status: str = "ASSIGNED", **more: Any) -> WorkOrder:
    """Return a job on which nothing has happened for so many days at noon of 15 June 2025."""
    quiet = idle if isinstance(idle, timedelta) else timedelta(days=idle)
    order: WorkOrder = WorkOrderFactory(
        firm=firm, status=status, created_at=NOW - quiet, **more
    )
    return order


def run(moment: datetime = NOW, **options: Any) -> int:
    with at(moment):
        return auto_close_stale_jobs(**options).tallies["closed"]


def status_of(order: WorkOrder) -> str:
    order.refresh_from_db()
    return order.status


# ---- which jobs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "idle", "closed"),
    [
        (90, timedelta(days=90), 1),
        (90, timedelta(days=90) - SECOND, 0),
        (90, timedelta(days=89), 0),
        (90, timedelta(days=400), 1),
        (60, timedelta(days=60), 1),
        (60, timedelta(days=59), 0),
        (1, timedelta(days=1), 1),
    ],
)
def test_closes_what_has_been_idle_for_so_many_full_days(
    firm: Firm, days: int, idle: timedelta, closed: int
) -> None:
    order = job(firm, idle)
    assert run(days=days) == closed
    assert status_of(order) == ("CANCELLED" if closed else "ASSIGNED")


@pytest.mark.parametrize("status", ["PENDING", "ASSIGNED", "IN_PROGRESS", "ON_HOLD"])
def test_closes_open_jobs(firm: Firm, status: str) -> None:
    order = job(firm, 95, status)
    assert run() == 1
    assert status_of(order) == "CANCELLED"


@pytest.mark.parametrize("status", ["COMPLETED", "VERIFIED", "CANCELLED"])
def test_leaves_jobs_alone_that_are_done(firm: Firm, status: str) -> None:
    order = job(firm, 200, status)
    assert run() == 0
    assert status_of(order) == status


@pytest.mark.parametrize("field", ["due_date", "scheduled_on"])
@pytest.mark.parametrize(
    ("day", "closed"),
    [
        (SUNDAY + timedelta(days=30), 0),
        (SUNDAY, 0),
        (SUNDAY - timedelta(days=1), 1),
        (None, 1),
    ],
)
def test_leaves_jobs_alone_whose_day_is_not_over(
    firm: Firm, field: str, day: date | None, closed: int
) -> None:
    job(firm, 95, **{field: day})
    assert run() == closed


@pytest.mark.parametrize(
    ("zone", "moment", "closed"),
    [
        ("America/Los_Angeles", "2025-06-16T06:59:00Z", 0),
        ("America/Los_Angeles", "2025-06-16T07:00:00Z", 1),
        ("Asia/Tokyo", "2025-06-15T14:59:00Z", 0),
        ("Asia/Tokyo", "2025-06-15T15:00:00Z", 1),
    ],
)
def test_goes_by_the_date_at_the_firm(zone: str, moment: str, closed: int) -> None:
    job(FirmFactory(timezone=zone), 95, due_date=SUNDAY)
    assert run(datetime.fromisoformat(moment)) == closed


def test_leaves_jobs_alone_that_somebody_wants_to_keep(firm: Firm) -> None:
    job(firm, 95, do_not_auto_close=True)
    assert run() == 0


@pytest.mark.parametrize(
    ("status", "closed"), [("DRAFT", 1), ("SUBMITTED", 0), ("APPROVED", 1), ("REJECTED", 1)]
)
def test_leaves_jobs_alone_whose_estimate_waits_for_an_answer(
    firm: Firm, status: str, closed: int
) -> None:
    EstimateFactory(work_order=job(firm, 95), status=status, submitted_at=NOW)
    assert run() == closed


@pytest.mark.parametrize(
    ("status", "closed"),
    [
        ("draft", 0), ("sent", 0), ("partial", 0), ("overdue", 0), ("paid", 0),
        ("void", 1), ("written_off", 1),
    ],
)  # fmt: skip
def test_leaves_jobs_alone_that_the_customer_owes_for_or_has_paid(
    firm: Firm, status: str, closed: int
) -> None:
    account = BillingAccountFactory(contact__firm=firm)
    job(firm, 95, invoice=InvoiceFactory(account=account, kind="work", status=status))
    assert run() == closed


@pytest.mark.parametrize(
    ("status", "closed"),
    [("PENDING", 0), ("APPROVED", 0), ("PAID", 0), ("REJECTED", 1), ("CANCELLED", 1)],
)
def test_leaves_jobs_alone_that_are_on_a_payout_request(
    firm: Firm, status: str, closed: int
) -> None:
    order = job(firm, 95)
    PayoutRequestFactory(contractor=order.contractor, status=status, orders=[order])
    assert run() == closed


def test_does_not_count_its_own_note_and_warning_as_activity(firm: Firm) -> None:
    order = job(firm, 83)
    run()
    order.refresh_from_db()
    assert (order.stale_warned_at, order.last_activity_at) == (NOW, NOW - timedelta(days=83))
    assert run(NOW + timedelta(days=7)) == 1


@pytest.mark.parametrize(
    ("moment", "closed"),
    [
        ("2025-06-15T05:59:00Z", 0),  # 01:59 on Sunday in New York
        ("2025-06-15T06:00:00Z", 1),
        ("2025-06-16T03:00:00Z", 1),  # still Sunday there
        ("2025-06-16T04:30:00Z", 0),
        ("2025-06-14T20:00:00Z", 0),
    ],
)
def test_waits_for_the_local_time_and_day_of_its_schedule(
    firm: Firm, moment: str, closed: int
) -> None:
    job(firm, 95)
    assert run(datetime.fromisoformat(moment), at="02:00", weekdays="sun") == closed


# ---- what it does -------------------------------------------------------------------------


def test_cancels_and_says_why_in_every_place(firm: Firm) -> None:
    order = job(firm, 95, "IN_PROGRESS")
    run()
    order.refresh_from_db()
    assert (order.status, order.cancel_reason, order.cancelled_at) == (
        "CANCELLED", "auto_stale", NOW
    )  # fmt: skip
    assert order.last_activity_at == NOW - timedelta(days=95)
    assert history(order) == [("cancelled", "IN_PROGRESS", "CANCELLED")]
    assert order.events.get().actor is None
    note = order.notes.get()
    assert (note.text, note.is_automatic, note.author, note.written_at) == (
        "Automatically closed after 95 days of inactivity", True, None, NOW
    )  # fmt: skip
    assert audited() == ["work_order_cancelled"]
    event = AuditEvent.objects.get()
    assert event.changes == {"status": ["IN_PROGRESS", "CANCELLED"]}
    assert (event.actor_label, event.reason) == ("system", "auto_stale")


def test_tells_the_contractor_and_whoever_made_the_job(firm: Firm) -> None:
    maker, ada = member(firm), contractor_of(firm)
    order = job(
        firm, 95, number="JOB-000100", title="Old Bathroom Job", contractor=ada,
        created_by=maker,
    )  # fmt: skip
    run()
    assert recipients("job_auto_closed") == {f"contact:{ada.contact_id}", f"user:{maker.pk}"}
    assert set(Delivery.objects.values_list("channel", flat=True)) == {"email", "in_app"}
    said = words(sent("job_auto_closed")[0])
    assert said.subject == "JOB-000100 was closed after 95 days of inactivity"
    assert said.text == (
        "JOB-000100: Old Bathroom Job was closed automatically after 95 days of inactivity.\n"
        "\n"
        "If there is still something to do, please tell Fixit Services."
    )
    assert sent("job_auto_closed")[0].subject_id == str(order.pk)


@pytest.mark.parametrize("how", ["login", "address"])
def test_tells_somebody_once_who_made_the_job_and_does_it(firm: Firm, how: str) -> None:
    ada = contractor_of(firm)
    maker = member(firm, email="ADA@contractors.example" if how == "address" else "")
    if how == "login":
        ada.contact.user = maker
        ada.contact.save()
    job(firm, 95, contractor=ada, created_by=maker)
    run()
    assert recipients("job_auto_closed") == {f"contact:{ada.contact_id}"}


def test_tells_nobody_who_has_left_or_was_erased(firm: Firm) -> None:
    gone, stranger = member(firm), member(FirmFactory())
    Membership.objects.filter(user=gone).update(is_active=False)
    for maker in (gone, stranger, None):
        job(firm, 95, "PENDING", created_by=maker)
    erased = contractor_of(firm)
    erased.contact.erased_at = NOW
    erased.contact.save()
    job(firm, 95, contractor=erased)
    assert run() == 4
    assert not Notification.objects.exists()


def test_tells_a_contractor_of_several_jobs_in_one_message(firm: Firm) -> None:
    ada = contractor_of(firm)
    for number, title, idle in ((101, "Abandoned Kitchen", 120), (100, "Old Bathroom", 95)):
        job(firm, idle, contractor=ada, number=f"JOB-{number:06d}", title=title)
    run()
    said = words(*sent("job_auto_closed"))
    assert said.subject == "2 jobs were closed because of inactivity"
    assert said.text.splitlines()[2:4] == [
        "  • JOB-000100: Old Bathroom (95 days inactive)",
        "  • JOB-000101: Abandoned Kitchen (120 days inactive)",
    ]


def test_tells_again_of_a_job_that_was_opened_and_forgotten_again(firm: Firm) -> None:
    order = job(firm, 95)
    run()
    later = NOW + timedelta(days=120)
    WorkOrder.objects.filter(pk=order.pk).update(status="ASSIGNED", last_activity_at=NOW)
    assert run(later) == 1
    assert len(sent("job_auto_closed")) == 2


# ---- the warning before -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "idle", "warned"),
    [
        (90, timedelta(days=83) - SECOND, False),
        (90, timedelta(days=83), True),
        (90, timedelta(days=90) - SECOND, True),
        (90, timedelta(days=90), False),
        (5, timedelta(hours=23), False),
        (5, timedelta(days=1), True),
    ],
)
def test_warns_within_the_seven_days_before(
    firm: Firm, days: int, idle: timedelta, warned: bool
) -> None:
    order = job(firm, idle)
    run(days=days)
    order.refresh_from_db()
    assert (order.stale_warned_at is not None) == warned
    assert len(sent("job_closes_soon")) == warned


def test_warns_once(firm: Firm) -> None:
    maker, ada = member(firm), contractor_of(firm)
    order = job(
        firm, 83, number="JOB-000100", title="Old Bathroom Job", contractor=ada,
        created_by=maker,
    )  # fmt: skip
    for day in range(7):
        run(NOW + timedelta(days=day))
    assert recipients("job_closes_soon") == {f"contact:{ada.contact_id}", f"user:{maker.pk}"}
    assert len(sent("job_closes_soon")) == 2
    said = words(sent("job_closes_soon")[0])
    assert said.subject == "JOB-000100 will be closed soon"
    assert said.text == (
        "Nothing has happened on JOB-000100: Old Bathroom Job for 83 days. It will be closed "
        "automatically after 22 June 2025.\n"
        "\n"
        "A note, a file or another due date is enough to keep a job open."
    )
    assert status_of(order) == "ASSIGNED"
    assert run(NOW + timedelta(days=7)) == 1


def test_warns_again_after_there_was_activity(firm: Firm) -> None:
    order = job(firm, 83)
    run()
    note_on(order)
    assert run(NOW + timedelta(days=7)) == 0
    run(NOW + timedelta(days=83))
    assert len(sent("job_closes_soon")) == 2


def test_does_not_warn_of_what_it_would_not_close(firm: Firm) -> None:
    job(firm, 85, do_not_auto_close=True)
    job(firm, 85, due_date=SUNDAY + timedelta(days=1))
    job(firm, 85, "COMPLETED")
    run()
    assert not Notification.objects.exists()


def test_says_several_warnings_in_one_message(firm: Firm) -> None:
    ada = contractor_of(firm)
    for number, idle in ((100, 83), (101, 88)):
        job(firm, idle, contractor=ada, number=f"JOB-{number:06d}", title="Painting")
    run()
    said = words(*sent("job_closes_soon"))
    assert said.subject == "2 jobs will be closed soon"
    assert said.text.splitlines()[2:4] == [
        "  • JOB-000100: Painting (after 22 June 2025)",
        "  • JOB-000101: Painting (after 17 June 2025)",
    ]


# ---- when it is about to go out -----------------------------------------------------------


def test_takes_the_news_back_when_the_job_was_opened_again(firm: Firm) -> None:
    first, second = (job(firm, 95) for _ in range(2))
    run()
    WorkOrder.objects.filter(pk=first.pk).update(status="ASSIGNED")
    by_job = {one.subject_id: one for one in sent("job_auto_closed")}
    told = [by_job[str(order.pk)] for order in (first, second)]
    assert no_longer_wanted(*told) == ["reopened", ""]


def test_takes_a_warning_back_when_something_has_happened(firm: Firm) -> None:
    touched, kept, other = (job(firm, 85) for _ in range(3))
    run()
    note_on(touched)
    WorkOrder.objects.filter(pk=kept.pk).update(do_not_auto_close=True)
    by_job = {one.subject_id: one for one in sent("job_closes_soon")}
    told = [by_job[str(order.pk)] for order in (touched, kept, other)]
    assert no_longer_wanted(*told) == ["activity meanwhile", "activity meanwhile", ""]


# ---- what it prints -----------------------------------------------------------------------


@pytest.fixture
def three(firm: Firm) -> list[WorkOrder]:
    """The three jobs of the source document's sample, and one that is not stale yet."""
    job(firm, 85, number="JOB-000099")
    return [
        job(firm, idle, number=number, title=title)
        for number, title, idle in (
            ("JOB-000102", "Stale Plumbing", 100),
            ("JOB-000100", "Old Bathroom Job", 95),
            ("JOB-000101", "Abandoned Kitchen", 120),
        )
    ]


def test_prints_in_a_dry_run_what_the_source_document_shows(three: list[WorkOrder]) -> None:
    with at(NOW):
        assert printed("auto_close_stale_jobs", dry_run=True) == (
            "Checking for stale jobs (inactive for 90+ days)...\n"
            "Found 3 stale jobs\n"
            "DRY RUN - No jobs will be closed\n"
            "  • JOB-000100: Old Bathroom Job (95 days inactive)\n"
            "  • JOB-000101: Abandoned Kitchen (120 days inactive)\n"
            "  • JOB-000102: Stale Plumbing (100 days inactive)\n"
        )
    assert [status_of(order) for order in three] == ["ASSIGNED"] * 3
    assert not WorkOrderNote.objects.exists()
    assert not WorkOrder.objects.exclude(stale_warned_at=None).exists()
    assert not AuditEvent.objects.exists()
    assert not Notification.objects.exists()


def test_prints_what_the_source_document_shows_and_finds_nothing_the_second_time(
    three: list[WorkOrder],
) -> None:
    with at(NOW):
        assert printed("auto_close_stale_jobs", days=90) == (
            "Checking for stale jobs (inactive for 90+ days)...\n"
            "Found 3 stale jobs\n"
            "  ✓ Closed: JOB-000100 (95 days inactive)\n"
            "  ✓ Closed: JOB-000101 (120 days inactive)\n"
            "  ✓ Closed: JOB-000102 (100 days inactive)\n"
            "Auto-closed 3 stale jobs\n"
        )
        told = Notification.objects.count()
        assert printed("auto_close_stale_jobs") == (
            "Checking for stale jobs (inactive for 90+ days)...\n"
            "Found 0 stale jobs\n"
            "Auto-closed 0 stale jobs\n"
        )
    assert Notification.objects.count() == told


def test_names_the_firm_when_there_are_several(three: list[WorkOrder]) -> None:
    other = FirmFactory(slug="evergreen")
    theirs = job(other, 91, number="JOB-000100", title="Roof")
    with at(NOW):
        assert printed("auto_close_stale_jobs", dry_run=True).splitlines()[3:] == [
            "  • JOB-000100 [fixit]: Old Bathroom Job (95 days inactive)",
            "  • JOB-000100 [evergreen]: Roof (91 days inactive)",
            "  • JOB-000101 [fixit]: Abandoned Kitchen (120 days inactive)",
            "  • JOB-000102 [fixit]: Stale Plumbing (100 days inactive)",
        ]
        assert printed("auto_close_stale_jobs").splitlines()[2:4] == [
            "  ✓ Closed: JOB-000100 [fixit] (95 days inactive)",
            "  ✓ Closed: JOB-000100 [evergreen] (91 days inactive)",
        ]
    mine = next(order for order in three if order.number == "JOB-000100")
    for order in (mine, theirs):
        order.refresh_from_db()
        assert order.contractor is not None
        told = Notification.objects.filter(type="job_auto_closed", subject_id=str(order.pk))
        assert [(one.firm_id, one.recipient_contact_id) for one in told] == [
            (order.firm_id, order.contractor.contact_id)
        ]


# ---- the guard ----------------------------------------------------------------------------


@pytest.fixture
def crowd(firm: Firm) -> list[WorkOrder]:
    """Two hundred and one stale jobs of one firm."""
    orders: list[WorkOrder] = WorkOrderFactory.create_batch(
        201, firm=firm, created_at=NOW - timedelta(days=100)
    )
    return orders


@pytest.mark.usefixtures("crowd")
def test_refuses_to_close_very_many_jobs_of_a_firm_and_spares_the_others() -> None:
    other = job(FirmFactory(slug="evergreen"), 95, number="JOB-000007")
    with at(NOW):
        report = auto_close_stale_jobs()
        assert (report.tallies["closed"], report.failed) == (1, 1)
        assert status_of(other) == "CANCELLED"
        with pytest.raises(CommandError) as failed:
            call_command("auto_close_stale_jobs")
    assert str(failed.value) == "1 item(s) failed; see the log."
    assert WorkOrder.objects.filter(status="CANCELLED").count() == 1


@pytest.mark.usefixtures("crowd")
def test_says_that_it_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    with at(NOW), pytest.raises(CommandError):
        call_command("auto_close_stale_jobs")
    assert capsys.readouterr().out.splitlines() == [
        "Checking for stale jobs (inactive for 90+ days)...",
        "Found 201 stale jobs",
        "  ✗ Fixit Services: Refusing to close 201 jobs at once; use --force.",
        "Auto-closed 0 stale jobs",
    ]


@pytest.mark.usefixtures("crowd")
def test_closes_very_many_when_it_is_forced() -> None:
    assert run(force=True) == 201


def test_closes_two_hundred_without_being_forced(crowd: list[WorkOrder]) -> None:
    crowd[0].delete()
    assert run() == 200


# ---- in the middle, next door, in spite of errors, and at what cost -----------------------


def test_lets_whoever_does_something_in_the_middle_win(firm: Firm) -> None:
    orders = [job(firm, 95, number=f"JOB-{number:06d}") for number in (100, 101, 102)]
    meddles, hears = Meddles(lambda: note_on(orders[1])), Hears()
    with at(NOW), watched_by(Together(meddles, hears)):
        report = auto_close_stale_jobs()
    assert (report.tallies["closed"], report.skipped) == (2, 1)
    assert [status_of(one) for one in orders] == ["CANCELLED", "ASSIGNED", "CANCELLED"]
    assert hears.lines == [
        "✓ Closed: JOB-000100 (95 days inactive)",
        "- Skipped JOB-000101: activity meanwhile",
        "✓ Closed: JOB-000102 (95 days inactive)",
    ]
    assert report.summary() == ["Auto-closed 2 stale jobs"]


def note_on(order: WorkOrder) -> None:
    add_note(order=order, text="Tomorrow!", file=None, by=None, now=NOW)


def test_leaves_other_and_suspended_firms_alone(firm: Firm) -> None:
    suspended = FirmFactory(status=Firm.Status.SUSPENDED)
    orders = [job(one, 95) for one in (firm, FirmFactory(), suspended)]
    run(firm_id=firm.pk)
    assert [status_of(one) for one in orders] == ["CANCELLED", "ASSIGNED", "ASSIGNED"]
    assert {one.firm_id for one in Notification.objects.all()} == {firm.pk}
    run()
    assert [status_of(one) for one in orders[1:]] == ["CANCELLED", "ASSIGNED"]


def test_says_which_firm_it_leaves_out() -> None:
    firm = FirmFactory(status=Firm.Status.SUSPENDED)
    assert printed("auto_close_stale_jobs", firm_id=firm.pk).splitlines()[1:] == [
        f"Firm {firm.pk} is suspended; skipped.", "Found 0 stale jobs",
        "Auto-closed 0 stale jobs",
    ]  # fmt: skip


def test_spares_the_others_when_one_job_fails(firm: Firm) -> None:
    good, bad, other = (job(firm, 95) for _ in range(3))
    with at(NOW), watched_by(Trips(bad.pk)):
        report = auto_close_stale_jobs()
    assert (report.tallies["closed"], report.failed) == (2, 1)
    assert [status_of(one) for one in (good, bad, other)] == [
        "CANCELLED", "ASSIGNED", "CANCELLED"
    ]  # fmt: skip
    assert {one.subject_id for one in sent("job_auto_closed")} == {str(good.pk), str(other.pk)}


def test_spares_the_others_when_the_zone_of_one_firm_is_unknown(firm: Firm) -> None:
    good, bad = job(firm, 95), job(FirmFactory(), 95)
    Firm.objects.filter(pk=bad.firm_id).update(timezone="Mars/Olympus")
    with at(NOW):
        report = auto_close_stale_jobs()
    assert (report.tallies["closed"], report.failed) == (1, 1)
    assert [status_of(one) for one in (good, bad)] == ["CANCELLED", "ASSIGNED"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"days": 0}, "--days must be a positive integer."),
        ({"days": -5}, "--days must be a positive integer."),
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"weekdays": "sunday"}, "Invalid weekdays 'sunday'. Use names such as mon,thu."),
        ({"as_of": "2025-06-10"}, "--as-of can only be used with --dry-run."),
    ],
)
def test_refuses_options_it_cannot_use(
    firm: Firm, options: dict[str, Any], sentence: str
) -> None:
    order = job(firm, 95)
    with pytest.raises(BadOption) as refusal:
        auto_close_stale_jobs(**options)
    assert str(refusal.value) == sentence
    assert status_of(order) == "ASSIGNED"


def test_looks_at_another_day_in_a_dry_run(firm: Firm) -> None:
    job(firm, 50)
    assert run(dry_run=True, as_of="2025-08-01", weekdays="mon") == 1


@pytest.mark.parametrize("idle", [95, 85])
def test_costs_statements_by_the_batch_and_not_by_the_job(firm: Firm, idle: int) -> None:
    ada, maker = contractor_of(firm), member(firm)
    costs = []
    for count in (10, 600):
        WorkOrderFactory.create_batch(
            count, firm=firm, status="ASSIGNED", contractor=ada, created_by=maker,
            created_at=NOW - timedelta(days=idle),
        )  # fmt: skip
        with at(NOW), CaptureQueriesContext(connection) as queries:
            assert auto_close_stale_jobs(force=True).done == count
        costs.append(len(queries))
    assert costs[1] <= 2 * costs[0] + 5  # two batches, and a longer INSERT is two
