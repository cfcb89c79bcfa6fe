"""What stops a run between two items, and what keeps it from beginning."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.core.reports import Report, Subject
from apps.jobs.job import Bound, Job
from apps.jobs.models import JobRun, RunLock
from apps.jobs.recording import (
    Cancelled,
    Interrupted,
    Recorder,
    close_lost,
    recorded,
)
from tests.jobs.work import CROWDS, GREET, TIGHT, contacts, greeted, outcomes, run_job

pytestmark = pytest.mark.django_db

CODE = JobRun.Source.CODE
State = JobRun.State
both_ways = pytest.mark.parametrize("job", [GREET, CROWDS], ids=lambda job: job.name)


def bounded(job: Job, bound: Bound) -> Job:
    return Job(service=job.service, options=job.options, bound=bound)


def task(task_id: str = "a" * 32) -> dict[str, Any]:
    return {"id": task_id, "started": timezone.now() - timedelta(seconds=7)}


# ---- cancel, interrupt, lost lock -----------------------------------------------------------


class Events:
    """A service that lets something happen after its first item."""

    def __init__(self, happen: Any) -> None:
        self.happen = happen

    def __call__(self, *, dry_run: bool = False) -> Report:
        report = Report(dry_run=dry_run)
        for n in range(3):
            with report.attempt(Subject("thing", str(n), f"Thing {n}")):
                pass
            if n == 0:
                self.happen()
        return report


def eventful(happen: Any, *, locked: bool = True) -> tuple[JobRun, BaseException | None]:
    job = Job(service=greet_once, locked=locked)
    error: BaseException | None = None
    recorder: Recorder | None = None
    try:
        with recorded(job, {}, source=CODE) as recorder:
            recorder.beat_every = 0
            Events(lambda: happen(recorder))()
    except Exception as caught:
        error = caught
    assert recorder is not None
    return recorder.run, error


def greet_once(*, dry_run: bool = False) -> Report:
    return Report(dry_run=dry_run)


def test_a_cancelled_run_stops_between_items() -> None:
    def cancel(recorder: Recorder) -> None:
        JobRun.objects.filter(pk=recorder.run.pk).update(cancel_requested_at=timezone.now())

    run, error = eventful(cancel)
    assert isinstance(error, Cancelled)
    assert (run.state, run.done, outcomes(run)) == (State.CANCELLED, 1, [("Thing 0", "done")])


def test_a_run_that_was_asked_to_stop_stops_between_items() -> None:
    def ask(recorder: Recorder) -> None:
        recorder.stop_asked = True

    run, error = eventful(ask)
    assert isinstance(error, Interrupted)
    assert (run.state, run.problem, run.done) == (State.INTERRUPTED, "Interrupted", 1)


def test_a_run_whose_lock_has_passed_on_stops() -> None:
    def take_over(recorder: Recorder) -> None:
        RunLock.objects.update(fence=99, run=None)

    run, _ = eventful(take_over)
    assert (run.state, run.problem, run.done) == (
        State.INTERRUPTED,
        "The run lock has passed to another run.",
        1,
    )
    assert RunLock.objects.get().fence == 99


@pytest.mark.parametrize("locked", [True, False])
def test_a_run_that_was_given_up_as_lost_stops(locked: bool) -> None:
    def give_up(recorder: Recorder) -> None:
        recorder.run.refresh_from_db()
        assert close_lost(recorder.run)

    run, error = eventful(give_up, locked=locked)
    assert isinstance(error, Interrupted)
    assert (run.state, run.done) == (State.INTERRUPTED, 1)


def test_a_run_that_another_worker_has_started_again_is_left_to_it() -> None:
    def start_again(recorder: Recorder) -> None:
        JobRun.objects.update(starts=2, worker="elsewhere:1:1")

    run, _ = eventful(start_again, locked=False)
    assert (run.state, run.starts, run.done, run.ended_at) == (State.RUNNING, 2, 0, None)


def test_a_run_cancelled_before_it_began_does_nothing() -> None:
    contacts("")
    JobRun.objects.create(
        job="greet_contacts",
        source=JobRun.Source.CONSOLE,
        state=State.QUEUED,
        task_id="a" * 32,
        cancel_requested_at=timezone.now(),
    )
    run = run_job(GREET, how={"task": task()})
    assert (run.state, len(greeted())) == (State.CANCELLED, 0)
    assert JobRun.objects.count() == 1


# ---- bounds ---------------------------------------------------------------------------------


@both_ways
def test_the_item_that_breaks_the_bound_is_left_undone(job: Job) -> None:
    contacts("", "", "", "")
    run = run_job(bounded(job, TIGHT))
    assert (run.state, run.problem) == (
        State.BLOCKED,
        "More than 2 items in one run; nothing beyond done.",
    )
    assert (run.done, len(greeted())) == (2, 2)


@both_ways
def test_a_bound_counts_money_per_currency(job: Job) -> None:
    contacts("", "", "", first_name="6000")
    run = run_job(bounded(job, Bound(money={"USD": 10_000, "EUR": 1})))
    assert (run.state, run.problem) == (
        State.BLOCKED,
        "More than $100.00 in one run; nothing beyond done.",
    )
    assert (run.money, len(greeted())) == ({"USD": 6000}, 1)


@both_ways
def test_what_reaches_the_bound_exactly_is_done(job: Job) -> None:
    contacts("", "", first_name="5000")
    run = run_job(bounded(job, TIGHT))
    assert (run.state, run.done, run.money) == (State.DONE, 2, {"USD": 10_000})


@both_ways
def test_skips_and_failures_do_not_count_toward_the_bound(job: Job) -> None:
    contacts("", "skips", "raises", "", "skips")
    run = run_job(bounded(job, TIGHT))
    assert (run.state, run.done, run.skipped, run.failed) == (State.PARTIAL, 2, 2, 1)


@both_ways
def test_a_dry_run_goes_on_but_says_that_the_bound_would_break(job: Job) -> None:
    contacts("", "", "", "")
    run = run_job(bounded(job, TIGHT), dry_run=True)
    assert (run.state, run.done) == (State.DONE, 4)
    assert run.problem == "Would be blocked: More than 2 items in one run."


@both_ways
def test_a_dry_run_within_its_bound_says_nothing(job: Job) -> None:
    contacts("", "skips", "")
    assert run_job(bounded(job, TIGHT), dry_run=True).problem == ""
