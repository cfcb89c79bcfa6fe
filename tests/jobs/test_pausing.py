"""Letting a job rest: its schedules start nothing, people may, and nobody calls it late."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from apps.core.problems import BadOption
from apps.core.watching import Stop, watched_by
from apps.jobs import interventions
from apps.jobs.health import examine
from apps.jobs.models import JobPause, JobRun
from apps.jobs.recording import close_run, open_run
from tests.console.world import NOW, a_run, a_schedule
from tests.factories import UserFactory
from tests.jobs.work import CROWDS, GREET, contacts, greeted, run_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_jobs(settings: Settings) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"


def pause(*, hours: float | None = None, reason: str = "Moving house") -> JobPause:
    until = timezone.now() + timedelta(hours=hours) if hours else None
    return interventions.pause(GREET, until=until, reason=reason, by=None)


def run_by_schedule() -> JobRun:
    """Run the job as the cluster does when its schedule has come."""
    recorder = open_run(GREET, {}, source=JobRun.Source.SCHEDULE, schedule_name="Greet")
    error = None
    with watched_by(recorder):
        try:
            GREET.service()
        except Stop as stop:
            error = stop
    return close_run(recorder, error)


def test_a_scheduled_run_does_nothing_and_says_so() -> None:
    contacts("", "")
    pause()
    run = run_by_schedule()
    assert (run.state, run.problem, run.done) == (
        "paused",
        "greet_contacts is paused: Moving house; nothing done.",
        0,
    )
    assert greeted() == []
    assert run.ended_well


def test_people_may_still_run_it() -> None:
    contacts("", "")
    pause()
    run = run_job(GREET)
    assert (run.state, run.done) == ("done", 2)


def test_another_job_goes_on() -> None:
    contacts("")
    pause()
    assert run_job(CROWDS).state == "done"


def test_it_ends_by_itself_when_its_time_has_come() -> None:
    contacts("")
    with time_machine.travel(NOW, tick=False):
        pause(hours=2)
        assert run_by_schedule().state == "paused"
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        assert run_by_schedule().state == "done"
    assert greeted() == ["A"]


def test_resuming_ends_it_and_says_who_did() -> None:
    user = UserFactory()
    pause()
    ended = interventions.resume(GREET, by=user)
    assert (ended.resumed_by, ended.resumed_at is not None) == (user, True)
    assert run_by_schedule().state == "done"
    with pytest.raises(BadOption, match="greet_contacts is not paused"):
        interventions.resume(GREET, by=user)


def test_a_pause_that_has_ended_by_itself_is_not_resumed() -> None:
    with time_machine.travel(NOW, tick=False):
        pause(hours=1)
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        with pytest.raises(BadOption, match="is not paused"):
            interventions.resume(GREET, by=None)
        assert pause(reason="Again").reason == "Again"  # and does not stand in the way


def test_a_new_pause_replaces_the_old_one() -> None:
    first, second = pause(), pause(hours=3, reason="Only today")
    first.refresh_from_db()
    assert first.resumed_at is not None
    assert [*JobPause.objects.in_force(timezone.now())] == [second]


def test_there_is_one_open_pause_of_a_job() -> None:
    pause()
    with pytest.raises(IntegrityError), transaction.atomic():
        JobPause.objects.create(job=GREET.name, reason="Twice")


@pytest.mark.parametrize(
    ("until", "reason", "sentence"),
    [
        (None, "  ", "Say why the job is to rest."),
        (None, "x" * 301, "The reason has at most 300 characters."),
        (NOW, "Moving", "The pause must end in the future."),
        (NOW - timedelta(days=1), "Moving", "The pause must end in the future."),
    ],
)
@time_machine.travel(NOW, tick=False)
def test_what_makes_no_sense_is_refused(until: Any, reason: str, sentence: str) -> None:
    with pytest.raises(BadOption) as refused:
        interventions.pause(GREET, until=until, reason=reason, by=None)
    assert str(refused.value) == sentence
    assert not JobPause.objects.exists()


# ---- health ---------------------------------------------------------------------------------


def findings(at: Any = NOW) -> list[tuple[str, bool]]:
    found = examine(now=at).findings
    return [(f.text, f.alarming) for f in found if f.kind in {"paused", "late"}]


@pytest.fixture
def resting() -> None:
    """A job that is due at ten past each hour and last ran before its pause at 10:30."""
    a_schedule()
    a_run(NOW.replace(hour=10, minute=10))
    JobPause.objects.create(
        job=GREET.name, since=NOW.replace(hour=10, minute=30), reason="Moving house"
    )


@pytest.mark.usefixtures("resting")
def test_a_paused_job_is_paused_and_not_late() -> None:
    assert findings() == [("greet_contacts is paused: Moving house.", False)]


@pytest.mark.usefixtures("resting")
def test_a_resumed_job_is_not_late_for_what_fell_into_the_pause() -> None:
    JobPause.objects.update(resumed_at=NOW - timedelta(minutes=5))
    assert findings() == []


@pytest.mark.usefixtures("resting")
def test_a_resumed_job_is_late_for_what_came_after_it() -> None:
    JobPause.objects.update(resumed_at=NOW - timedelta(minutes=30))
    at = NOW.replace(hour=13, minute=0)
    assert findings(at) == [
        (
            "greet_contacts is late: due 2025-03-31 12:10 UTC, "
            "last success 2025-03-31 10:10 UTC.",
            True,
        )
    ]
