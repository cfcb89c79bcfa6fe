"""A retry takes up what failed in a run, and nothing else."""

from typing import Any

import pytest
from pytest_django import Settings

from apps.contacts.models import Contact
from apps.core.problems import BadOption
from apps.jobs import interventions
from apps.jobs.job import Job
from apps.jobs.models import JobRun
from tests import factories as make
from tests.console.browsing import work_off
from tests.jobs.work import CROWDS, GREET, contacts, greeted, outcomes, run_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _jobs(settings: Settings) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"


def retry(run: JobRun) -> JobRun:
    again = interventions.retry(run, by=None)
    work_off()
    again.refresh_from_db()
    return again


def mend(*names: str) -> None:
    Contact.objects.filter(display_name__in=names).update(last_name="")


@pytest.mark.parametrize("job", [GREET, CROWDS], ids=["attempt", "attempt_each"])
def test_attempts_nothing_but_what_failed(job: Job) -> None:
    firm = contacts("", "raises", "skips", "explains")[0].firm
    run = run_job(job)
    assert (run.state, greeted()) == ("partial", ["A"])
    mend("B", "C")
    make.ContactFactory(firm=firm, display_name="New")
    make.ContactFactory(firm=make.FirmFactory(), display_name="Neighbour")
    again = retry(run)
    assert outcomes(again) == [("B", "done"), ("D", "failed")]
    assert greeted() == ["A", "B"]
    assert (again.retry_of, again.state, again.source) == (run, "partial", "console")
    mend("D")
    last = retry(again)
    assert (outcomes(last), greeted()) == ([("D", "done")], ["A", "B", "D"])
    with pytest.raises(BadOption, match=f"^Run {last.pk} has no failed items\\.$"):
        interventions.retry(last, by=None)


@pytest.mark.parametrize("job", [GREET, CROWDS], ids=["attempt", "attempt_each"])
def test_does_nothing_again_when_somebody_was_quicker(job: Job) -> None:
    contacts("raises", "")
    run = run_job(job)
    mend("A")
    run_job(job)
    again = retry(run)
    assert (outcomes(again), again.state, greeted()) == ([], "done", ["A", "B"])


def test_keeps_to_the_arguments_of_the_run() -> None:
    ours, theirs = contacts("raises")[0], contacts("raises")[0]
    run = run_job(GREET, firm_id=ours.firm_id)
    Contact.objects.update(last_name="")
    again = retry(run)
    assert again.arguments == {"firm_id": ours.firm_id}
    assert Contact.objects.get(locale="en") == ours
    assert Contact.objects.get(locale="") == theirs


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"dry_run": True}, "is a preview: nothing failed for good."),
        ({"ended_at": None, "state": "running"}, "has not ended yet."),
        ({"failed": 0, "state": "done"}, "has no failed items."),
    ],
)
def test_is_refused_where_nothing_failed_for_good(
    fields: dict[str, Any], sentence: str
) -> None:
    contacts("raises")
    run = run_job(GREET)
    JobRun.objects.update(**fields)
    with pytest.raises(BadOption, match=f"^Run {run.pk} {sentence}$"):
        interventions.retry(run, by=None)
    assert JobRun.objects.count() == 1


def test_comes_once_of_two_presses() -> None:
    contacts("raises")
    run = run_job(GREET)
    first = interventions.retry(run, by=None)
    text = rf"^Run {run.pk} is being retried already \(run {first.pk}\)\.$"
    with pytest.raises(BadOption, match=text):
        interventions.retry(run, by=None)
    assert JobRun.objects.count() == 2
