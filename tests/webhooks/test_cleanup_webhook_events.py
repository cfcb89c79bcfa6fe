"""cleanup_webhook_events: finished events go, what they were called stays (spec D9)."""

import io
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from apps.core import bulk
from apps.firms.models import Firm, RetentionPolicy
from apps.jobs.models import JobRun
from apps.webhooks import services
from apps.webhooks.models import WebhookEvent, WebhookFingerprint
from tests.factories import (
    FirmFactory,
    GatewayAccountFactory,
    LegalHoldFactory,
    WebhookEventFactory,
)
from tests.webhooks.clerk import Clerk, effects
from tests.webhooks.sending import stripe_signature, written

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 4, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def run(**options: Any) -> str:
    """Run the command at NOW and return what it printed."""
    out = io.StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command("cleanup_webhook_events", stdout=out, **options)
    return out.getvalue()


def old(days: float = 91, status: str = "processed", **facts: Any) -> WebhookEvent:
    """An event received so many days ago."""
    return WebhookEventFactory(received_at=NOW - days * DAY, status=status, **facts)


def policy(firm: Firm, days: int, **facts: Any) -> RetentionPolicy:
    facts.setdefault("data_type", "webhooks")
    return RetentionPolicy.objects.create(firm=firm, retention_days=days, **facts)


def remain() -> set[str]:
    return set(WebhookEvent.objects.values_list("event_id", flat=True))


# ---- which --------------------------------------------------------------------------------


def test_deletes_finished_events_and_says_how_many() -> None:
    for status in ("processed", "ignored", "dead"):
        old(status=status)
    recent = old(days=89)
    assert run() == "Deleted 3 webhook events older than 90 days.\n"
    assert remain() == {recent.event_id}


@pytest.mark.parametrize(
    ("ago", "left"),
    [
        (90 * DAY, 1),
        (90 * DAY + SECOND, 0),
        (90 * DAY + timedelta(microseconds=1), 0),
        (90 * DAY - SECOND, 1),
    ],
)
def test_keeps_an_event_of_exactly_90_days(ago: timedelta, left: int) -> None:
    WebhookEventFactory(status="processed", received_at=NOW - ago)
    run()
    assert WebhookEvent.objects.count() == left


@pytest.mark.parametrize("status", ["received", "processing", "failed"])
def test_never_deletes_an_unfinished_event_but_reports_it(status: str) -> None:
    old(days=400, status=status)
    old(days=400)
    assert run() == (
        "Deleted 1 webhook events older than 90 days.\n"
        "Kept 1 unfinished events older than 90 days.\n"
    )
    assert WebhookEvent.objects.get().status == status


def test_does_not_report_unfinished_events_that_are_recent() -> None:
    old(days=89, status="failed")
    assert run() == "Deleted 0 webhook events older than 90 days.\n"


def test_says_the_same_unfinished_events_and_deletes_nothing_the_second_time() -> None:
    old()
    old(status="failed")
    run()
    assert run() == (
        "Deleted 0 webhook events older than 90 days.\n"
        "Kept 1 unfinished events older than 90 days.\n"
    )


@pytest.mark.parametrize("status", Firm.Status.values)
def test_serves_firms_of_every_status(status: str) -> None:
    old(firm=FirmFactory(status=status))
    assert run() == "Deleted 1 webhook events older than 90 days.\n"


def test_deletes_the_platforms_events_too() -> None:
    old(firm=None, provider="bog")
    policy(FirmFactory(), 30)  # of somebody: it must not hide those of nobody
    assert run() == "Deleted 1 webhook events older than 90 days.\n"


# ---- how many days ------------------------------------------------------------------------


def test_takes_another_number_of_days() -> None:
    old(days=8)
    kept = old(days=7)
    assert run(days=7) == "Deleted 1 webhook events older than 7 days.\n"
    assert remain() == {kept.event_id}


def test_takes_the_number_of_days_from_the_settings(settings: Settings) -> None:
    settings.WEBHOOK_RETENTION_DAYS = 30
    old(days=31)
    assert run() == "Deleted 1 webhook events older than 30 days.\n"


def test_a_firms_policy_is_for_that_firm_alone() -> None:
    firm, neighbour = FirmFactory(), FirmFactory()
    policy(firm, 30)
    old(days=40, firm=firm)
    kept = old(days=40, firm=neighbour)
    assert run() == "Deleted 1 webhook events older than 90 days.\n"
    assert remain() == {kept.event_id}


def test_a_firms_policy_may_keep_events_longer() -> None:
    firm, neighbour = FirmFactory(), FirmFactory()
    policy(firm, 365)
    kept = [old(days=364, firm=firm), old(days=365, firm=firm)]
    old(days=366, firm=firm)
    old(days=91, firm=neighbour)
    assert run() == "Deleted 2 webhook events older than 90 days.\n"
    assert remain() == {event.event_id for event in kept}


def test_counts_unfinished_events_by_their_firms_policy() -> None:
    firm, patient = FirmFactory(), FirmFactory()
    policy(firm, 30)
    policy(patient, 365)
    old(days=40, firm=firm, status="failed")
    old(days=100, firm=patient, status="failed")
    assert run().endswith("Kept 1 unfinished events older than 90 days.\n")


def test_a_firm_may_keep_events_for_longer_than_there_are_days() -> None:
    firm = FirmFactory()
    policy(firm, 2_147_483_647)
    kept = old(days=9_000, firm=firm)
    old()
    assert run() == "Deleted 1 webhook events older than 90 days.\n"
    assert remain() == {kept.event_id}


@pytest.mark.parametrize(
    ("at", "left"),
    [(datetime(2025, 5, 11, 4, tzinfo=UTC), 1), (datetime(2025, 5, 11, 3, 59, tzinfo=UTC), 0)],
)
def test_a_firms_policy_goes_by_its_own_calendar(at: datetime, left: int) -> None:
    """Kept 30 days, on 10 June in New York: from the midnight of 11 May on (spec D6)."""
    firm = FirmFactory(timezone="America/New_York")
    policy(firm, 30)
    WebhookEventFactory(firm=firm, status="processed", received_at=at)
    run()
    assert WebhookEvent.objects.count() == left


def test_leaves_what_a_policy_would_rather_anonymise() -> None:
    careful, hasty = FirmFactory(), FirmFactory()
    policy(careful, 30, action="anonymise")
    policy(hasty, 30)
    kept = old(firm=careful)
    old(firm=hasty)
    assert run() == "Deleted 1 webhook events older than 90 days.\n"
    assert remain() == {kept.event_id}


@pytest.mark.parametrize("options", [{}, {"days": 60}], ids=["by_policy", "by_days"])
def test_leaves_the_events_of_a_firm_under_a_legal_hold(options: dict[str, int]) -> None:
    held, released = FirmFactory(), FirmFactory()
    LegalHoldFactory(firm=held)
    LegalHoldFactory(firm=released, released_at=NOW)
    LegalHoldFactory(firm=released, subject_type="contacts.contact", subject_id=1)
    kept = old(firm=held)
    old(firm=released)
    named = options.get("days", 90)
    assert run(**options) == (
        f"Deleted 1 webhook events older than {named} days.\n"
        "Kept 1 events under a legal hold.\n"
    )
    assert remain() == {kept.event_id}


def test_a_firm_in_no_zone_spares_the_others() -> None:
    nowhere = FirmFactory(timezone="Mars/Olympus")
    policy(nowhere, 30)
    kept = old(firm=nowhere)
    old()
    with pytest.raises(CommandError, match="1 item"):
        run()
    assert remain() == {kept.event_id}


@pytest.mark.parametrize("facts", [{"is_active": False}, {"data_type": "emails"}])
def test_obeys_no_policy_that_is_off_or_about_something_else(facts: dict[str, Any]) -> None:
    firm = FirmFactory()
    policy(firm, 30, **facts)
    old(days=40, firm=firm)
    assert run() == "Deleted 0 webhook events older than 90 days.\n"


def test_the_option_overrides_every_policy() -> None:
    hasty, patient = FirmFactory(), FirmFactory()
    policy(hasty, 30)
    policy(patient, 365)
    old(days=61, firm=patient)
    kept = old(days=59, firm=hasty)
    assert run(days=60) == "Deleted 1 webhook events older than 60 days.\n"
    assert remain() == {kept.event_id}


@pytest.mark.parametrize("days", [0, -5])
def test_refuses_a_number_of_days_that_means_nothing(days: int) -> None:
    old()
    with pytest.raises(CommandError, match=r"^--days must be a positive integer\.$"):
        run(days=days)
    assert WebhookEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [("ninety", "must be a whole number."), ("0", "must be at least 1.")],
)
def test_an_environment_that_names_no_number_of_days_stops_the_start(
    value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_RETENTION_DAYS", value)
    started = subprocess.run(
        [sys.executable, "-c", "import project.settings"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    assert f"WEBHOOK_RETENTION_DAYS {says}" in started.stderr


# ---- what stays ---------------------------------------------------------------------------


def test_leaves_a_fingerprint_of_each_event() -> None:
    event = old(days=91.5)
    old(status="failed")
    run()
    left = WebhookFingerprint.objects.get()
    assert (left.firm, left.provider, left.account_key, left.event_id) == (
        event.firm,
        "stripe",
        event.account_key,
        event.event_id,
    )
    assert (left.first_seen_at, left.event_deleted_at) == (event.received_at, NOW)


@pytest.mark.parametrize("age", [91, 900])
def test_an_event_that_was_cleaned_up_has_no_second_effect(clerk: Clerk, age: int) -> None:
    account, raw = GatewayAccountFactory(), written(type="effect")

    def come(at: datetime) -> bool:
        with time_machine.travel(at, tick=False):
            kept = services.receive(
                provider="stripe",
                key=account.key,
                raw=raw,
                path="/",
                headers={"Stripe-Signature": stripe_signature(raw)},
                now=at,
            )
            services.process_webhook_events()
            return kept

    assert come(NOW - age * DAY)
    run()
    assert not WebhookEvent.objects.exists()
    run()
    assert not come(NOW + DAY)
    assert not WebhookEvent.objects.exists()
    assert effects() == ["evt_1"]


@pytest.mark.parametrize(("ago", "left"), [(400 * DAY, 1), (400 * DAY + SECOND, 0)])
def test_forgets_a_fingerprint_400_days_after_its_event_went(ago: timedelta, left: int) -> None:
    old()
    run()
    WebhookFingerprint.objects.update(event_deleted_at=NOW - ago)
    assert run() == "Deleted 0 webhook events older than 90 days.\n"
    assert WebhookFingerprint.objects.count() == left


def test_deletes_an_event_whose_fingerprint_is_there_already() -> None:
    event = old()
    run()
    old(event_id=event.event_id, account_key=event.account_key)
    assert run() == "Deleted 1 webhook events older than 90 days.\n"
    assert WebhookFingerprint.objects.count() == 1


# ---- how ----------------------------------------------------------------------------------


def test_a_dry_run_says_what_it_would_do_and_leaves_no_trace() -> None:
    old()
    old(status="failed")
    WebhookFingerprint.objects.create(
        provider="stripe",
        event_id="x",
        first_seen_at=NOW - 500 * DAY,
        event_deleted_at=NOW - 401 * DAY,
    )
    before = [list(m.objects.values()) for m in (WebhookEvent, WebhookFingerprint)]
    assert run(dry_run=True) == (
        "Would delete 1 webhook events older than 90 days.\n"
        "Kept 1 unfinished events older than 90 days.\n"
    )
    assert [list(m.objects.values()) for m in (WebhookEvent, WebhookFingerprint)] == before


def make_events(count: int, *, status: str = "processed") -> None:
    """Insert events of 100 days ago, quickly."""
    firm, at = FirmFactory(), NOW - 100 * DAY
    columns = ("firm", "provider", "event_id", "type", "raw_body", "status")
    rows = ((firm.pk, "stripe", f"{status}_{n}", "x", b"{}", status) for n in range(count))
    times = ("received_at", "next_attempt_at", "account_key")
    bulk.insert(WebhookEvent, (*columns, *times), ((*row, at, at, "k") for row in rows))


def test_puts_a_page_of_events_on_the_record_as_one_item() -> None:
    make_events(5001)
    assert run() == "Deleted 5001 webhook events older than 90 days.\n"
    record = JobRun.objects.get(job="cleanup_webhook_events")
    items = record.items.order_by("position").values_list("action", flat=True)
    assert (record.state, record.done) == ("done", 2)
    assert list(items) == ["delete 5000 webhook events", "delete 1 webhook events"]


def test_says_nothing_personal_on_the_record() -> None:
    event = old(type="MARKER", raw_body=b"MARKER", event_id="MARKER")
    run()
    [item] = JobRun.objects.get(job="cleanup_webhook_events").items.values()
    assert "MARKER" not in str(item)
    assert item["subject_label"] == f"1 webhook events from {event.pk} to {event.pk}"


def test_asks_as_often_as_there_are_pages() -> None:
    def asked(count: int) -> int:
        make_events(count)
        with time_machine.travel(NOW, tick=False), CaptureQueriesContext(connection) as queries:
            services.cleanup_webhook_events()
        WebhookFingerprint.objects.all().delete()
        return len(queries)

    assert asked(10) == asked(4_000)


@pytest.mark.slow
def test_100000_events_go_in_pages_and_flat_memory() -> None:
    make_events(100_000)
    make_events(2, status="failed")
    tracemalloc.start()
    try:
        with time_machine.travel(NOW, tick=False):
            report = services.cleanup_webhook_events()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.summary() == [
        "Deleted 100000 webhook events older than 90 days.",
        "Kept 2 unfinished events older than 90 days.",
    ]
    assert report.done == 20
    assert peak < 8_000_000  # one page; the keys alone of all of them are half of that
    assert WebhookFingerprint.objects.count() == 100_000
