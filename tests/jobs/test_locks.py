"""The run lock: one holder per job and scope, a lease that runs out, a fence that moves on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import psutil
import pytest
from django.db import connection
from django.utils import timezone

from apps.contacts.models import Contact
from apps.core.reports import Report
from apps.jobs import locks, workers
from apps.jobs.job import Job
from apps.jobs.models import LEASE, JobRun, RunLock
from apps.jobs.recording import Busy, open_run, recorded
from tests.factories import ContactFactory
from tests.jobs.work import GREET

pytestmark = pytest.mark.django_db

CODE = JobRun.Source.CODE
State = JobRun.State


def new_run(job: str = "greet_contacts", **arguments: Any) -> JobRun:
    return JobRun.objects.create(job=job, source=CODE, arguments=arguments)


# ---- taking and letting go ------------------------------------------------------------------


def test_one_run_holds_it() -> None:
    first, second = new_run(), new_run()
    assert locks.take(first)
    assert locks.take(second) is None
    assert locks.holder(second) == first


def test_the_next_run_takes_it_with_a_higher_fence() -> None:
    first, second = new_run(), new_run()
    taken = locks.take(first)
    assert taken is not None
    locks.release(taken)
    again = locks.take(second)
    assert again is not None
    assert again.fence == taken.fence + 1
    assert again.run == second


@pytest.mark.parametrize(
    ("arguments", "scope"),
    [
        ({}, ""),
        ({"dry_run": True, "month": "2025-03"}, ""),
        ({"firm_id": 3}, "firm_id=3"),
        ({"property": 0}, "property=0"),
        ({"tenant": "acme", "firm_id": 3}, "firm_id=3,tenant=acme"),
    ],
)
def test_the_scope_is_what_a_run_is_confined_to(arguments: dict[str, Any], scope: str) -> None:
    assert locks.scope_of(arguments) == scope


def test_other_scopes_and_jobs_do_not_wait() -> None:
    assert locks.take(new_run())
    assert locks.take(new_run(firm_id=1))
    assert locks.take(new_run(firm_id=2))
    assert locks.take(new_run("greet_crowds"))
    assert locks.take(new_run(firm_id=2)) is None


def test_a_lease_that_ran_out_is_taken_over() -> None:
    first, second = new_run(), new_run()
    old = locks.take(first)
    assert old is not None
    RunLock.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    new = locks.take(second)
    assert new is not None
    assert not locks.renew(old)
    locks.release(old)
    assert locks.holder(new_run()) == second


def test_a_heartbeat_renews_the_lease() -> None:
    lock = locks.take(new_run())
    assert lock is not None
    RunLock.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assert locks.renew(lock)
    assert RunLock.objects.get().expires_at > timezone.now() + LEASE - timedelta(seconds=9)


def test_a_lock_that_was_freed_cannot_be_renewed() -> None:
    run = new_run()
    lock = locks.take(run)
    assert lock is not None
    locks.release_all_of(run)
    assert not locks.renew(lock)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_gets_it() -> None:
    start = Barrier(6)

    def try_it(n: int) -> bool:
        try:
            run = new_run()
            start.wait()
            return locks.take(run) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(try_it, range(6))).count(True) == 1
    assert RunLock.objects.get().fence == 1


# ---- runs -----------------------------------------------------------------------------------


def test_a_second_run_does_nothing_and_says_since_when() -> None:
    ContactFactory()
    first = open_run(GREET, {}, source=CODE)
    JobRun.objects.update(started_at="2025-03-01T02:03:04Z")
    with (
        pytest.raises(Busy) as busy,
        recorded(GREET, {}, source=CODE) as second,
    ):
        GREET.service()
    assert str(busy.value) == (
        "Another run of greet_contacts is in progress "
        "(started 2025-03-01T02:03:04Z); nothing done."
    )
    assert (second.run.state, second.run.problem) == (State.BUSY, str(busy.value))
    assert Contact.objects.exclude(locale="").count() == 0
    assert locks.holder(second.run) == first.run


def test_a_dry_run_does_not_wait() -> None:
    ContactFactory()
    open_run(GREET, {}, source=CODE)
    with recorded(GREET, {"dry_run": True}, source=CODE) as second:
        GREET.service(dry_run=True)
    assert (second.run.state, second.run.done) == (State.DONE, 1)


def test_a_job_without_a_lock_does_not_wait() -> None:
    job = Job(service=GREET.service, locked=False)
    open_run(job, {}, source=CODE)
    with recorded(job, {}, source=CODE) as second:
        Report()
    assert second.run.state == State.DONE
    assert not RunLock.objects.exists()


def test_a_run_that_ended_without_letting_go_is_no_obstacle() -> None:
    first = open_run(GREET, {}, source=CODE)
    JobRun.objects.update(state=State.CRASHED)
    second = open_run(GREET, {}, source=CODE)
    assert second.refusal is None
    assert first.lock is not None
    assert not locks.renew(first.lock)


# ---- workers that die -----------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this host."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def name_of(process: subprocess.Popen[bytes]) -> str:
    host = workers.this_process().partition(":")[0]
    return f"{host}:{process.pid}:{int(psutil.Process(process.pid).create_time())}"


def test_this_process_lives() -> None:
    assert not workers.is_dead(workers.this_process())


def test_a_living_worker_is_not_dead(sleeper: subprocess.Popen[bytes]) -> None:
    assert not workers.is_dead(name_of(sleeper))


@pytest.mark.parametrize("waited_for", [True, False], ids=["gone", "zombie"])
def test_a_killed_worker_is_dead(sleeper: subprocess.Popen[bytes], waited_for: bool) -> None:
    name = name_of(sleeper)
    sleeper.send_signal(signal.SIGKILL)
    if waited_for:
        sleeper.wait()
    else:
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert workers.is_dead(name)


def test_a_later_process_with_the_same_id_is_another(sleeper: subprocess.Popen[bytes]) -> None:
    host, pid, started = name_of(sleeper).split(":")
    assert workers.is_dead(f"{host}:{pid}:{int(started) - 60}")


@pytest.mark.parametrize("name", ["", "elsewhere:1:1", "nonsense", "elsewhere:x:y"])
def test_of_other_hosts_nothing_is_known(name: str) -> None:
    assert not workers.is_dead(name)


def test_the_lock_of_a_dead_worker_passes_on(sleeper: subprocess.Popen[bytes]) -> None:
    ContactFactory()
    first = open_run(GREET, {}, source=CODE)
    JobRun.objects.update(worker=name_of(sleeper))
    sleeper.kill()
    sleeper.wait()
    with recorded(GREET, {}, source=CODE) as second:
        GREET.service()
    first.run.refresh_from_db()
    assert (first.run.state, second.run.state, second.run.done) == (State.LOST, State.DONE, 1)


def test_the_lock_of_a_living_worker_does_not(sleeper: subprocess.Popen[bytes]) -> None:
    open_run(GREET, {}, source=CODE)
    JobRun.objects.update(worker=name_of(sleeper))
    assert isinstance(open_run(GREET, {}, source=CODE).refusal, Busy)
