"""The guard: a cluster that is dead or stuck is noticed, ended as a group and started anew."""

import logging
import os
import signal
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone, translation
from django_q.models import OrmQ
from django_q.tasks import async_task

from apps.jobs.guard import GUARDED, DeathHandler, Patience, Watch, tells_of_a_death
from apps.jobs.models import ClusterSign, JobRun
from apps.jobs.queue import Pulse
from apps.jobs.workers import this_process
from tests.jobs.tasks import make_tasks
from tests.servers.cluster import (
    FileDatabase,
    row_locked,
    running_cluster,
    wait_for,
    wait_until_gone,
)

JOB = "apps.jobs.services.close_lost_runs"
QUICK = ("--stuck-after", "6", "--canary-after", "2", "--look-every", "0.5")


def finished(task_id: str) -> JobRun | None:
    """The run of a task, once it is over."""
    return JobRun.objects.filter(task_id=task_id, ended_at__isnull=False).first()


# ---- what Django-Q2's log says ------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("reincarnated worker Process-0a1b after death", True),
        ("reincarnated monitor Process-0a1b after sudden death", True),
        ("reincarnated pusher Process-0a1b after sudden death", True),
        ("reincarnated worker Process-0a1b after timeout", False),
        ("reincarnated worker Process-0a1b after timeout while processing task x", False),
        ("recycled worker Process-0a1b", False),
        ("Failed 'f' (x) - reincarnated worker Process-0a1b after death", False),
    ],
)
def test_knows_a_killed_process_from_other_news(message: str, told: bool) -> None:
    assert tells_of_a_death(message) is told


@pytest.mark.parametrize("language", ["de", "fr", "tr"])
def test_knows_a_killed_process_in_other_languages(language: str) -> None:
    template = "reincarnated worker %(name)s after death"
    with translation.override(language):
        translated = translation.gettext(template)
        assert translated != template
        assert tells_of_a_death(translated % {"name": "Process-0a1b"})


def test_does_nothing_in_a_cluster_without_a_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GUARDED, raising=False)
    text = "reincarnated worker Process-0a1b after death"
    record = logging.LogRecord("django-q", logging.CRITICAL, "", 0, text, (), None)
    DeathHandler().emit(record)  # and this process lives on


# ---- what a cluster shows -----------------------------------------------------------------


@pytest.fixture
def pulse(db: None) -> Pulse:
    pulse = Pulse("here:1")
    pulse.begins()
    return pulse


def wait(seconds: float = 0.15) -> None:
    time.sleep(seconds)


def watch(pulse: Pulse, *, group: int = 1) -> Watch:
    """A very impatient watch over a process group; 1 has no worker of ours."""
    return Watch(pulse, group, Patience(stuck_after=0.1, canary_after=0.1))


def test_finds_a_cluster_stuck_when_due_work_is_not_started(pulse: Pulse) -> None:
    one = watch(pulse)
    assert not one.is_stuck()
    async_task(JOB)
    assert not one.is_stuck()
    wait()
    assert one.is_stuck()


def test_is_patient_while_the_cluster_starts_things(pulse: Pulse) -> None:
    one = watch(pulse)
    async_task(JOB)
    one.is_stuck()
    wait()
    ClusterSign.objects.update(canary_at=timezone.now())
    assert not one.is_stuck()


def test_is_patient_while_every_worker_has_a_run_in_hand(pulse: Pulse) -> None:
    for _ in range(pulse.workers):
        JobRun.objects.create(job="any", source="queue", worker=this_process())
    one = watch(pulse, group=os.getpgrp())
    async_task(JOB)
    one.is_stuck()
    wait()
    assert not one.is_stuck()


def test_does_not_count_runs_that_are_past_their_time(pulse: Pulse) -> None:
    for _ in range(pulse.workers):
        JobRun.objects.create(
            job="any",
            source="queue",
            worker=this_process(),
            started_at=timezone.now() - timedelta(hours=1),
        )
    one = watch(pulse, group=os.getpgrp())
    async_task(JOB)
    one.is_stuck()
    wait()
    assert one.is_stuck()


def test_sends_a_canary_into_a_quiet_queue_and_misses_it(pulse: Pulse) -> None:
    one = watch(pulse)
    assert not one.is_stuck()
    assert OrmQ.objects.count() == 0
    wait()
    assert not one.is_stuck()
    assert OrmQ.objects.get().func() == "apps.jobs.queue.canary"
    OrmQ.objects.update(lock=timezone.now() + timedelta(hours=1))  # fetched, never done
    wait()
    assert one.is_stuck()


def test_is_content_when_the_canary_comes_back(pulse: Pulse) -> None:
    one = watch(pulse)
    wait()
    one.is_stuck()
    ClusterSign.objects.update(canary_at=timezone.now())
    OrmQ.objects.all().delete()
    assert not one.is_stuck()
    wait()
    assert not one.is_stuck()


def test_lets_another_clusters_work_alone(pulse: Pulse) -> None:
    one = watch(pulse)
    OrmQ.objects.create(key="deliveries", payload="signed", lock=timezone.now())
    one.is_stuck()
    wait()
    assert not one.is_stuck()


def test_takes_its_sign_down_at_the_end(pulse: Pulse) -> None:
    ClusterSign.objects.create(cluster="there:1", canary_at=timezone.now())
    pulse.ends()
    assert list(ClusterSign.objects.values_list("cluster", flat=True)) == ["there:1"]


@pytest.mark.parametrize("given", ["0", "-1", "soon"])
def test_refuses_a_time_that_is_none(given: str) -> None:
    with pytest.raises(CommandError, match="is not a number of seconds above zero"):
        call_command("guard_cluster", "--grace", given)


# ---- real clusters ------------------------------------------------------------------------


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker", "monitor", "pusher", "sentinel", "main"])
def test_restarts_an_idle_cluster_when_one_process_was_killed(
    file_database: FileDatabase, role: str
) -> None:
    with running_cluster(file_database, "guard_cluster", *QUICK) as cluster:
        before = cluster.workers
        os.kill(cluster.pid_of(role), signal.SIGKILL)
        began = time.monotonic()
        cluster.wait_until_running(starts=2, seconds=30)
        task = async_task(JOB)
        run = wait_for(lambda: finished(task), about=lambda: cluster.log)
        assert run.state == "done"
        assert time.monotonic() - began < 30
        wait_until_gone(before)  # orphans would go on working


@pytest.mark.cluster
@pytest.mark.slow
def test_restarts_a_cluster_that_is_stuck(file_database: FileDatabase) -> None:
    with running_cluster(file_database, "guard_cluster", *QUICK) as cluster:
        for pid in cluster.workers:
            os.kill(pid, signal.SIGSTOP)  # alive for Django-Q2, and of no use
        cluster.says("The cluster is stuck", seconds=30)
        cluster.wait_until_running(starts=2, seconds=30)
        task = async_task(JOB)
        assert wait_for(lambda: finished(task), about=lambda: cluster.log).state == "done"


@pytest.mark.cluster
@pytest.mark.slow
def test_leaves_an_idle_cluster_alone(file_database: FileDatabase) -> None:
    with running_cluster(file_database, "guard_cluster", *QUICK) as cluster:
        signs = ClusterSign.objects.values_list("canary_at", flat=True)
        first = signs.get()
        assert wait_for(lambda: signs.get() != first)
        time.sleep(8)  # longer than --stuck-after
        assert cluster.starts == 1
        assert cluster.stop() == 0
    assert not JobRun.objects.exists()  # a canary is no run
    assert not ClusterSign.objects.exists()


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.postgres
def test_leaves_a_busy_cluster_alone(file_database: FileDatabase) -> None:
    tasks = make_tasks(1)
    cleanup = async_task("apps.jobs.services.cleanup_old_tasks")
    with (
        row_locked(file_database, tasks[-1]) as row,
        running_cluster(file_database, "guard_cluster", *QUICK, CLUSTER_WORKERS="1") as cluster,
    ):
        wait_for(lambda: JobRun.objects.filter(task_id=cleanup).exists())
        waiting = async_task(JOB)
        time.sleep(10)  # longer than --stuck-after
        assert cluster.starts == 1
        row.release()
        assert wait_for(lambda: finished(waiting)).state == "done"
        assert finished(cleanup).state == "done"


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.postgres
def test_lets_a_long_run_stop_between_two_items(file_database: FileDatabase) -> None:
    tasks = make_tasks(3000)  # three pages
    cleanup = async_task("apps.jobs.services.cleanup_old_tasks")
    with (
        row_locked(file_database, tasks[1500]) as row,
        running_cluster(file_database, "guard_cluster", "--grace", "16", *QUICK) as cluster,
    ):
        wait_for(lambda: JobRun.objects.filter(task_id=cleanup).exists())
        cluster.process.send_signal(signal.SIGTERM)
        time.sleep(9)  # half of the grace has passed: the run has been asked
        row.release()
        assert cluster.process.wait(timeout=20) == 0
    run = JobRun.objects.get(task_id=cleanup)
    assert (run.state, run.done) == ("interrupted", 2)


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.postgres
def test_kills_what_does_not_stop_in_time(file_database: FileDatabase) -> None:
    tasks = make_tasks(1)
    cleanup = async_task("apps.jobs.services.cleanup_old_tasks")
    with (
        row_locked(file_database, tasks[-1]),
        running_cluster(file_database, "guard_cluster", "--grace", "2", *QUICK) as cluster,
    ):
        wait_for(lambda: JobRun.objects.filter(task_id=cleanup).exists())
        workers = cluster.workers
        assert cluster.stop(seconds=15) == 1
        assert "CommandError: The cluster did not stop in time and was killed." in cluster.log
        wait_until_gone(workers)
    call_command("close_lost_runs")
    assert JobRun.objects.get(task_id=cleanup).state == "lost"


@pytest.mark.cluster
@pytest.mark.slow
def test_takes_its_cluster_along_when_it_is_killed_itself(file_database: FileDatabase) -> None:
    with running_cluster(file_database, "guard_cluster", *QUICK) as cluster:
        workers = cluster.workers
        cluster.process.kill()
        wait_until_gone(workers)
