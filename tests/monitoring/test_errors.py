"""Sentry learns where an error was and of what kind, and nothing about anybody."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from apps.core.problems import Problem
from apps.core.reports import Report, Subject
from apps.jobs.job import Job
from apps.jobs.models import JobRun
from apps.jobs.recording import recorded
from apps.monitoring import errors
from tests.factories import FirmFactory

ADA = "ada@example.com"


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for one in self.envelopes if (event := one.get_event())]


@pytest.fixture
def sentry() -> Iterator[Kept]:
    kept = Kept()
    errors.start("https://key@sentry.invalid/1", environment="test", transport=kept)
    yield kept
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def fail(request: HttpRequest, secret: str) -> HttpResponse:
    local = ADA
    raise IntegrityError(f"duplicate key\nDETAIL:  Key (email)=({local}) exists.")


urlpatterns = [path("sign/<secret>/", fail)]


@pytest.mark.urls(__name__)
@pytest.mark.django_db
def test_learns_nothing_of_whoever_asked(sentry: Kept, settings: Settings) -> None:
    client = Client(raise_request_exception=False, headers={"user-agent": ADA})
    client.cookies["sessionid"] = ADA
    answer = client.post(f"/sign/hush/?mail={ADA}", {"name": ADA})
    assert answer.status_code == 500
    assert sentry.events
    written = json.dumps(sentry.events)
    assert ADA not in written
    assert "hush" not in written
    raised = sentry.events[0]["exception"]["values"][-1]
    assert (raised["type"], raised["value"]) == ("IntegrityError", "(left out)")
    assert raised["stacktrace"]["frames"][-1]["function"] == "fail"


def test_keeps_of_a_request_where_it_went_and_nothing_it_brought() -> None:
    event = {
        "request": {
            "url": "https://nightshift.example/pay/hush/",
            "method": "POST",
            "query_string": ADA,
            "cookies": {"sessionid": ADA},
            "headers": {"User-Agent": ADA},
            "data": {"name": ADA},
            "env": {"REMOTE_ADDR": ADA},
        },
        "user": {"email": ADA},
        "extra": {"sys.argv": [ADA]},
        "logentry": {"message": f"could not save:\nDETAIL:  Key (email)=({ADA}) exists."},
    }
    assert errors.scrub(event, {}) == {
        "request": {"url": "https://nightshift.example/pay/…/", "method": "POST"},
        "logentry": {"message": "could not save:\nDETAIL: (left out)"},
        "tags": {},
    }


def test_reads_what_is_written_to_be_read(sentry: Kept) -> None:
    try:
        raise Problem("The bank is closed.")
    except Problem:
        logging.getLogger("apps.x").exception("Nothing was charged")
    (event,) = sentry.events
    assert event["exception"]["values"][-1]["value"] == "The bank is closed."
    assert "Nothing was charged" in json.dumps(event["logentry"])


def greet_contacts(*, dry_run: bool = False) -> Report:
    """Greet."""
    return Report(dry_run=dry_run)


@pytest.mark.django_db(transaction=True)
def test_names_the_run_the_job_and_the_firm(sentry: Kept) -> None:
    job = Job(service=greet_contacts)
    firm = FirmFactory()
    subject = Subject("contacts.contact", "1", ADA, firm_id=firm.pk)
    with (
        recorded(job, {}, source=JobRun.Source.COMMAND) as recorder,
        Report().attempt(subject),
    ):
        raise KeyError(ADA)
    (event,) = sentry.events
    assert event["tags"] == {
        "run": str(recorder.run.pk), "job": "greet_contacts", "firm": str(firm.pk)
    }  # fmt: skip
    assert ADA not in json.dumps(event)
