"""The queue may deliver a task twice: a run is found again by its task."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.contacts.models import Contact
from apps.core.reports import Report
from apps.core.watching import watched_by
from apps.jobs import workers
from apps.jobs.models import JobRun, RunLock
from apps.jobs.recording import (
    close_lost,
    close_run,
    open_run,
    recorded,
)
from tests.factories import UserFactory
from tests.jobs.work import (
    GREET,
    contacts,
    greet,
    greeted,
    outcomes,
    run_job,
)

pytestmark = pytest.mark.django_db

CODE = JobRun.Source.CODE
State = JobRun.State


def task(task_id: str = "a" * 32) -> dict[str, Any]:
    return {"id": task_id, "started": timezone.now() - timedelta(seconds=7)}


@pytest.fixture
def dead() -> str:
    """A worker of this host that has died."""
    host = workers.this_process().partition(":")[0]
    return f"{host}:{2**22 + 1}:1000000000"  # above any process id


def test_a_queued_run_is_the_run_of_its_delivery() -> None:
    user = UserFactory()
    queued = JobRun.objects.create(
        job="greet_contacts",
        source=JobRun.Source.CONSOLE,
        state=State.QUEUED,
        task_id="a" * 32,
        started_by=user,
    )
    run = run_job(GREET, how={"task": task()})
    assert (run.pk, run.state, run.started_by) == (queued.pk, State.DONE, user)
    assert run.source == JobRun.Source.CONSOLE
    assert timedelta(seconds=6) < run.waited < timedelta(seconds=60)


def test_a_delivery_of_a_finished_run_does_nothing() -> None:
    first = run_job(GREET, how={"task": task()})
    contacts("")
    again = run_job(GREET, how={"task": task()})
    assert (again.state, again.problem) == (
        State.DUPLICATE,
        f"This task is already on the record as greet_contacts #{first.pk}.",
    )
    assert len(greeted()) == 0


def test_a_delivery_of_a_run_that_is_going_on_does_nothing() -> None:
    contacts("")
    with recorded(GREET, {}, source=CODE, task=task()) as first:
        again = run_job(GREET, how={"task": task()})
        assert (again.state, len(greeted())) == (State.DUPLICATE, 0)
        assert RunLock.objects.get().run == first.run
    assert first.run.state == State.DONE


def test_a_delivery_of_a_lost_run_goes_on_with_it(dead: str) -> None:
    contacts("", "", "", first_name="100")
    recorder = open_run(GREET, {}, source=CODE, task=task())
    with watched_by(recorder):
        report = Report()
        with report.attempt(Contact.objects.get(display_name="A")) as item:
            greet(item)
    recorder.beat()
    JobRun.objects.update(worker=dead)
    run = run_job(GREET, how={"task": task()})
    assert (run.pk, run.state, run.starts) == (recorder.run.pk, State.DONE, 2)
    assert (run.done, run.money, len(greeted())) == (3, {"USD": 300}, 3)
    assert outcomes(run) == [("A", "done"), ("B", "done"), ("C", "done")]


def test_a_run_that_keeps_losing_its_worker_is_not_started_again(
    dead: str,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    contacts("")
    lost = JobRun.objects.create(
        job="greet_contacts", source=CODE, task_id="a" * 32, worker=dead, starts=3
    )
    with django_capture_on_commit_callbacks(execute=True):
        again = run_job(GREET, how={"task": task()})
    assert (again.state, again.problem) == (
        State.DUPLICATE,
        f"greet_contacts #{lost.pk} lost its worker 3 times; not started again.",
    )
    assert len(greeted()) == 0
    assert [r.levelname for r in caplog.records] == ["CRITICAL", "ERROR"]


@pytest.mark.django_db(transaction=True)
def test_two_deliveries_at_once_start_one_run() -> None:
    start = Barrier(4)

    def deliver(n: int) -> bool:
        start.wait()
        try:
            return open_run(GREET, {}, source=CODE, task=task()).refusal is None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(deliver, range(4)))
    assert started.count(True) == 1
    states = JobRun.objects.order_by("state").values_list("state", flat=True)
    assert list(states) == ["duplicate"] * 3 + ["running"]


def test_a_lost_run_is_marked_once() -> None:
    recorder = open_run(GREET, {}, source=CODE)
    assert close_lost(recorder.run)
    assert not close_lost(recorder.run)
    run = JobRun.objects.get()
    assert (run.state, RunLock.objects.get().run) == (State.LOST, None)
    assert run.problem == "Its worker died or was cut off; the next run does what is left."


def test_a_run_that_gave_a_sign_of_life_meanwhile_is_not_lost() -> None:
    recorder = open_run(GREET, {}, source=CODE)
    seen = JobRun.objects.get()
    time.sleep(0.002)
    recorder.beat()
    assert not close_lost(seen)
    close_run(recorder)
