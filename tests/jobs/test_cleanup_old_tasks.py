"""cleanup_old_tasks: what Django-Q2 remembers of tasks, cut to length (spec D23)."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django_q.models import OrmQ, Schedule, Task
from pytest_django import DjangoAssertNumQueries

from apps.jobs.models import JobRun
from apps.jobs.services import cleanup_old_tasks
from tests.jobs.tasks import make_tasks

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 31, 4, 15, tzinfo=UTC)


def run(**options: object) -> str:
    """Run the command at NOW and return what it printed."""
    out = StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command("cleanup_old_tasks", stdout=out, **options)
    return out.getvalue()


def test_deletes_old_tasks_and_counts_both_kinds() -> None:
    make_tasks(100, tag="a")
    make_tasks(20, tag="b", success=False)
    assert run() == "Deleted 120 tasks older than 30 days (100 successful, 20 failed).\n"
    assert Task.objects.count() == 0


@pytest.mark.parametrize(
    ("ago", "left"),
    [
        (timedelta(days=30, microseconds=1), 0),
        (timedelta(days=30), 1),
        (timedelta(days=29, hours=23, minutes=59), 1),
    ],
)
def test_keeps_a_task_that_ended_exactly_so_many_days_ago(ago: timedelta, left: int) -> None:
    make_tasks(1, ended=NOW - ago)
    run()
    assert Task.objects.count() == left


def test_takes_another_number_of_days() -> None:
    make_tasks(3, ended=NOW - timedelta(days=8))
    assert run(days=7) == "Deleted 3 tasks older than 7 days (3 successful, 0 failed).\n"


def test_leaves_successes_when_asked_for_failures_only() -> None:
    make_tasks(100, tag="a")
    make_tasks(20, tag="b", success=False)
    said = run(failures_only=True)
    assert said == "Deleted 20 tasks older than 30 days (0 successful, 20 failed).\n"
    assert set(Task.objects.values_list("success", flat=True)) == {True}


def test_never_touches_the_queue_nor_the_schedules() -> None:
    old = make_tasks(1)[0]
    OrmQ.objects.create(key="nightshift", payload="signed", lock=NOW - timedelta(days=90))
    Schedule.objects.create(func="apps.jobs.services.close_lost_runs", task=old.pk)
    run()
    assert OrmQ.objects.count() == 1
    assert Schedule.objects.get().task == old.pk


def test_deletes_a_task_whose_pickle_cannot_be_loaded() -> None:
    task = make_tasks(1)[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_q_task SET result = 'no pickle', args = 'gASV', kwargs = '!' "
            "WHERE id = %s",
            [task.pk],
        )
    assert run() == "Deleted 1 tasks older than 30 days (1 successful, 0 failed).\n"
    assert Task.objects.values_list("pk").count() == 0


def test_deletes_nothing_the_second_time() -> None:
    make_tasks(5)
    run()
    assert run() == "Deleted 0 tasks older than 30 days (0 successful, 0 failed).\n"


def test_changes_nothing_in_a_dry_run() -> None:
    make_tasks(1500, tag="a")
    make_tasks(20, tag="b", success=False)
    said = run(dry_run=True)
    assert said == "Would delete 1520 tasks older than 30 days (1500 successful, 20 failed).\n"
    assert Task.objects.count() == 1520


def test_puts_a_page_of_tasks_on_the_record_as_one_item() -> None:
    make_tasks(1001)
    run()
    record = JobRun.objects.get(job="cleanup_old_tasks")
    assert (record.state, record.done, record.items.count()) == ("done", 2, 2)
    assert record.summary == (
        "Deleted 1001 tasks older than 30 days (1001 successful, 0 failed)."
    )


@pytest.mark.parametrize("days", [0, -3])
def test_refuses_a_number_of_days_that_means_nothing(days: int) -> None:
    make_tasks(1)
    with pytest.raises(CommandError, match=r"^--days must be a positive integer\.$"):
        run(days=days)
    assert Task.objects.count() == 1


def test_asks_as_often_as_there_are_pages(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    make_tasks(5000)
    with time_machine.travel(NOW, tick=False), django_assert_max_num_queries(25):
        cleanup_old_tasks()
    assert Task.objects.count() == 0


@pytest.mark.slow
def test_holds_one_page_in_memory_of_50000_tasks() -> None:
    make_tasks(50_000)
    tracemalloc.start()
    try:
        with time_machine.travel(NOW, tick=False):
            report = cleanup_old_tasks()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.tallies["successful"] == 50_000
    assert peak < 1_000_000  # the keys alone are five times that
