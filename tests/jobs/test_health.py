"""check_job_health: what was due and did not happen (spec A11)."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django_q.models import OrmQ, Schedule
from pytest_django import Settings

from apps.jobs.health import Finding, examine
from apps.jobs.models import JobRun
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

JOB = "greet_contacts"
FUNC = "apps.jobs.services.greet_contacts"
# The time-out is 900 s, so what was due until 12:05 must have succeeded.
NOW = datetime(2025, 3, 31, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_jobs(settings: Settings) -> None:
    """One job with a time, greet_contacts, and one without, greet_crowds."""
    settings.JOBS_MODULE = "tests.jobs.work"


def make_schedule(**fields: Any) -> Schedule:
    """Make an hourly schedule, at ten past, that has been fired before."""
    fields = {"func": FUNC, "schedule_type": "C", "cron": "10 * * * *", "task": "t"} | fields
    row = Schedule(**fields)
    row.save()
    next_run = fields.get("next_run", NOW + timedelta(minutes=40))
    Schedule.objects.filter(pk=row.pk).update(next_run=next_run)
    return row


def make_run(hours: int, minutes: int, state: str = "done", **fields: Any) -> JobRun:
    """Make a run that began today at a time."""
    at = NOW.replace(hour=hours, minute=minutes)
    fields = {"job": JOB, "source": "schedule", "schedule_name": "x"} | fields
    return JobRun.objects.create(
        **{"state": state, "started_at": at, "heartbeat_at": at, "ended_at": at} | fields
    )


def texts() -> list[str]:
    return [finding.text for finding in examine(now=NOW).findings]


def check(**options: Any) -> tuple[str, str]:
    """Run the command at NOW; return what it printed and why it failed, if it did."""
    out, problem = StringIO(), ""
    with time_machine.travel(NOW, tick=False):
        try:
            call_command("check_job_health", stdout=out, **options)
        except CommandError as error:
            problem = str(error)
    return out.getvalue(), problem


def test_is_content_when_the_last_success_is_young_enough() -> None:
    make_schedule()
    make_run(11, 10)
    assert check() == ("All 1 scheduled jobs are on time.\n", "")


def test_says_since_when_a_job_is_late() -> None:
    make_schedule()
    make_run(10, 10)
    assert check() == (
        f"  ✗ {JOB} is late: due 2025-03-31 11:10 UTC, last success 2025-03-31 10:10 UTC.\n",
        "1 problem(s) with scheduled jobs.",
    )


def test_says_that_a_job_has_never_succeeded() -> None:
    make_schedule()
    assert texts() == [f"{JOB} is late: due 2025-03-31 11:10 UTC, it has never succeeded."]


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("5 12 * * *", "2025-03-31 12:05"),
        ("6 12 * * *", "2025-03-30 12:06"),
        ("0 1 * * 0", "2025-03-30 01:00"),
        ("0 1 1 * *", "2025-03-01 01:00"),
        ("* * * * *", "2025-03-31 12:05"),
    ],
)
def test_finds_the_time_at_which_it_had_to_begin(cron: str, due: str) -> None:
    make_schedule(cron=cron)
    assert texts() == [f"{JOB} is late: due {due} UTC, it has never succeeded."]


@pytest.mark.parametrize(
    ("kind", "minutes", "late"),
    [("I", 30, False), ("I", 10, True), ("H", None, False), ("D", None, False)],
)
def test_allows_an_interval_its_period(kind: str, minutes: int | None, late: bool) -> None:
    make_schedule(schedule_type=kind, cron=None, minutes=minutes)
    make_run(11, 45)
    assert bool(texts()) == late


@pytest.mark.parametrize(("next_hour", "late"), [(11, True), (13, False)])
def test_says_when_a_single_run_did_not_happen(next_hour: int, late: bool) -> None:
    make_schedule(
        schedule_type="O", cron=None, task=None, next_run=NOW.replace(hour=next_hour, minute=0)
    )
    assert bool(texts()) == late


@pytest.mark.parametrize(
    "run",
    [
        {"state": "failed"},
        {"state": "partial"},
        {"state": "busy"},
        {"dry_run": True},
        {"job": "greet_crowds"},
        {"arguments": {"firm_id": 3}},
    ],
)
def test_does_not_count_a_run_that_did_less(run: dict[str, Any]) -> None:
    make_schedule()
    make_run(10, 10)
    make_run(12, 10, **run)
    assert texts() == [
        f"{JOB} is late: due 2025-03-31 11:10 UTC, last success 2025-03-31 10:10 UTC."
    ]


@pytest.mark.parametrize("arguments", [{}, {"firm_id": 3}, {"at": "09:00", "firm_id": 3}])
def test_counts_a_run_by_hand_that_did_at_least_as_much(arguments: dict[str, Any]) -> None:
    make_schedule(kwargs="firm_id=3")
    make_run(12, 0, source="command", schedule_name="", arguments=arguments)
    assert texts() == []


def test_judges_each_schedule_of_a_job() -> None:
    make_schedule(kwargs="firm_id=3")
    make_schedule(kwargs="firm_id=4")
    make_run(11, 10, arguments={"firm_id": 3})
    assert texts() == [
        f"{JOB} (firm_id=4) is late: due 2025-03-31 11:10 UTC, it has never succeeded."
    ]


def test_gives_a_new_schedule_time_until_its_first_run() -> None:
    make_schedule(task=None)
    assert texts() == []


def test_says_when_a_new_schedule_is_never_fired() -> None:
    make_schedule(task=None, next_run=NOW - timedelta(minutes=25))
    assert texts() == [f"{JOB} is late: due 2025-03-31 11:10 UTC, it has never succeeded."]


@pytest.mark.parametrize(("seconds", "missed"), [(59, False), (60, True), (600, True)])
def test_says_within_a_minute_that_nothing_has_fired_a_schedule(
    seconds: int, missed: bool
) -> None:
    make_schedule(kwargs="firm_id=3", next_run=NOW - timedelta(seconds=seconds))
    make_run(12, 10)
    at = f"{NOW - timedelta(seconds=seconds):%Y-%m-%d %H:%M}"
    text = (
        f"{JOB} (firm_id=3) was due {at} UTC, and nothing has started it. Is a cluster running?"
    )
    assert texts() == ([text] if missed else [])


@pytest.mark.parametrize("fields", [{"repeats": 0}, {"kwargs": "dry_run=True"}])
def test_does_not_miss_what_is_paused_or_only_rehearsed(fields: dict[str, Any]) -> None:
    make_schedule(next_run=NOW - timedelta(minutes=5), **fields)
    assert "missed" not in {finding.kind for finding in examine(now=NOW).findings}


def test_gives_a_schedule_time_whose_first_run_has_just_failed() -> None:
    make_schedule(name="x")
    make_run(12, 10, "failed")
    assert texts() == []


def test_gives_a_schedule_time_that_a_person_has_just_changed() -> None:
    row = make_schedule()
    make_run(2, 10)
    LogEntry.objects.create(
        user_id=UserFactory().pk,
        content_type=ContentType.objects.get_for_model(Schedule),
        object_id=str(row.pk),
        action_flag=CHANGE,
        action_time=NOW - timedelta(minutes=20),
    )
    assert texts() == []


def test_mentions_paused_schedules_without_failing() -> None:
    row = make_schedule(name="Hello", repeats=0)
    assert check() == (
        f"  - {JOB} is paused (schedule {row.pk} 'Hello').\n"
        "All 0 scheduled jobs are on time.\n",
        "",
    )


def test_mentions_a_job_that_is_only_rehearsed() -> None:
    make_schedule(kwargs="dry_run=True")
    assert check() == (
        f"  - {JOB} is scheduled as a dry run only.\nAll 0 scheduled jobs are on time.\n",
        "",
    )


def test_says_that_a_job_has_no_schedule() -> None:
    assert check() == (
        f"  ✗ {JOB} has no schedule; run: manage.py sync_schedules\n",
        "1 problem(s) with scheduled jobs.",
    )


def test_says_that_a_schedule_is_misread() -> None:
    row = Schedule(func=FUNC, kwargs="dry_run=true", schedule_type="C", cron="10 * * * *")
    row.next_run = NOW
    Schedule.objects.bulk_create([row])
    (text,) = texts()
    assert text.startswith(f"schedule {row.pk}, kwargs: dry_run=true is no literal")


def test_tells_of_runs_that_broke_since_the_last_success() -> None:
    make_schedule()
    make_run(11, 9, "crashed")
    make_run(11, 10)
    make_run(11, 50, "lost")
    newest = make_run(12, 10, "crashed", problem="KeyError")
    assert texts() == [
        f"{JOB} was lost or crashed 2 times since its last success; newest {newest} at "
        "2025-03-31 12:10 UTC: crashed. KeyError"
    ]


def test_tells_of_a_job_without_a_schedule_that_broke() -> None:
    make_schedule()
    make_run(11, 10)
    run = make_run(12, 10, "lost", job="greet_crowds", problem="Its worker died.")
    assert texts() == [
        f"greet_crowds was lost or crashed once since its last success; newest {run} at "
        "2025-03-31 12:10 UTC: lost. Its worker died."
    ]


def wait_in_queue(minutes: int) -> None:
    at = NOW - timedelta(minutes=minutes)
    OrmQ.objects.create(key="nightshift", payload="x", lock=at)


def test_tells_that_the_queue_is_stuck() -> None:
    make_schedule()
    make_run(11, 10, task_id="a")
    wait_in_queue(5)
    wait_in_queue(3)
    assert texts() == [
        "The queue is stuck: 2 tasks are due, the oldest since 2025-03-31 12:25 UTC, and "
        "nothing has begun for two minutes. Is a cluster running?"
    ]


@pytest.mark.parametrize("minutes", [0, 1])
def test_lets_due_work_wait_two_minutes(minutes: int) -> None:
    make_schedule()
    make_run(11, 10)
    wait_in_queue(minutes)
    assert texts() == []


def test_leaves_work_in_progress_alone() -> None:
    make_schedule()
    make_run(11, 10)
    OrmQ.objects.create(key="nightshift", payload="x", lock=NOW + timedelta(hours=1))
    assert texts() == []


def test_sees_that_the_queue_moves() -> None:
    make_schedule()
    make_run(12, 29, task_id="a")
    wait_in_queue(5)
    assert texts() == []


def test_sees_that_all_workers_are_busy() -> None:
    make_schedule()
    make_run(11, 10)
    for task in "ab":  # two workers
        make_run(12, 20, "running", task_id=task, heartbeat_at=NOW, ended_at=None)
    wait_in_queue(5)
    assert texts() == []


def test_is_not_calmed_by_a_command_typed_by_hand() -> None:
    make_schedule()
    make_run(12, 29, source="command")
    wait_in_queue(5)
    assert [finding.kind for finding in examine(now=NOW).findings] == ["stuck"]


def test_prints_one_json_document() -> None:
    make_schedule()
    out, problem = check(json=True)
    finding = Finding(
        "late", JOB, f"{JOB} is late: due 2025-03-31 11:10 UTC, it has never succeeded."
    )
    assert json.loads(out) == {
        "ok": False,
        "scheduled_jobs": 1,
        "findings": [
            {"kind": "late", "job": JOB, "text": finding.text, "alarming": True},
        ],
    }
    assert problem == "1 problem(s) with scheduled jobs."
