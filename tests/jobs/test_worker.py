"""What the receivers do around a task in a cluster's worker."""

import traceback
from typing import Any

import pytest
from django.utils import timezone
from django_q.exceptions import TimeoutException
from django_q.models import Task

from apps.core.days import zone
from apps.core.problems import BadOption, Problem
from apps.core.watching import Stop
from apps.jobs import queue, services, worker
from apps.jobs.models import JobRun
from tests.jobs.tasks import make_tasks


def as_django_q_tells(error: BaseException) -> str:
    """The text that Django-Q2's worker makes of an error."""
    try:
        raise error
    except BaseException as caught:
        return f"{caught} : {traceback.format_exc()}"


def task_of(func: str, **fields: Any) -> dict[str, Any]:
    """A task as a worker holds it."""
    task = {"id": "a" * 32, "func": func, "args": (), "kwargs": {}}
    return task | {"started": timezone.now()} | fields


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (BadOption("--days must be positive."), BadOption, "--days must be positive."),
        (Problem("unknown currency 'XXX'"), Problem, "unknown currency 'XXX'"),
        (ValueError("ada@example.com"), Problem, "ValueError; see the log."),
        (Problem("first\nsecond: line"), Problem, "first"),
        (ValueError("a\nDETAIL:  Key (email)=(x)"), Problem, "ValueError; see the log."),
        (TimeoutException("too long"), SystemExit, "too long"),
        (KeyError(), Problem, "KeyError; see the log."),
    ],
)
def test_rebuilds_an_error_without_its_private_text(
    error: BaseException, kind: type, text: str
) -> None:
    rebuilt = worker.failure_of(as_django_q_tells(error))
    assert (type(rebuilt), str(rebuilt)) == (kind, text)


def test_rebuilds_the_last_of_several_chained_errors() -> None:
    try:
        zone("Nowhere/Land")
    except Problem as problem:
        told = f"{problem} : {traceback.format_exc()}"
    try:
        try:
            raise ValueError("private")
        except ValueError as error:
            raise Problem("a firm's calendar cannot be read") from error
    except Problem as problem:
        chained = f"{problem} : {traceback.format_exc()}"
    assert str(worker.failure_of(told)) == "unknown timezone 'Nowhere/Land'"
    assert str(worker.failure_of(chained)) == "a firm's calendar cannot be read"


def test_makes_something_of_a_text_without_a_traceback() -> None:
    assert str(worker.failure_of("")) == "Error; see the log."


@pytest.mark.django_db
def test_puts_a_job_on_the_record_from_begin_to_end() -> None:
    make_tasks(2)
    task = task_of("apps.jobs.services.cleanup_old_tasks", kwargs={"days": 7})
    worker.begin(services.cleanup_old_tasks, task)
    run = JobRun.objects.get()
    assert (run.state, run.task_id, run.queued_at) == ("running", task["id"], task["started"])
    task |= {"result": services.cleanup_old_tasks(days=7), "success": True}
    worker.end(task)
    run.refresh_from_db()
    assert run.summary == "Deleted 2 tasks older than 7 days (2 successful, 0 failed)."
    assert (task["success"], task["result"]) == (True, "1 done, 0 skipped")


@pytest.mark.django_db
def test_does_nothing_off_the_record() -> None:
    make_tasks(2)
    task = task_of("apps.jobs.services.cleanup_old_tasks")
    del task["started"]  # no run can be opened for such a task
    worker.begin(services.cleanup_old_tasks, task)
    with pytest.raises(Stop) as stopped:
        services.cleanup_old_tasks()
    task |= {"result": as_django_q_tells(stopped.value), "success": False}
    worker.end(task)
    assert Task.objects.count() == 2
    assert (task["success"], task["result"]) == (False, worker.OFF_THE_RECORD)
    services.cleanup_old_tasks()  # nobody watches any more
    assert Task.objects.count() == 0


@pytest.mark.django_db
def test_closes_the_run_of_a_task_that_ended_without_a_result() -> None:
    task = task_of("apps.jobs.services.close_lost_runs")
    worker.begin(services.close_lost_runs, task)
    worker.end(task)  # Django-Q2 sends this for a synchronous task that raised
    assert JobRun.objects.get().state == "crashed"


@pytest.mark.django_db
def test_lets_a_canary_pass_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    worker.begin(queue.canary, task_of("apps.jobs.queue.canary"))
    worker.end(task_of("apps.jobs.queue.canary"))
    assert caplog.records == []
    assert not JobRun.objects.exists()


@pytest.mark.django_db
def test_shouts_about_any_other_function(caplog: pytest.LogCaptureFixture) -> None:
    worker.begin(timezone.now, task_of("apps.jobs.queue.timezone.now"))
    assert [record.getMessage() for record in caplog.records] == [
        f"Task {'a' * 32} runs apps.jobs.queue.timezone.now, which is no declared job"
    ]
    assert not JobRun.objects.exists()
