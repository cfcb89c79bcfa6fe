"""Acknowledging a run: somebody has taken its trouble on, and everybody sees who."""

from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEvent
from apps.firms.models import Firm
from apps.jobs.models import JobRun
from tests.console.world import JOB, a_run, an_item, granted, someone, superuser, text_of
from tests.factories import FirmFactory

pytestmark = pytest.mark.django_db

TODAY = "/admin/console/"


@pytest.fixture
def alder() -> Firm:
    return FirmFactory(name="Alder")


def acknowledge(client: Client, run: JobRun, **data: Any) -> Any:
    return client.post(f"{TODAY}runs/{run.pk}/acknowledge/", data)


def needing() -> list[int]:
    return [*JobRun.objects.needing_attention().values_list("pk", flat=True)]


def test_hides_a_run_from_what_needs_attention(client: Client) -> None:
    run, other = a_run(state="partial"), a_run(state="lost")
    client.force_login(superuser())
    back = f"{TODAY}?group=attention"
    answer = acknowledge(client, run, note=" The bank was down ", back=back)
    assert (answer.status_code, answer["Location"]) == (302, back)
    assert needing() == [other.pk]
    text = text_of(client.get(TODAY))
    assert f"greet_contacts #{run.pk} is acknowledged." in text
    assert "acknowledged by root: The bank was down" in text
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_label, event.reason, event.changes) == (
        "job_acknowledge",
        "root",
        "The bank was down",
        {"job": JOB, "from": "127.0.0.1"},
    )


@pytest.mark.parametrize(
    "fields", [{"state": "done"}, {"state": "running"}, {"state": "failed", "dry_run": True}]
)
def test_is_for_runs_in_trouble(client: Client, fields: dict[str, Any]) -> None:
    run = a_run(**fields)
    client.force_login(superuser())
    acknowledge(client, run)
    text = text_of(client.get(TODAY))
    assert f"Run {run.pk} needs no attention (any more)." in text
    assert not AuditEvent.objects.exists()


def test_is_done_once(client: Client) -> None:
    run = a_run(state="failed")
    client.force_login(superuser())
    acknowledge(client, run, note="First")
    acknowledge(client, run, note="Second")
    run.refresh_from_db()
    assert run.acknowledgement == "First"
    assert AuditEvent.objects.count() == 1


def test_refuses_a_note_that_is_too_long(client: Client) -> None:
    run = a_run(state="failed")
    client.force_login(superuser())
    acknowledge(client, run, note="x" * 301)
    assert "The note has at most 300 characters." in text_of(client.get(TODAY))
    assert needing() == [run.pk]


def test_takes_the_right_to_run_the_job_for_the_runs_firm(client: Client, alder: Firm) -> None:
    of_alder = a_run(state="failed", arguments={"firm_id": alder.pk})
    of_all = a_run(state="failed")
    for run in (of_alder, of_all):
        an_item(run, alder, outcome="failed")
    client.force_login(granted("viewer"))
    assert acknowledge(client, of_alder).status_code == 403
    client.force_login(granted("runner", "run", firm=alder))
    assert acknowledge(client, of_all).status_code == 403
    assert acknowledge(client, of_alder).status_code == 302
    assert needing() == [of_all.pk]


def test_knows_no_runs_of_others(client: Client, alder: Firm) -> None:
    run = a_run(state="failed")
    client.force_login(someone("ann", firm=alder))
    assert acknowledge(client, run).status_code == 404


def test_is_posted(client: Client) -> None:
    run = a_run(state="failed")
    client.force_login(superuser())
    assert client.get(f"{TODAY}runs/{run.pk}/acknowledge/").status_code == 405
    assert needing() == [run.pk]


def test_goes_back_to_pages_of_ours_only(client: Client) -> None:
    run = a_run(state="failed")
    client.force_login(superuser())
    assert acknowledge(client, run, back="https://example.com/")["Location"] == TODAY


def test_wants_the_token_of_its_form() -> None:
    client = Client(enforce_csrf_checks=True)
    run = a_run(state="failed")
    client.force_login(superuser())
    assert acknowledge(client, run).status_code == 403
    assert needing() == [run.pk]
