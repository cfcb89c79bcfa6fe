"""send_pending_jobs_reminder … (spec D27)."""

from datetime import date, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.problems import BadOption
from apps.core.watching import watched_by
from apps.fieldwork.models import WorkOrder
from apps.fieldwork.services import send_pending_jobs_reminder
from apps.firms.models import Firm, Membership, Role, User
from apps.notifications.models import Channel, Delivery, Notification, NotificationPreference
from tests.factories import FirmFactory, MembershipFactory, WorkOrderFactory
from tests.fieldwork.nightly import (
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

pytestmark = pytest.mark.django_db

TODAY = date(2025, 6, 10)
KIND = "pending_jobs"


@pytest.fixture
def firm() -> Firm:
    """Fixit, with one facility manager."""
    fixit: Firm = FirmFactory(name="Fixit Services")
    member(fixit)
    return fixit


def job(
    firm: Firm, due_in: int | None = None, status: str = "ASSIGNED", **more: Any
) -> WorkOrder:
    """Return a job that is due so many days after 10 June 2025."""
    due = None if due_in is None else TODAY + timedelta(days=due_in)
    order: WorkOrder = WorkOrderFactory(firm=firm, status=status, due_date=due, **more)
    return order


def run(day: date = TODAY, **options: Any) -> int:
    with at(noon(day)):
        return send_pending_jobs_reminder(**options).done


def listed(name: str) -> list[str]:
    """Return the numbers that the one digest lists in a section."""
    [digest] = sent(KIND)
    return [number for _, number, *_ in digest.context[name]["rows"]]


# ---- which jobs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due_in", "section"),
    [
        (-400, "overdue"),
        (-1, "overdue"),
        (0, "approaching"),
        (7, "approaching"),
        (8, None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", ["ASSIGNED", "IN_PROGRESS", "ON_HOLD"])
def test_goes_by_the_due_date(
    firm: Firm, due_in: int | None, section: str | None, status: str
) -> None:
    order = job(firm, due_in, status)
    assert run() == (section is not None)
    if section:
        assert listed(section) == [order.number]
        other = "overdue" if section == "approaching" else "approaching"
        assert listed(other) == listed("unassigned") == []


def test_lists_a_job_that_nobody_has_also_by_its_due_date(firm: Firm) -> None:
    late, soon, later = (job(firm, due_in, "PENDING") for due_in in (-1, 7, 8))
    run()
    assert listed("unassigned") == [late.number, soon.number, later.number]
    assert listed("approaching") == [soon.number]
    assert listed("overdue") == [late.number]


@pytest.mark.parametrize("status", ["COMPLETED", "VERIFIED", "CANCELLED"])
def test_leaves_out_work_that_is_not_open(firm: Firm, status: str) -> None:
    job(firm, -5, status)
    assert run() == 0
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("zone", "too_early", "time"),
    [
        ("America/Los_Angeles", "2025-06-11T06:59:00Z", "2025-06-11T07:00:00Z"),
        ("Asia/Tokyo", "2025-06-10T14:59:00Z", "2025-06-10T15:00:00Z"),
    ],
)
def test_goes_by_the_date_at_the_firm(zone: str, too_early: str, time: str) -> None:
    firm = FirmFactory(timezone=zone)
    member(firm)
    job(firm, 8)
    with at(too_early):
        assert send_pending_jobs_reminder().done == 0
    with at(time):
        assert send_pending_jobs_reminder().done == 1


# ---- what is said ---------------------------------------------------------------------------


def test_says_it_as_the_source_document_does(firm: Firm) -> None:
    for number, title in ((123, "Bathroom Renovation"), (124, "Kitchen Remodel")):
        job(firm, status="PENDING", number=f"JOB-{number:06d}", title=title)
    for number, due_in in ((125, 2), (126, 1), (127, 0)):
        job(firm, due_in, number=f"JOB-{number:06d}", title="Plumbing Repair")
    job(firm, -5, number="JOB-000120", title="Painting")
    job(firm, -1, number="JOB-000121", title="Wiring")
    run()
    said = words(*sent(KIND))
    assert said.subject == "Pending jobs: 2 unassigned, 3 approaching, 2 overdue"
    assert said.text == (
        "📋 UNASSIGNED JOBS: 2\n"
        "  • JOB-000123: Bathroom Renovation\n"
        "  • JOB-000124: Kitchen Remodel\n"
        "\n"
        "⏰ APPROACHING DUE DATE: 3\n"
        "  • JOB-000127: Plumbing Repair (Due today)\n"
        "  • JOB-000126: Plumbing Repair (Due in 1 day)\n"
        "  • JOB-000125: Plumbing Repair (Due in 2 days)\n"
        "\n"
        "🚨 OVERDUE JOBS: 2\n"
        "  • JOB-000120: Painting (5 days overdue)\n"
        "  • JOB-000121: Wiring (1 day overdue)"
    )


def test_lists_ten_of_each_and_counts_the_rest(firm: Firm) -> None:
    for number in range(13):
        job(firm, status="PENDING", number=f"JOB-{number:06d}")
    run()
    text = words(*sent(KIND)).text
    assert text.startswith("📋 UNASSIGNED JOBS: 13\n  • JOB-000000: ")
    assert text.count("  • ") == 10
    assert text.endswith("\n  ... and 3 more")


def test_lists_the_oldest_due_date_first_and_those_without_one_last(firm: Firm) -> None:
    for number, due_in in ((1, None), (2, 90), (3, 60), (4, None)):
        job(firm, due_in, "PENDING", number=f"JOB-{number:06d}")
    run()
    assert listed("unassigned") == ["JOB-000003", "JOB-000002", "JOB-000001", "JOB-000004"]


def test_leaves_out_what_there_is_none_of(firm: Firm) -> None:
    job(firm, -2)
    run()
    said = words(*sent(KIND))
    assert said.subject == "Pending jobs: 1 overdue"
    assert said.text.startswith("🚨 OVERDUE JOBS: 1\n")
    assert "UNASSIGNED" not in said.html + said.text


def test_shows_the_same_as_a_page(firm: Firm) -> None:
    job(firm, -2, number="JOB-000120", title="<b>Painting</b> & more")
    run()
    soup = BeautifulSoup(words(*sent(KIND)).html, "html.parser")
    assert [one.get_text() for one in soup.select("h2")] == ["🚨 OVERDUE JOBS: 1"]
    assert [one.get_text() for one in soup.select("td")] == [
        "JOB-000120", "2 days overdue", "<b>Painting</b> & more"
    ]  # fmt: skip


# ---- whom -----------------------------------------------------------------------------------


def test_tells_facility_managers_and_admins_by_email_and_in_app(firm: Firm) -> None:
    job(firm, -1)
    fm = Membership.objects.get(firm=firm).user
    people = [fm, member(firm, Role.ADMIN), member(firm, Role.OWNER)]
    for role in (Role.MANAGER, Role.STAFF, Role.CONTRACTOR, Role.CLIENT):
        member(firm, role)
    assert run() == 3
    assert recipients(KIND) == {f"user:{person.pk}" for person in people}
    assert set(Delivery.objects.values_list("channel", flat=True)) == {"email", "in_app"}


def test_tells_a_facility_manager_of_two_firms_twice_and_never_of_the_other_ones_jobs(
    firm: Firm,
) -> None:
    fm = Membership.objects.get(firm=firm).user
    other = FirmFactory()
    MembershipFactory(firm=other, user=fm, roles=[Role.FACILITY_MANAGER, Role.ADMIN])
    mine, theirs = job(firm, -1), job(other, -1)
    assert run() == 2
    numbers = {
        one.firm_id: [number for _, number, *_ in one.context["overdue"]["rows"]]
        for one in sent(KIND)
    }
    assert numbers == {firm.pk: [mine.number], other.pk: [theirs.number]}


@pytest.mark.parametrize("who", ["membership", "user"])
def test_tells_nobody_who_has_left(firm: Firm, who: str) -> None:
    job(firm, -1)
    if who == "membership":
        Membership.objects.filter(firm=firm).update(is_active=False)
    else:
        User.objects.update(is_active=False)
    assert run() == 0
    assert not Notification.objects.exists()


def test_does_not_count_somebody_who_wants_no_such_messages(firm: Firm) -> None:
    job(firm, -1)
    fm = Membership.objects.get(firm=firm).user
    for channel in (Channel.EMAIL, Channel.IN_APP):
        NotificationPreference.objects.create(
            firm=firm, recipient_key=f"user:{fm.pk}", channel=channel,
            category="operational", wanted=False,
        )  # fmt: skip
    assert run() == 0
    assert not Delivery.objects.exists()


# ---- how often ------------------------------------------------------------------------------


def test_tells_everybody_once_a_day(firm: Firm) -> None:
    job(firm, -1)
    assert [run(), run(), run(TODAY + timedelta(days=1))] == [1, 0, 1]
    keys = [one.dedupe_key for one in sent(KIND)]
    fm = Membership.objects.get(firm=firm).user
    assert keys == [f"pending-jobs:{fm.pk}:2025-06-10", f"pending-jobs:{fm.pk}:2025-06-11"]


def test_tells_a_new_colleague_on_the_same_day(firm: Firm) -> None:
    job(firm, -1)
    assert run() == 1
    member(firm)
    assert run() == 1
    assert len(sent(KIND)) == 2


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2025-06-10T11:59:00Z", 0),  # a Tuesday, 07:59 in New York
        ("2025-06-10T12:00:00Z", 1),
        ("2025-06-10T23:30:00Z", 1),
        ("2025-06-14T15:00:00Z", 0),  # a Saturday
        ("2025-06-16T03:30:00Z", 0),  # a Monday in UTC, and still Sunday in New York
    ],
)
def test_waits_for_the_local_time_and_day_of_its_schedule(
    firm: Firm, moment: str, told: int
) -> None:
    job(firm, -1)
    with at(moment):
        report = send_pending_jobs_reminder(at="08:00", weekdays="mon,tue,wed,thu,fri")
    assert report.done == told


def test_runs_by_hand_also_on_a_sunday(firm: Firm) -> None:
    job(firm, -1)
    assert run(date(2025, 6, 15)) == 1


# ---- when it is about to go out -------------------------------------------------------------


def test_takes_the_digest_back_when_nothing_of_it_stands(firm: Firm) -> None:
    waits, soon, late = job(firm, None, "PENDING"), job(firm, 3), job(firm, -1)
    run()
    [digest] = sent(KIND)
    orders = WorkOrder.objects
    orders.filter(pk=waits.pk).update(status="ASSIGNED", contractor=soon.contractor)
    orders.filter(pk=soon.pk).update(due_date=TODAY + timedelta(days=30))
    assert no_longer_wanted(digest) == [""]
    orders.filter(pk=late.pk).update(status="COMPLETED")
    assert no_longer_wanted(digest) == ["settled meanwhile"]


def test_takes_yesterdays_digest_back_once_todays_is_there(firm: Firm) -> None:
    job(firm, -1)
    run()
    run(TODAY + timedelta(days=1))
    assert no_longer_wanted(*sent(KIND)) == ["a newer one follows", ""]


# ---- what it prints, dry, next door, in spite of errors, and at what cost -------------------


def test_prints_how_many_were_told_of_what_and_of_nobody_the_second_time(firm: Firm) -> None:
    member(firm, Role.ADMIN)
    for _ in range(5):
        job(firm, None, "PENDING")
    for due_in in (1, 2, 3, -1, -2):
        job(firm, due_in)
    with at(noon(TODAY)):
        assert printed("send_pending_jobs_reminder") == (
            "Starting pending jobs reminder...\n"
            "Reminder sent to 2 users: 5 unassigned, 3 approaching, 2 overdue\n"
        )
        assert printed("send_pending_jobs_reminder") == (
            "Starting pending jobs reminder...\n"
            "Reminder sent to 0 users: 5 unassigned, 3 approaching, 2 overdue\n"
        )


def test_prints_a_line_for_each_firm_when_several_have_something(firm: Firm) -> None:
    other, idle = FirmFactory(name="Evergreen"), FirmFactory(name="Idle")
    for one in (other, idle):
        member(one)
    job(firm, -1)
    job(other, None, "PENDING")
    job(idle, 20)
    with at(noon(TODAY)):
        assert printed("send_pending_jobs_reminder").splitlines()[1:] == [
            "Fixit Services: Reminder sent to 1 user: 0 unassigned, 0 approaching, 1 overdue",
            "Evergreen: Reminder sent to 1 user: 1 unassigned, 0 approaching, 0 overdue",
        ]


def test_prints_zeros_when_nothing_waits_anywhere() -> None:
    assert printed("send_pending_jobs_reminder").splitlines()[1:] == [
        "Reminder sent to 0 users: 0 unassigned, 0 approaching, 0 overdue"
    ]


def test_shows_the_digest_in_a_dry_run_and_leaves_no_trace(firm: Firm) -> None:
    job(firm, -1, number="JOB-000120", title="Painting")
    with at(noon(TODAY)):
        assert printed("send_pending_jobs_reminder", dry_run=True) == (
            "Starting pending jobs reminder...\n"
            "Fixit Services:\n"
            "\n"
            "🚨 OVERDUE JOBS: 1\n"
            "  • JOB-000120: Painting (1 day overdue)\n"
            "\n"
            "Reminder would be sent to 1 user: 0 unassigned, 0 approaching, 1 overdue\n"
        )
    assert Notification.objects.count() == Delivery.objects.count() == 0


def test_looks_at_another_day_in_a_dry_run(firm: Firm) -> None:
    job(firm, 20)
    assert run(dry_run=True, as_of="2025-06-23", weekdays="tue") == 1


def test_leaves_other_and_suspended_firms_alone(firm: Firm) -> None:
    neighbour, suspended = FirmFactory(), FirmFactory(status=Firm.Status.SUSPENDED)
    for one in (firm, neighbour, suspended):
        job(one, -1)
    for one in (neighbour, suspended):
        member(one)
    assert run(firm_id=firm.pk) == 1
    assert {one.firm_id for one in sent(KIND)} == {firm.pk}
    assert run() == 1
    assert {one.firm_id for one in sent(KIND)} == {firm.pk, neighbour.pk}


def test_says_which_firm_it_leaves_out() -> None:
    firm = FirmFactory(status=Firm.Status.SUSPENDED)
    assert f"Firm {firm.pk} is suspended; skipped.\n" in printed(
        "send_pending_jobs_reminder", firm_id=firm.pk
    )


def test_spares_the_others_when_one_person_cannot_be_told(firm: Firm) -> None:
    job(firm, -1)
    bad = member(firm)
    with at(noon(TODAY)), watched_by(Trips(bad.pk)):
        report = send_pending_jobs_reminder()
    assert (report.done, report.failed) == (1, 1)
    assert f"user:{bad.pk}" not in recipients(KIND)


def test_spares_the_others_when_the_zone_of_one_firm_is_unknown(firm: Firm) -> None:
    bad = FirmFactory()
    member(bad)
    for one in (firm, bad):
        job(one, -1)
    Firm.objects.filter(pk=bad.pk).update(timezone="Mars/Olympus")
    with at(noon(TODAY)):
        report = send_pending_jobs_reminder()
    assert (report.done, report.failed) == (1, 1)
    assert {one.firm_id for one in sent(KIND)} == {firm.pk}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"at": "8"}, "Invalid time '8'. Use HH:MM."),
        ({"weekdays": "workdays"}, "Invalid weekdays 'workdays'. Use names such as mon,thu."),
        ({"as_of": "2025-06-10"}, "--as-of can only be used with --dry-run."),
    ],
)
def test_refuses_options_it_cannot_use(
    firm: Firm, options: dict[str, Any], sentence: str
) -> None:
    job(firm, -1)
    with pytest.raises(BadOption) as refusal:
        send_pending_jobs_reminder(**options)
    assert str(refusal.value) == sentence
    assert not Notification.objects.exists()


def test_costs_the_same_statements_for_few_jobs_and_for_many(firm: Firm) -> None:
    costs = []
    for day, count in enumerate((10, 600)):
        for status in ("PENDING", "ASSIGNED", "ON_HOLD"):
            WorkOrderFactory.create_batch(
                count // 3 + 10, firm=firm, status=status, due_date=TODAY,
                contractor=None if status == "PENDING" else job(firm, 90).contractor,
            )  # fmt: skip
        with (
            at(noon(TODAY + timedelta(days=day))),
            CaptureQueriesContext(connection) as queries,
        ):
            assert send_pending_jobs_reminder().done == 1
        costs.append(len(queries))
    assert costs[1] <= costs[0] + 3  # more than are listed are counted
