"""cleanup_old_runs: the record of runs, cut to length."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import Schedule
from pytest_django import Settings

from apps.core import bulk
from apps.core.problems import BadOption
from apps.jobs.health import examine
from apps.jobs.models import JobRun, JobRunItem, RunLock
from apps.jobs.previews import to_apply
from apps.jobs.services import cleanup_old_runs
from tests.jobs.work import JOBS

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 31, 4, 20, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
JOB = JOBS[0].name
NONE = "Deleted 0 runs older than 400 days.\n"
ONE = "Deleted 1 runs older than 400 days.\n"


def run(**options: Any) -> str:
    """Run the command at NOW and return what it printed."""
    out = StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command("cleanup_old_runs", stdout=out, **options)
    return out.getvalue()


def make_run(ended: datetime | None, *, items: int = 0, **facts: Any) -> JobRun:
    """Put a run on the record that took a second; a failed one, unless the test says what."""
    facts = {"job": JOB, "source": "command", "state": "failed"} | facts
    began = (ended or NOW - 900 * DAY) - SECOND
    row = JobRun.objects.create(started_at=began, ended_at=ended, heartbeat_at=began, **facts)
    make_items(row, items)
    return row


def make_items(run: JobRun, count: int) -> None:
    columns = ("run", "position", "subject_kind", "subject_key", "subject_label", "outcome")
    rows = ((run.pk, n, "thing", str(n), f"Thing {n}", "done") for n in range(count))
    bulk.insert(JobRunItem, columns, rows)


def remain() -> set[int]:
    return set(JobRun.objects.exclude(job="cleanup_old_runs").values_list("pk", flat=True))


# ---- which --------------------------------------------------------------------------------


def test_deletes_old_runs_and_what_they_decided() -> None:
    make_run(NOW - 401 * DAY, items=3)
    recent = make_run(NOW - DAY, items=2)
    assert run() == ONE
    assert remain() == {recent.pk}
    assert JobRunItem.objects.filter(run=recent).count() == 2
    assert (
        not JobRunItem.objects.exclude(subject_kind__startswith="jobs.")
        .exclude(run=recent)
        .exists()
    )


@pytest.mark.parametrize(
    ("ago", "left"),
    [(400 * DAY, 1), (400 * DAY + timedelta(microseconds=1), 0), (400 * DAY - SECOND, 1)],
)
def test_keeps_a_run_that_ended_exactly_so_many_days_ago(ago: timedelta, left: int) -> None:
    make_run(NOW - ago)
    run()
    assert len(remain()) == left


def test_takes_another_number_of_days() -> None:
    make_run(NOW - 8 * DAY)
    assert run(days=7) == "Deleted 1 runs older than 7 days.\n"


@pytest.mark.parametrize("state", ["queued", "running"])
def test_never_deletes_an_open_run(state: str) -> None:
    make_run(None, state=state)
    assert run() == NONE


def test_deletes_nothing_the_second_time() -> None:
    applied = make_run(NOW - 500 * DAY, dry_run=True, state="done")
    make_run(NOW - 499 * DAY, preview=applied)
    make_run(NOW - 498 * DAY, state="done")
    make_run(NOW - 497 * DAY, state="done")
    assert run() == "Deleted 3 runs older than 400 days.\n"
    assert run() == NONE


def test_forgets_which_run_last_held_a_lock() -> None:
    lock = RunLock.objects.create(job=JOB, run=make_run(NOW - 401 * DAY), fence=7)
    assert run() == ONE
    lock.refresh_from_db()
    assert (lock.run, lock.fence) == (None, 7)


@pytest.mark.parametrize("days", [0, -3])
def test_refuses_a_number_of_days_that_means_nothing(days: int) -> None:
    make_run(NOW - 500 * DAY)
    with pytest.raises(CommandError, match=r"^--days must be a positive integer\.$"):
        run(days=days)
    assert len(remain()) == 1


# ---- what others need ---------------------------------------------------------------------


def test_keeps_the_last_success_of_each_job() -> None:
    ago = [NOW - n * DAY for n in (600, 500, 450)]
    for job in ("greet_contacts", "greet_crowds"):
        for at in ago[:2]:
            make_run(at, job=job, state="done")
        make_run(ago[2], job=job, state="crashed")
        make_run(ago[2], job=job, state="done", dry_run=True)
    assert run() == "Deleted 6 runs older than 400 days.\n"
    kept = JobRun.objects.filter(pk__in=remain()).order_by("job")
    assert list(kept.values_list("job", "state", "ended_at")) == [
        ("greet_contacts", "done", ago[1]),
        ("greet_crowds", "done", ago[1]),
    ]


def test_keeps_the_last_success_of_each_schedule() -> None:
    first, second, by_hand = (
        make_run(NOW - n * DAY, state="done", schedule_name=name)
        for n, name in ((600, "nightly"), (500, "weekly"), (450, ""))
    )
    assert run() == NONE
    assert remain() == {first.pk, second.pk, by_hand.pk}


def test_changes_nothing_that_a_check_of_health_says(settings: Settings) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"
    row = Schedule(name="x", func=JOBS[0].path, schedule_type="C", cron="10 * * * *", task="t")
    row.save()
    for ago in (600, 500):
        make_run(NOW - ago * DAY, state="done", schedule_name="x", source="schedule")
    before = examine(now=NOW)
    assert "last success 2023-11-17 04:19 UTC" in before.findings[0].text
    cleanup_old_runs(days=1)
    assert len(remain()) == 1
    assert examine(now=NOW) == before


def test_keeps_a_preview_that_may_yet_be_applied() -> None:
    young, old = (
        make_run(NOW - ago, job="apply_late_fees", dry_run=True, state="done")
        for ago in (30 * DAY, 30 * DAY + SECOND)
    )
    assert run(days=7) == "Deleted 1 runs older than 7 days.\n"
    assert remain() == {young.pk}
    with time_machine.travel(NOW, tick=False):
        to_apply(JobRun.objects.get(pk=young.pk))
        text = rf"^Run {old.pk} is older than 30 days and cannot be applied\.$"
        with pytest.raises(BadOption, match=text):
            to_apply(old)


def test_keeps_a_preview_while_the_run_that_applied_it_is_on_record() -> None:
    preview = make_run(NOW - 401 * DAY, dry_run=True, state="done")
    applied = make_run(NOW - 399 * DAY, preview=preview)
    assert run() == NONE
    assert remain() == {preview.pk, applied.pk}


# ---- how ----------------------------------------------------------------------------------


def test_a_dry_run_says_what_it_would_do_and_changes_nothing() -> None:
    preview = make_run(NOW - 500 * DAY, dry_run=True, state="done", items=7)
    make_run(NOW - 499 * DAY, items=3)
    before = remain()
    assert run(dry_run=True) == "Would delete 2 runs older than 400 days.\n"
    assert remain() == before
    assert JobRunItem.objects.filter(run=preview).count() == 7


def test_finishes_what_a_stopped_run_left() -> None:
    half = make_run(NOW - 500 * DAY, items=2)
    half.items.first().delete()  # type: ignore[union-attr]
    assert run() == ONE


def test_puts_pages_on_the_record() -> None:
    for _ in range(101):
        make_run(NOW - 500 * DAY)
    make_items(JobRun.objects.earliest("pk"), 5_001)
    run()
    record = JobRun.objects.get(job="cleanup_old_runs")
    items = record.items.order_by("position").values_list("action", flat=True)
    assert list(items) == [
        "delete 5000 items of runs",
        "delete 1 items of runs",
        "delete 100 runs",
        "delete 1 runs",
    ]


def test_asks_as_often_as_there_are_pages() -> None:
    def asked(items: int) -> int:
        make_run(NOW - 500 * DAY, items=items)
        with time_machine.travel(NOW, tick=False), CaptureQueriesContext(connection) as queries:
            cleanup_old_runs()
        return len(queries)

    assert asked(10) == asked(4_000)


@pytest.mark.slow
def test_holds_one_page_in_memory_of_50000_items() -> None:
    make_run(NOW - 500 * DAY, items=50_000)
    tracemalloc.start()
    try:
        with time_machine.travel(NOW, tick=False):
            cleanup_old_runs()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not JobRunItem.objects.exists()
    assert peak < 4_000_000
