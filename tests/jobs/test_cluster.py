"""Jobs in real clusters: once each, whoever else is at work and whatever dies."""

import os
import signal
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from django_q.tasks import async_task

from apps.jobs.models import JobRun
from tests.jobs.tasks import make_tasks
from tests.servers.cluster import (
    FileDatabase,
    row_locked,
    running_cluster,
    wait_for,
    wait_until_gone,
    writing_held,
)

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CLEANUP = "apps.jobs.services.cleanup_old_tasks"
CLOSE = "apps.jobs.services.close_lost_runs"


def finished(task_id: str) -> JobRun | None:
    """The run of a task, once it is over."""
    return JobRun.objects.filter(task_id=task_id, ended_at__isnull=False).first()


def worker_of(task_id: str) -> int:
    """The process id of the worker that has a task in hand."""
    run = wait_for(lambda: JobRun.objects.filter(task_id=task_id, state="running").first())
    return int(run.worker.split(":")[1])


def deliver_again() -> None:
    """Let the broker's time for an answer be over, so that it hands everything out again."""
    OrmQ.objects.update(lock=timezone.now() - timedelta(seconds=1))


def test_puts_a_queued_job_on_the_record(file_database: FileDatabase) -> None:
    make_tasks(5)
    with running_cluster(file_database) as cluster:
        task = async_task(CLEANUP, days=7)
        run = wait_for(lambda: finished(task), about=lambda: cluster.log)
        wait_for(lambda: Task.objects.filter(pk=task).exists(), about=lambda: cluster.log)
    assert (run.state, run.source, run.arguments) == ("done", "queue", {"days": 7})
    assert run.summary == "Deleted 5 tasks older than 7 days (5 successful, 0 failed)."
    result = Task.objects.get(pk=task)
    assert (result.success, result.result) == (True, "1 done, 0 skipped")
    assert not OrmQ.objects.exists()


def test_keeps_no_traceback_of_a_job_that_fails(file_database: FileDatabase) -> None:
    with running_cluster(file_database) as cluster:
        task = async_task(CLEANUP, days=0)
        run = wait_for(lambda: finished(task), about=lambda: cluster.log)
        wait_for(lambda: Task.objects.filter(pk=task).exists(), about=lambda: cluster.log)
    assert (run.state, run.problem) == ("failed", "--days must be a positive integer.")
    result = Task.objects.get(pk=task)
    assert (result.success, result.result) == (False, "--days must be a positive integer.")


def test_shouts_about_work_that_is_no_job(file_database: FileDatabase) -> None:
    with running_cluster(file_database) as cluster:
        task = async_task("apps.jobs.queue.os.getpid")
        wait_for(lambda: Task.objects.filter(pk=task).exists(), about=lambda: cluster.log)
        cluster.says(f"Task {task} runs apps.jobs.queue.os.getpid, which is no declared job")
    assert not JobRun.objects.exists()


@pytest.mark.postgres
def test_rolls_back_the_item_in_which_a_job_ran_out_of_time(
    file_database: FileDatabase,
) -> None:
    tasks = make_tasks(2500)  # three pages
    task = async_task(CLEANUP)
    with (
        row_locked(file_database, tasks[1500]) as row,
        running_cluster(file_database, JOB_TIMEOUT="10") as cluster,
    ):
        worker_of(task)
        time.sleep(11)  # Django-Q2 kills a worker that does not come back three seconds later
        row.release()
        run = wait_for(lambda: finished(task), about=lambda: cluster.log)
        wait_for(lambda: Task.objects.filter(pk=task).exists(), about=lambda: cluster.log)
    assert (run.state, run.done, run.problem) == ("interrupted", 1, "Interrupted")
    assert Task.objects.exclude(pk=task).count() == 1500
    assert Task.objects.get(pk=task).result == "Interrupted"


@pytest.mark.postgres
def test_marks_a_run_whose_worker_was_killed_and_finishes_it_on_redelivery(
    file_database: FileDatabase,
) -> None:
    tasks = make_tasks(2500)  # three pages
    task = async_task(CLEANUP)
    with (
        row_locked(file_database, tasks[2000]) as row,
        running_cluster(file_database) as cluster,
    ):
        wait_for(lambda: Task.objects.count() == 500, about=lambda: cluster.log)
        os.kill(worker_of(task), signal.SIGKILL)
        wait_for(lambda: "after death" in cluster.log)
        call_command("close_lost_runs")
        run = JobRun.objects.get(task_id=task)
        assert run.state == "lost"
        row.release()
        deliver_again()
        again = wait_for(lambda: finished(task), about=lambda: cluster.log)
        wait_for(
            lambda: JobRun.objects.get(pk=run.pk).state != "lost", about=lambda: cluster.log
        )
    run.refresh_from_db()
    assert again.pk == run.pk
    assert (run.state, run.starts) == ("done", 2)
    assert run.summary == "Deleted 500 tasks older than 30 days (500 successful, 0 failed)."


def test_lets_the_next_run_do_what_a_killed_one_left(file_database: FileDatabase) -> None:
    make_tasks(60_000)
    first = async_task(CLEANUP)
    with running_cluster(file_database) as cluster:
        wait_for(lambda: Task.objects.count() < 60_000, every=0.001)
        with writing_held("django_q_task"):
            left = Task.objects.count()
            worker = worker_of(first)
            os.kill(worker, signal.SIGKILL)
            wait_until_gone([worker])
        # Only now: on SQLite the sentinel, too, may be waiting to write (its figures).
        cluster.says("after death", seconds=60)
        assert 0 < left < 60_000
        second = async_task(CLEANUP)
        run = wait_for(lambda: finished(second), about=lambda: cluster.log)
    # It met the dead one's lock, saw that its process is gone, and took over.
    assert run.state == "done"
    assert run.summary == (
        f"Deleted {left} tasks older than 30 days ({left} successful, 0 failed)."
    )
    assert JobRun.objects.get(task_id=first).state == "lost"


@pytest.mark.postgres
def test_records_a_second_delivery_of_a_run_in_hand_as_duplicate(
    file_database: FileDatabase,
) -> None:
    tasks = make_tasks(1)
    task = async_task(CLEANUP)
    with (
        row_locked(file_database, tasks[0]) as row,
        running_cluster(file_database) as cluster,
    ):
        worker_of(task)
        deliver_again()
        twin = wait_for(
            lambda: JobRun.objects.filter(state="duplicate", ended_at__isnull=False).first(),
            about=lambda: cluster.log,
        )
        row.release()
        run = wait_for(
            lambda: JobRun.objects.filter(task_id=task, state="done").first(),
            about=lambda: cluster.log,
        )
    assert twin.task_id == task
    assert twin.problem == f"This task is already on the record as {run}."
    assert (twin.done, run.done) == (0, 1)


def test_records_a_delivery_of_a_finished_run_as_duplicate(file_database: FileDatabase) -> None:
    task = async_task(CLOSE)
    package = OrmQ.objects.get()
    with running_cluster(file_database) as cluster:
        wait_for(lambda: finished(task), about=lambda: cluster.log)
        wait_for(lambda: not OrmQ.objects.exists(), about=lambda: cluster.log)
        OrmQ.objects.create(key=package.key, payload=package.payload, lock=timezone.now())
        wait_for(lambda: JobRun.objects.count() == 2, about=lambda: cluster.log)
        wait_for(lambda: not OrmQ.objects.exists(), about=lambda: cluster.log)
    assert sorted(JobRun.objects.values_list("state", flat=True)) == ["done", "duplicate"]


@pytest.mark.postgres
def test_keeps_two_runs_of_a_job_apart(file_database: FileDatabase) -> None:
    tasks = make_tasks(1)
    first = async_task(CLEANUP)
    with (
        row_locked(file_database, tasks[0]) as row,
        running_cluster(file_database) as cluster,
    ):
        worker_of(first)
        second = async_task(CLEANUP)
        busy = wait_for(lambda: finished(second), about=lambda: cluster.log)
        row.release()
        run = wait_for(lambda: finished(first), about=lambda: cluster.log)
    assert busy.state == "busy"
    assert busy.problem == (
        f"Another run of cleanup_old_tasks is in progress "
        f"(started {run.started_at:%Y-%m-%dT%H:%M:%SZ}); nothing done."
    )
    assert run.state == "done"


@pytest.mark.postgres
def test_fires_every_schedule_once_with_two_clusters(file_database: FileDatabase) -> None:
    due = timezone.now() - timedelta(minutes=1)
    Schedule.objects.bulk_create(
        Schedule(
            name=f"schedule {number}",
            func=CLOSE,
            schedule_type=Schedule.CRON,
            cron="0 0 1 1 *",
            next_run=due,
        )
        for number in range(30)
    )
    with running_cluster(file_database) as one, running_cluster(file_database) as other:
        runs = JobRun.objects.filter(ended_at__isnull=False)
        # Django-Q2 looks at its schedules every 30 seconds.
        wait_for(lambda: runs.count() >= 30, seconds=90, about=lambda: one.log + other.log)
        wait_for(lambda: not OrmQ.objects.exists(), about=lambda: one.log + other.log)
    fired = Counter(JobRun.objects.values_list("schedule_name", flat=True))
    assert fired == {f"schedule {number}": 1 for number in range(30)}
    assert set(JobRun.objects.values_list("state", flat=True)) <= {"done", "busy"}
    assert set(JobRun.objects.values_list("source", flat=True)) == {"schedule"}
    assert Task.objects.filter(success=True).count() == 30
