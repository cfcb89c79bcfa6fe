"""close_lost_runs: runs whose worker died, or whose delivery left the queue."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django_q.models import OrmQ
from django_q.tasks import async_task

from apps.jobs import locks
from apps.jobs.models import JobRun, RunLock
from apps.jobs.workers import this_process

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 31, 4, 15, tzinfo=UTC)
JOB = "generate_monthly_invoices"


@pytest.fixture
def dead_worker() -> str:
    """The name of a process of this host that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{socket.gethostname()}:{process.pid}:1700000000"


def make_run(**fields: Any) -> JobRun:
    """Make a run of a worker on another host that is alive and well at NOW."""
    fields = {
        "job": JOB,
        "source": "schedule",
        "worker": "elsewhere:7:1700000000",
        "started_at": NOW - timedelta(hours=1),
        "heartbeat_at": NOW,
    } | fields
    return JobRun.objects.create(**fields)


def close(**options: Any) -> str:
    """Run the command at NOW and return what it printed."""
    out = StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command("close_lost_runs", stdout=out, **options)
    return out.getvalue()


def test_marks_a_run_whose_process_is_gone(dead_worker: str) -> None:
    run = make_run(worker=dead_worker)
    assert close() == f"  ✓ Marked {JOB} #{run.pk} as lost: its worker died\n" + (
        "Marked 1 runs as lost.\n"
    )
    run.refresh_from_db()
    assert (run.state, run.ended_at) == (JobRun.State.LOST, NOW)
    assert run.problem == ("Its worker died or was cut off; the next run does what is left.")


def test_marks_a_run_whose_process_number_belongs_to_another_process_now() -> None:
    run = make_run(worker=f"{socket.gethostname()}:{os.getpid()}:1000000000")
    close()
    run.refresh_from_db()
    assert run.state == JobRun.State.LOST


@pytest.mark.parametrize(
    ("silence", "state"),
    [
        (timedelta(minutes=15, seconds=1), "lost"),
        (timedelta(minutes=15), "running"),
        (timedelta(seconds=30), "running"),
    ],
)
def test_marks_a_run_of_another_host_after_a_lease_of_silence(
    silence: timedelta, state: str
) -> None:
    run = make_run(heartbeat_at=NOW - silence)
    said = close()
    run.refresh_from_db()
    assert run.state == state
    assert ("no sign of life for 15 minutes" in said) == (state == "lost")


def test_leaves_a_run_whose_process_lives() -> None:
    run = make_run(worker=this_process())
    assert close() == "Marked 0 runs as lost.\n"
    run.refresh_from_db()
    assert run.state == JobRun.State.RUNNING


@pytest.mark.parametrize("state", ["done", "failed", "lost", "cancelled", "busy"])
def test_leaves_runs_that_are_over(state: str, dead_worker: str) -> None:
    run = make_run(state=state, worker=dead_worker, heartbeat_at=NOW - timedelta(days=1))
    close()
    run.refresh_from_db()
    assert run.state == state


def test_frees_the_lock_of_a_lost_run_and_of_no_other(dead_worker: str) -> None:
    lost = make_run(worker=dead_worker)
    alive = make_run(job="apply_late_fees")
    with time_machine.travel(NOW, tick=False):
        assert locks.take(lost)
        assert locks.take(alive)
    close()
    assert set(RunLock.objects.filter(run__isnull=False).values_list("job", flat=True)) == {
        "apply_late_fees"
    }


def test_marks_a_queued_run_whose_package_has_left_the_queue() -> None:
    gone = make_run(state="queued", task_id="a" * 32, queued_at=NOW - timedelta(minutes=6))
    assert close() == (
        f"  ✓ Marked {JOB} #{gone.pk} as lost: its package has left the queue\n"
        "Marked 1 runs as lost.\n"
    )
    gone.refresh_from_db()
    assert (gone.state, gone.ended_at) == (JobRun.State.LOST, NOW)
    assert gone.problem == "Its package left the queue before it was run; start it again."


def test_leaves_a_queued_run_that_a_package_carries() -> None:
    task_id = async_task("apps.leasing.services.generate_monthly_invoices")
    run = make_run(state="queued", task_id=task_id, queued_at=NOW - timedelta(days=1))
    OrmQ.objects.update(lock=NOW + timedelta(hours=1))  # a worker has it in hand
    close()
    run.refresh_from_db()
    assert run.state == JobRun.State.QUEUED


def test_leaves_a_run_that_was_queued_just_now() -> None:
    run = make_run(state="queued", task_id="a" * 32, queued_at=NOW - timedelta(minutes=5))
    close()
    run.refresh_from_db()
    assert run.state == JobRun.State.QUEUED


def test_reads_past_a_package_that_cannot_be_unpacked() -> None:
    OrmQ.objects.create(key="nightshift", payload="signed with another key", lock=NOW)
    run = make_run(state="queued", task_id="a" * 32, queued_at=NOW - timedelta(minutes=6))
    close()
    run.refresh_from_db()
    assert run.state == JobRun.State.LOST


def test_changes_nothing_in_a_dry_run(dead_worker: str) -> None:
    run = make_run(worker=dead_worker)
    with time_machine.travel(NOW, tick=False):
        locks.take(run)
    assert close(dry_run=True) == (
        f"  ✓ Would mark {JOB} #{run.pk} as lost: its worker died\nWould mark 1 runs as lost.\n"
    )
    run.refresh_from_db()
    assert run.state == JobRun.State.RUNNING
    assert RunLock.objects.filter(run=run).exists()


def test_finds_nothing_the_second_time(dead_worker: str) -> None:
    make_run(worker=dead_worker)
    close()
    assert close() == "Marked 0 runs as lost.\n"
