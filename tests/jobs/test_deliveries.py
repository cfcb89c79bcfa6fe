"""What Django-Q2's own worker does with our jobs, and what it leaves in its ledger."""

import multiprocessing
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import Schedule
from django_q.tasks import async_task
from django_q.worker import worker

from apps.contacts.models import Contact
from apps.core.problems import BadOption
from apps.core.reports import Report, Subject
from apps.core.watching import watcher
from apps.jobs.models import JobRun
from apps.jobs.recording import recorded
from tests.jobs.work import GREET, SECRET, contacts, greeted

pytestmark = pytest.mark.django_db(transaction=True)  # the worker closes its connections

State = JobRun.State
GREET_CONTACTS = "tests.jobs.work.greet_contacts"


@pytest.fixture(autouse=True)
def jobs(settings: Any) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"


def task_of(
    func: str = GREET_CONTACTS, task_id: str = "a" * 32, **kwargs: Any
) -> dict[str, Any]:
    return {
        "id": task_id,
        "name": "a-task",
        "func": func,
        "args": (),
        "kwargs": kwargs,
        "started": timezone.now() - timedelta(seconds=7),
    }


def deliver(*tasks: dict[str, Any], timeout: int = 60) -> list[dict[str, Any]]:
    """Let a real worker execute the tasks here, and return what it sends to the monitor."""
    incoming: Any = multiprocessing.Queue()
    outgoing: Any = multiprocessing.Queue()
    for task in (*tasks, "STOP"):
        incoming.put(task)
    worker(incoming, outgoing, multiprocessing.Value("f", -1), timeout)
    done = [outgoing.get(timeout=10) for _ in tasks]
    for queue in (incoming, outgoing):
        queue.close()
        queue.cancel_join_thread()
    return done


# ---- the record -----------------------------------------------------------------------------


def test_leave_a_run_and_one_sentence() -> None:
    contacts("", "skips")
    (task,) = deliver(task_of())
    assert (task["success"], task["result"]) == (True, "1 done, 1 skipped")
    run = JobRun.objects.get()
    assert (run.job, run.source, run.state) == (
        "greet_contacts",
        JobRun.Source.QUEUE,
        State.DONE,
    )
    assert (run.task_id, run.done, run.skipped) == ("a" * 32, 1, 1)
    assert run.waited is not None
    assert run.waited >= timedelta(seconds=7)


def test_hand_the_arguments_on_and_record_them() -> None:
    contacts("")
    firm = Contact.objects.get().firm
    deliver(task_of(firm_id=firm.pk, dry_run=True))
    run = JobRun.objects.get()
    assert (run.arguments, run.dry_run, run.done) == (
        {"firm_id": firm.pk, "dry_run": True},
        True,
        1,
    )
    assert len(greeted()) == 0


def test_record_which_schedule_started_them() -> None:
    Schedule.objects.create(name="Nightly greeting", func=GREET_CONTACTS, task="a" * 32)
    deliver(task_of())
    run = JobRun.objects.get()
    assert (run.source, run.schedule_name) == (JobRun.Source.SCHEDULE, "Nightly greeting")


def test_take_up_the_run_that_a_person_queued() -> None:
    queued = JobRun.objects.create(
        job="greet_contacts",
        source=JobRun.Source.CONSOLE,
        state=State.QUEUED,
        task_id="a" * 32,
    )
    deliver(task_of())
    queued.refresh_from_db()
    assert (JobRun.objects.count(), queued.state) == (1, State.DONE)


def test_are_runs_of_their_own() -> None:
    contacts("", "")
    first, second = deliver(task_of(), task_of(task_id="b" * 32))
    assert (first["result"], second["result"]) == ("2 done, 0 skipped", "0 done, 0 skipped")
    assert JobRun.objects.count() == 2


def test_are_not_watched_after_their_end() -> None:
    before = watcher()
    contacts("raises")
    deliver(task_of())
    assert watcher() is before
    with Report().attempt(Subject("thing", "1", "One")):
        pass
    assert JobRun.objects.get().items.count() == 1


# ---- what went wrong ------------------------------------------------------------------------


def test_fail_when_items_failed() -> None:
    contacts("raises", "")
    (task,) = deliver(task_of())
    assert (task["success"], task["result"]) == (False, "1 item(s) failed; see the log.")
    assert JobRun.objects.get().state == State.PARTIAL


def test_fail_with_the_sentence_of_a_bad_option() -> None:
    (task,) = deliver(task_of(firm_id=999))
    assert (task["success"], task["result"]) == (False, "Firm with ID 999 does not exist.")
    assert JobRun.objects.get().state == State.FAILED


def test_leave_no_secret_of_a_crash_in_the_ledger() -> None:
    (task,) = deliver(task_of("tests.jobs.work.crash"))
    assert SECRET not in str(task)
    run = JobRun.objects.get()
    assert (run.state, run.problem) == (State.CRASHED, "ValueError; see the log.")
    assert (task["success"], task["result"]) == (False, run.problem)


def test_crash_for_an_argument_that_the_job_does_not_know() -> None:
    contacts("")
    (task,) = deliver(task_of(loudly=True))
    assert (task["success"], task["result"]) == (False, "TypeError; see the log.")
    assert (JobRun.objects.get().state, len(greeted())) == (State.CRASHED, 0)


def test_are_interrupted_by_a_time_out_and_the_item_is_rolled_back() -> None:
    contacts("", "takes ages", "")
    (task,) = deliver(task_of(), timeout=1)
    assert (task["success"], task["result"]) == (False, "Interrupted")
    run = JobRun.objects.get()
    assert (run.state, run.done, len(greeted())) == (State.INTERRUPTED, 1, 1)


def test_do_not_kill_the_worker_by_stopping() -> None:
    contacts("stops")
    first, second = deliver(task_of(), task_of("tests.jobs.work.greet_crowds", "b" * 32))
    assert (first["success"], second["success"]) == (False, False)
    assert JobRun.objects.count() == 2


# ---- what is no failure ---------------------------------------------------------------------


def test_do_nothing_the_second_time() -> None:
    deliver(task_of())
    contacts("")
    (task,) = deliver(task_of())
    first = JobRun.objects.earliest("pk")
    assert (task["success"], task["result"]) == (
        True,
        f"This task is already on the record as greet_contacts #{first.pk}.",
    )
    assert len(greeted()) == 0


def test_do_nothing_while_the_job_is_busy() -> None:
    contacts("")
    with recorded(GREET, {}, source=JobRun.Source.COMMAND):
        (task,) = deliver(task_of())
    assert task["success"] is True
    assert task["result"].startswith("Another run of greet_contacts is in progress")
    assert len(greeted()) == 0


def test_do_nothing_when_cancelled_in_the_queue() -> None:
    contacts("")
    JobRun.objects.create(
        job="greet_contacts",
        source=JobRun.Source.CONSOLE,
        state=State.QUEUED,
        task_id="a" * 32,
        cancel_requested_at=timezone.now(),
    )
    (task,) = deliver(task_of())
    assert (task["success"], task["result"], len(greeted())) == (True, "Cancelled", 0)


# ---- work that is no job --------------------------------------------------------------------


@pytest.mark.parametrize("func", ["os.getcwd", "tests.jobs.work.no_such_thing"])
def test_are_reported_when_they_are_no_job(func: str, caplog: pytest.LogCaptureFixture) -> None:
    deliver(task_of(func))
    assert not JobRun.objects.exists()
    assert f"Task {'a' * 32} runs {func}, which is no declared job" in caplog.messages


# ---- in the caller's own process ------------------------------------------------------------


def test_are_recorded_when_run_at_once() -> None:
    contacts("", "")
    async_task(GREET_CONTACTS, sync=True)
    run = JobRun.objects.get()
    assert (run.state, run.done, len(greeted())) == (State.DONE, 2, 2)


def test_are_closed_when_they_fail_at_once() -> None:
    with pytest.raises(BadOption, match=r"^Firm with ID 999 does not exist\.$"):
        async_task(GREET_CONTACTS, firm_id=999, sync=True)
    run = JobRun.objects.get()
    assert (run.state, run.problem) == (State.FAILED, "Firm with ID 999 does not exist.")
