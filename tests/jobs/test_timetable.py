"""When jobs were due and did not run, and how long they usually take."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import Schedule
from pytest_django import Settings

from apps.jobs.models import JobPause, JobRun
from apps.jobs.recording import recorded
from apps.jobs.schedules import written
from apps.jobs.timetable import (
    Timing,
    missed,
    next_acting,
    silence_before,
    timings,
    usual_lengths,
)
from tests.console.world import JOB, NOW, a_run, a_schedule, note_silences, superuser
from tests.jobs.work import GREET

pytestmark = pytest.mark.django_db

SINCE = NOW - timedelta(days=1)


@pytest.fixture(autouse=True)
def own_jobs(settings: Settings) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"


def day(hours: int, minutes: int = 0, seconds: int = 0, *, date: int = 31) -> datetime:
    return datetime(2025, 3, date, hours, minutes, seconds, tzinfo=UTC)


def find(since: datetime = SINCE) -> list[tuple[str, int]]:
    """Return the first times of what was missed, and how many times each stands for."""
    note_silences()
    rows = timings()
    found = missed(rows, list(JobPause.objects.all()), since=since, now=NOW)
    return [(f"{one.first:%d %H:%M}", one.count) for one in found]


def runs_each_hour(*, without: tuple[int, ...] = (), minute: int = 10) -> None:
    """Make a run each hour of the 31st until noon, five seconds late."""
    for hour in range(13):
        if hour not in without:
            a_run(day(hour, minute, 5))


def test_nothing_when_every_time_had_its_run() -> None:
    a_schedule()
    runs_each_hour()
    assert find() == []


def test_each_hour_that_had_none() -> None:
    a_schedule()
    runs_each_hour(without=(3, 7, 8))
    assert find() == [("31 03:10", 1), ("31 07:10", 1), ("31 08:10", 1)]


def test_the_last_ones_too_but_not_what_is_about_to_begin() -> None:
    a_schedule()
    runs_each_hour(without=(11, 12))
    assert find() == [("31 11:10", 1), ("31 12:10", 1)]
    Schedule.objects.update(cron="28 * * * *")
    assert find() == [("31 10:28", 1), ("31 11:28", 1)]


def test_a_run_that_came_late_but_came() -> None:
    a_schedule()
    runs_each_hour(without=(7,))
    a_run(day(8, 5), source="console")
    assert find() == []


def test_what_lies_across_the_beginning() -> None:
    a_schedule()
    a_run(day(20, 10, date=29))
    a_run(day(12, 10))
    times = find(since=day(10))
    assert times == [("31 10:10", 1), ("31 11:10", 1)]


def test_nothing_from_before_the_first_run() -> None:
    a_schedule()
    a_run(day(11, 10))
    a_run(day(12, 10))
    assert find() == []


def test_a_job_that_never_ran_is_late_but_has_missed_nothing() -> None:
    a_schedule()
    assert find() == []


def test_minutes_are_told_in_rows() -> None:
    a_schedule("*/5 * * * *")
    for minute in range(0, 750, 5):
        if not 300 <= minute < 360:
            a_run(day(0) + timedelta(minutes=minute, seconds=20))
    assert find() == [("31 05:00", 12)]


@pytest.mark.parametrize("seconds", [1, 29])
def test_minutes_do_not_mind_when_the_scheduler_looked(seconds: int) -> None:
    a_schedule("* * * * *")
    for minute in range(700, 750):
        a_run(day(0) + timedelta(minutes=minute, seconds=seconds if minute % 2 else 5))
    assert find(since=day(11, 45)) == []


def test_a_night_that_had_none() -> None:
    a_schedule("0 2 * * *")
    for date in (25, 26, 28, 29):
        a_run(day(2, 0, 10, date=date))
    assert find(since=day(12, 0, date=25)) == [
        ("27 02:00", 1),
        ("30 02:00", 1),
        ("31 02:00", 1),
    ]


def test_paused_times_are_not_missed() -> None:
    a_schedule()
    runs_each_hour(without=(3, 7, 8))
    JobPause.objects.create(
        job=JOB, since=day(6, 30), until=day(8, 30), reason="Moving", resumed_at=None
    )
    assert find() == [("31 03:10", 1)]


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"repeats": 0}, 0),
        ({"kwargs": "firm_id=3"}, 0),
        ({"kwargs": "dry_run=True"}, 1),
        ({"schedule_type": "H", "cron": None}, 0),
    ],
)
def test_by_what_the_schedule_is(fields: dict[str, Any], count: int) -> None:
    a_schedule(**fields)
    runs_each_hour(without=(3,))
    assert len(find()) == count


def test_nothing_from_before_somebody_changed_the_schedule() -> None:
    row = a_schedule()
    runs_each_hour(without=(3, 7))
    changed = LogEntry.objects.create(
        user=superuser(),
        content_type=ContentType.objects.get_for_model(Schedule),
        object_id=str(row.pk),
        object_repr="x",
        action_flag=CHANGE,
    )
    LogEntry.objects.filter(pk=changed.pk).update(action_time=day(5))
    assert find() == [("31 07:10", 1)]


def test_a_month_of_minutes_costs_two_statements() -> None:
    a_schedule("* * * * *")
    for minute in (0, 1, 40_000):
        a_run(NOW - timedelta(minutes=minute))
    note_silences()
    since = NOW - timedelta(days=30)
    with CaptureQueriesContext(connection) as asked:
        (found,) = missed(timings(), [], since=since, now=NOW)
    assert (f"{found.first:%d %H:%M}", found.count) == ("03 17:51", 39_995)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("cron", "minutes", "noted"),
    [
        ("* * * * *", 1, False),
        ("* * * * *", 2, True),
        ("*/5 * * * *", 7, False),
        ("*/5 * * * *", 8, True),
        ("10 * * * *", 61, False),
        ("10 * * * *", 62, True),
        ("0 2 * * *", 24 * 60, False),
        ("0 2 * * *", 25 * 60, True),
    ],
)
def test_a_run_notes_a_silence_as_it_begins(cron: str, minutes: int, noted: bool) -> None:
    a_schedule(cron)
    began = []
    for at in (NOW, NOW + timedelta(minutes=minutes)):
        with (
            time_machine.travel(at, tick=False),
            recorded(GREET, {}, source=JobRun.Source.CODE) as recorder,
        ):
            began.append(recorder.run)
    assert [run.silent_since for run in began] == [None, NOW if noted else None]


def test_a_run_that_begins_again_was_not_silent_before_itself() -> None:
    a_schedule("* * * * *")
    first, again = a_run(NOW), a_run(NOW + timedelta(minutes=1))
    again.started_at = NOW + timedelta(minutes=9)
    assert silence_before(again, GREET) == first.started_at


def test_the_migration_notes_the_silences_of_runs_on_record() -> None:
    a_schedule()
    runs_each_hour(without=(3, 7, 8))
    a_run(NOW, job="greet_crowds")  # the only one of its job
    migration = import_module("apps.jobs.migrations.0006_silences")
    migration.note_silences(apps, None)
    noted = JobRun.objects.exclude(silent_since=None).order_by("started_at")
    assert [(f"{run.started_at:%H:%M}", f"{run.silent_since:%H:%M}") for run in noted] == [
        ("04:10", "02:10"),
        ("09:10", "06:10"),
    ]


def test_without_a_schedule_for_all_nothing_is_a_silence() -> None:
    a_schedule(kwargs="firm_id=3")
    a_run(NOW - timedelta(days=9))
    assert silence_before(a_run(NOW), GREET) is None


def test_the_usual_length_is_that_of_the_last_thirty_real_runs() -> None:
    for number in range(1, 31):
        a_run(NOW - timedelta(hours=number), took=number)
    a_run(NOW - timedelta(hours=40), took=500)
    a_run(NOW, took=900, dry_run=True)
    a_run(NOW, took=900, state="crashed")
    a_run(NOW, took=900, job="greet_crowds")
    usual = usual_lengths([JOB, "greet_crowds"])
    assert list(usual) == [JOB]  # of one run nothing is usual
    found = usual[JOB]
    assert [span.total_seconds() for span in (found.low, found.middle, found.high)] == [
        3.9,
        15.5,
        27.1,
    ]
    assert usual_lengths([]) == {}


# ---- for whom, and when there -------------------------------------------------------------


@pytest.mark.parametrize(
    ("gates", "zone", "expected"),
    [
        ({}, "UTC", "31 13:10"),
        ({"at": "09:00"}, "UTC", "31 13:10"),  # it is open already
        ({"at": "09:00"}, "America/New_York", "31 13:10"),  # 9:10 there
        ({"at": "15:00"}, "UTC", "31 15:10"),
        ({"at": "09:00"}, "Asia/Kolkata", "31 13:10"),  # 18:40 there
        ({"at": "06:00"}, "Pacific/Auckland", "31 17:10"),  # 6:10 on the 1st
        ({"weekdays": "thu"}, "UTC", "03 00:10"),
        ({"weekdays": "mon", "at": "23:30"}, "UTC", "07 23:30"),
    ],
)
def test_the_next_time_waits_for_the_local_gate(
    gates: dict[str, str], zone: str, expected: str
) -> None:
    cron = "30 * * * *" if gates.get("at") == "23:30" else "10 * * * *"
    after = NOW + timedelta(days=0 if cron.startswith("10") else 1)
    row = Schedule(schedule_type=Schedule.CRON, cron=cron, kwargs=written(gates))
    found = next_acting([Timing(GREET, row)], zone, after=after)
    assert found is not None
    assert f"{found[0]:%d %H:%M}" == expected


@pytest.mark.parametrize(
    ("given", "firm", "reaches"),
    [
        ({}, (3, "alder"), True),
        ({}, (None, ""), True),
        ({"firm_id": 3}, (3, "alder"), True),
        ({"firm_id": 4}, (3, "alder"), False),
        ({"firm_id": 4}, (None, ""), True),  # for somebody
        ({"tenant": "alder"}, (3, "alder"), True),
        ({"tenant": "birch"}, (3, "alder"), False),
        ({"tenant": 7}, (3, "alder"), True),  # a renter's number
        ({"dry_run": True}, (3, "alder"), False),
    ],
)
def test_a_schedule_reaches_whom_its_arguments_name(
    given: dict[str, Any], firm: tuple[int | None, str], reaches: bool
) -> None:
    row = Schedule(schedule_type=Schedule.CRON, cron="10 * * * *", kwargs=written(given))
    assert Timing(GREET, row).reaches(*firm) is reaches
