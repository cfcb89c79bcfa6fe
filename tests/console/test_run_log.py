"""The log of a run: kept with it …"""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from apps.core.watching import watched_by
from apps.integrations.asking import ask_at_once
from apps.jobs import services
from apps.jobs.models import JobRun, JobRunLog
from apps.jobs.recorder import Recorder
from apps.jobs.recording import close_run, open_run, recorded
from tests.jobs.greet import Command as Greet
from tests.jobs.work import CRASH, GREET, SECRET, contacts, run_job

pytestmark = pytest.mark.django_db

logger = logging.getLogger(__name__)


def log_of(run: JobRun) -> list[str]:
    return JobRunLog.objects.get(run=run).text.splitlines()


def said(run: JobRun) -> list[str]:
    """Return what was logged, without times and tracebacks."""
    return [line.split(" ", 2)[2] for line in log_of(run) if line.startswith("20")]


def test_with_the_tracebacks_of_its_failures() -> None:
    contacts("", "raises")
    run = run_job(GREET)
    log, bad = log_of(run), run.items.get(outcome="failed")
    expected = f"ERROR apps.core.reports contacts.contact {bad.subject_key} failed"
    assert log[0].split(" ", 2)[2] == expected
    assert log[1] == "Traceback (most recent call last):"
    assert log[-1] == f"ValueError: {SECRET}"


def test_with_what_ended_it() -> None:
    run = run_job(CRASH)
    assert (run.state, said(run)[0]) == ("crashed", f"ERROR apps.jobs.recording {run} crashed")


def test_of_a_command_and_of_nothing_outside_it() -> None:
    contacts("raises")
    logger.error("before")
    with pytest.raises(CommandError, match="1 item"):
        call_command(Greet())
    logger.error("after")
    text = JobRunLog.objects.get().text
    assert "failed" in text
    assert "before" not in text
    assert "after" not in text


def test_with_what_other_threads_say_for_it() -> None:
    def ask(question: str) -> str:
        logger.warning("asked %s", question)
        return question

    with recorded(GREET, {}, source=JobRun.Source.CODE) as recorder:
        assert ask_at_once(ask, ["a", "b", "c"]) == ["a", "b", "c"]
    assert sorted(said(recorder.run)) == [
        f"WARNING {__name__} asked {question}" for question in "abc"
    ]


def test_without_row_values_and_secret_links() -> None:
    with recorded(GREET, {}, source=JobRun.Source.CODE) as recorder:
        logger.error("no\nDETAIL:  Key (email)=(ada@example.com) exists.")
        logger.warning("Not Found: /sign/s3cr3t/ \0")
    assert said(recorder.run)[0] == f"ERROR {__name__} no"
    assert log_of(recorder.run)[1] == "DETAIL: (left out)"
    assert log_of(recorder.run)[2].endswith("Not Found: /sign/…/ �")


def test_in_its_first_and_last_lines_each_cut() -> None:
    with recorded(GREET, {}, source=JobRun.Source.CODE) as recorder:
        for number in range(1_203):
            logger.info("line %d %s", number, "x" * 600)
    log = log_of(recorder.run)
    assert len(log) == 1_001
    assert {len(line) for line in log if "left out" not in line} == {500}
    assert " line 499 " in log[499]
    assert log[500] == "… 203 lines left out …"
    assert " line 703 " in log[501]
    assert " line 1202 " in log[1000]


def test_while_it_goes_on_and_when_another_worker_takes_it_up() -> None:
    recorder = open_run(GREET, {}, source=JobRun.Source.CODE)
    with watched_by(recorder):
        logger.warning("one")
        recorder.beat()
    assert len(said(recorder.run)) == 1
    JobRun.objects.update(starts=2)
    again = JobRun.objects.get()
    taken_up = Recorder(again, GREET)
    with watched_by(taken_up):
        logger.warning("two")
    close_run(taken_up)
    assert [line.split()[-1] for line in said(again)] == ["one", "two"]


def test_not_at_all_when_nothing_is_said() -> None:
    contacts("")
    assert run_job(GREET).state == "done"
    assert not JobRunLog.objects.exists()


def test_and_lets_the_run_go_on_when_it_cannot_be_kept() -> None:
    contacts("raises", "")

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "jobs_jobrunlog" in sql:
            raise DatabaseError("disk full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        run = run_job(GREET)
    assert (run.state, run.done, run.failed) == ("partial", 1, 1)


def test_until_the_run_is_deleted() -> None:
    old = timezone.now() - timedelta(days=500)
    run = JobRun.objects.create(
        job="greet_contacts", source="code", state="failed", started_at=old, ended_at=old
    )
    JobRunLog.objects.create(run=run, text="old")
    retry = JobRun.objects.create(
        job="greet_contacts", source="console", state="failed", ended_at=None, retry_of=run
    )
    services.cleanup_old_runs()
    retry.refresh_from_db()
    assert (JobRunLog.objects.count(), retry.retry_of) == (0, None)
