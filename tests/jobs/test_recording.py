"""Runs on the record: what is kept of them, and how they end."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.core import money
from apps.core.problems import BadOption, Problem
from apps.core.reports import Report, Subject
from apps.core.watching import Blocked
from apps.jobs import workers
from apps.jobs.job import DRY_RUN, Job, Option
from apps.jobs.models import JobRun, JobRunItem, RunLock
from apps.jobs.recording import (
    Cancelled,
    Interrupted,
    open_run,
    recorded,
)
from tests.factories import FirmFactory, UserFactory
from tests.jobs.work import CROWDS, GREET, SECRET, Reason, contacts, greeted, outcomes, run_job

pytestmark = pytest.mark.django_db

CODE = JobRun.Source.CODE
State = JobRun.State
both_ways = pytest.mark.parametrize("job", [GREET, CROWDS], ids=lambda job: job.name)


# ---- what is kept ---------------------------------------------------------------------------


@both_ways
def test_a_run_is_closed_with_its_figures(job: Job) -> None:
    contacts("", "raises", "skips", "declines", "", first_name="1250")
    run = run_job(job)
    assert (run.state, run.problem) == (State.PARTIAL, "1 item(s) failed; see the log.")
    assert (run.done, run.failed, run.skipped, run.declined, run.stale) == (2, 1, 1, 1, 0)
    assert run.money == {"USD": 2500}
    assert run.totals == [money.from_minor(2500, "USD")]
    assert run.summary.splitlines()[:3] == ["", "Summary:", "  Greeted: 3"]
    assert run.started_at <= run.ended_at
    assert run.worker == workers.this_process()


@both_ways
def test_every_item_is_kept_in_its_order(job: Job) -> None:
    people = contacts("", "raises", "skips", "declines", first_name="1250")
    run = run_job(job)
    assert outcomes(run) == [
        ("A", "done"),
        ("B", "failed"),
        ("C", "skipped"),
        ("D", "declined"),
    ]
    done, failed, skipped, _ = run.items.order_by("position")
    assert (done.subject_kind, done.subject_key, done.firm) == (
        "contacts.contact",
        str(people[0].pk),
        people[0].firm,
    )
    assert (done.action, done.amount_minor, done.currency) == ("greet", 1250, "USD")
    assert (failed.detail, failed.amount_minor) == ("ValueError", None)
    assert (skipped.reason, skipped.detail) == ("away", "is away")


def test_a_run_without_failures_is_done() -> None:
    contacts("", "skips", "declines")
    assert (run_job(GREET).state, run_job(GREET).problem) == (State.DONE, "")


def test_a_run_that_only_failed_is_failed() -> None:
    contacts("raises", "skips")
    assert run_job(GREET).state == State.FAILED


def test_arguments_are_kept_without_empty_defaults() -> None:
    run = run_job(GREET, firm_id=None, days_ago=0, as_of="", dry_run=True)
    assert run.arguments == {"dry_run": True}


def test_a_zero_that_says_something_is_kept() -> None:
    option = Option("days_before", int, None, "Days before.")
    before = Job(service=GREET.service, options=(option,))
    assert open_run(before, {"days_before": 0}, source=CODE).run.arguments == {"days_before": 0}


def test_of_odd_arguments_only_the_type_is_kept() -> None:
    recorder = open_run(GREET, {"firm_id": FirmFactory.build()}, source=CODE)
    assert recorder.run.arguments == {"firm_id": "Firm"}


def test_who_started_it_is_kept() -> None:
    user = UserFactory()
    run = run_job(GREET, how={"started_by": user, "schedule_name": "Nightly greeting"})
    assert (run.started_by, run.schedule_name, run.source) == (user, "Nightly greeting", CODE)


def test_long_texts_are_cut_and_never_stop_a_run() -> None:
    with recorded(GREET, {}, source=CODE) as recorder:
        report = Report()
        with report.attempt(Subject("k" * 99, "1" * 99, "L" * 999, "p" * 99)) as item:
            item.does("a" * 999)
        with report.attempt(Subject("k", "1", "L" * 999)):
            raise Problem("x" * 999)
    assert recorder.run.state == State.PARTIAL


def test_a_big_run_keeps_all_that_failed_and_a_thousand_done() -> None:
    with recorded(GREET, {}, source=CODE) as recorder:
        report = Report()
        for n in range(1100):
            with report.attempt(Subject("thing", str(n), "Thing")):
                if n >= 1050:
                    raise ValueError
    run = recorder.run
    assert (run.done, run.failed) == (1050, 50)
    assert run.items.filter(outcome="done").count() == 1000
    assert run.items.filter(outcome="failed").count() == 50
    assert run.items.order_by("position").last().position == 1099


def test_a_preview_is_kept_whole() -> None:
    with recorded(GREET, {"dry_run": True}, source=CODE) as recorder:
        report = Report(dry_run=True)
        report.attempt_each(
            range(1100), lambda items: None, subject=lambda n: Subject("thing", str(n), "T")
        )
    assert recorder.run.items.count() == 1100


def test_rows_are_written_in_batches(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(40), recorded(GREET, {}, source=CODE) as recorder:
        Report().attempt_each(
            range(2000), lambda items: None, subject=lambda n: Subject("thing", str(n), "T")
        )
    assert recorder.run.done == 2000


def test_a_run_shows_its_figures_while_it_goes_on() -> None:
    with recorded(GREET, {}, source=CODE) as recorder:
        recorder.beat_every = 0
        report = Report()
        report.expect(3)
        for n in range(2):
            with report.attempt(Subject("thing", str(n), "Thing")):
                pass
        seen = JobRun.objects.get()
        assert (seen.state, seen.expected, seen.done) == (State.RUNNING, 3, 1)
        assert seen.items.count() == 1


def test_a_heartbeat_comes_between_items_only_when_it_is_time() -> None:
    with recorded(GREET, {}, source=CODE) as recorder:
        JobRun.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
        recorder.between()
        assert JobRun.objects.get().heartbeat_at < timezone.now() - timedelta(minutes=59)
        recorder.beat_every = 0
        recorder.between()
        assert JobRun.objects.get().heartbeat_at > timezone.now() - timedelta(minutes=1)


def test_a_crash_between_two_flushes_loses_the_buffer_only() -> None:
    with recorded(GREET, {}, source=CODE) as recorder:
        Report().attempt_each(
            range(720),
            lambda items: None,
            subject=lambda n: Subject("thing", str(n), "T"),
            size=10,
        )
        on_record = JobRun.objects.get()
        assert (on_record.items.count(), on_record.done) == (500, 500)
    assert (recorder.run.items.count(), recorder.run.done) == (720, 720)


# ---- how a run ends -------------------------------------------------------------------------


def service_raising(error: BaseException) -> Job:
    def shout(*, dry_run: bool = False) -> Report:
        report = Report(dry_run=dry_run, summary=lambda report: [f"{report.done} done"])
        with report.attempt(Subject("thing", "1", "One")):
            pass
        raise error

    return Job(service=shout, options=(DRY_RUN,))


@pytest.mark.parametrize(
    ("error", "state", "problem"),
    [
        (ValueError(SECRET), State.CRASHED, "ValueError"),
        (Problem("the cellar is flooded"), State.CRASHED, "the cellar is flooded"),
        (BadOption("--days must be positive."), State.FAILED, "--days must be positive."),
        (SystemExit(1), State.INTERRUPTED, "Interrupted"),
        (KeyboardInterrupt(), State.INTERRUPTED, "Interrupted"),
        (Interrupted("Interrupted"), State.INTERRUPTED, "Interrupted"),
        (Cancelled("Cancelled"), State.CANCELLED, "Cancelled"),
        (Blocked("Too much"), State.BLOCKED, "Too much"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_run_ends_as_its_call_did(error: BaseException, state: str, problem: str) -> None:
    run = run_job(service_raising(error))
    assert (run.state, run.problem) == (state, problem)
    assert (run.done, run.summary) == (1, "1 done")
    assert run.items.count() == 1
    assert RunLock.objects.filter(expires_at__isnull=False).count() == 0


def test_the_error_goes_on_to_the_caller() -> None:
    job = service_raising(ValueError(SECRET))
    with pytest.raises(ValueError, match=SECRET), recorded(job, {}, source=CODE):
        job.service()


def test_a_time_out_rolls_its_item_back_and_keeps_the_others() -> None:
    contacts("", "times out", "")
    run = run_job(GREET)
    assert (run.state, run.done, len(greeted())) == (State.INTERRUPTED, 1, 1)


def test_nothing_secret_is_kept() -> None:
    contacts("raises")
    run_job(GREET)
    run_job(service_raising(ValueError(SECRET)))
    rows = [*JobRun.objects.values_list(), *JobRunItem.objects.values_list()]
    assert SECRET not in repr(rows)


def test_a_summary_that_fails_does_not_keep_the_run_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(report: Report) -> list[str]:
        raise ValueError

    with recorded(GREET, {}, source=CODE) as recorder:
        Report(summary=fail)
    assert (recorder.run.state, recorder.run.summary) == (State.DONE, "")
    assert caplog.messages == [f"greet_contacts #{recorder.run.pk} has no summary"]


def test_a_job_inside_a_job_is_a_run_of_its_own() -> None:
    contacts("", "")
    with recorded(CROWDS, {}, source=CODE) as outer:
        report = Report(summary=lambda report: ["outer"])
        with recorded(GREET, {}, source=CODE) as inner:
            GREET.service()
        with report.attempt(Subject("thing", "1", "One")):
            pass
    assert (outer.run.done, outer.run.summary) == (1, "outer")
    assert inner.run.done == 2


def test_a_service_that_calls_another_keeps_its_own_summary() -> None:
    contacts("", "")
    with recorded(CROWDS, {}, source=CODE) as recorder:
        Report(summary=lambda report: ["mine"])
        GREET.service()
    assert (recorder.run.done, recorder.run.summary) == (2, "mine")


# ---- where the record is written ------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_items_are_written_outside_their_transactions() -> None:
    with recorded(GREET, {}, source=CODE) as recorder:
        recorder.beat_every = 0
        report = Report()
        with report.attempt(Subject("thing", "1", "One")):
            raise ValueError
        with report.attempt(Subject("thing", "2", "Two")):
            assert connection.in_atomic_block
            assert JobRunItem.objects.count() == 1
            raise ValueError
    assert recorder.run.items.count() == 2


def test_a_skip_reason_may_be_routine() -> None:
    class Routine(Reason.__base__):  # type: ignore[misc, name-defined]
        ALREADY = "already", "already done"

        @property
        def routine(self) -> bool:
            return True

    with recorded(GREET, {}, source=CODE) as recorder:
        report = Report()
        for n in range(1005):
            report.skip(Subject("thing", str(n), "Thing"), Routine.ALREADY)
    assert (recorder.run.skipped, recorder.run.items.count()) == (1005, 1000)
