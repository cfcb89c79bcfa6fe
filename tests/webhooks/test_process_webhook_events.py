"""The job that acts on what the inbox holds … (spec D9, A5.4)."""

import io
import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from apps.contacts.models import Contact
from apps.core.watching import Stop, Watcher, watched_by
from apps.firms.models import Firm
from apps.jobs.models import JobRun, JobRunItem
from apps.webhooks import services
from apps.webhooks.models import WebhookEvent
from apps.webhooks.services.processing import LEASE, RETRIES
from tests.factories import FirmFactory, WebhookEventFactory
from tests.webhooks import clerk as desk
from tests.webhooks.clerk import Clerk, effects

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def come(event_id: str = "evt_1", kind: str = "effect", **facts: Any) -> WebhookEvent:
    """An event that the inbox holds; its type is what the clerk is to do."""
    return WebhookEventFactory(event_id=event_id, type=kind, **facts)


def output(**options: Any) -> str:
    out = io.StringIO()
    call_command("process_webhook_events", stdout=out, **options)
    return out.getvalue()


def now_of(event: WebhookEvent) -> WebhookEvent:
    return WebhookEvent.objects.get(pk=event.pk)


# ---- what comes of an event ---------------------------------------------------------------


def test_lets_an_event_take_effect(clerk: Clerk) -> None:
    event = now_of(come())
    assert output() == (
        "  ✓ effect evt_1: processed\n"
        "Webhook events processed: 1, ignored: 0, failed: 0\n"
    )  # fmt: skip
    after = now_of(event)
    assert (after.status, after.attempts, after.processed_at) == ("processed", 1, NOW)
    assert after.error == ""
    assert effects() == ["evt_1"]
    assert clerk.clocks[0].now == NOW


def test_does_nothing_the_second_time(clerk: Clerk) -> None:
    come()
    output()
    assert output() == "Webhook events processed: 0, ignored: 0, failed: 0\n"
    assert effects() == ["evt_1"]
    assert clerk.batches == [["evt_1"]]


@pytest.mark.parametrize("kind", ["nobodys", "old_news"])
def test_ignores_what_concerns_nobody(clerk: Clerk, kind: str) -> None:
    event = come(kind=kind)
    assert output() == (
        f"  - {kind} evt_1: ignored, it concerns nobody here\n"
        "Webhook events processed: 0, ignored: 1, failed: 0\n"
    )
    after = now_of(event)
    assert (after.status, after.processed_at) == ("ignored", NOW)
    assert effects() == []


@pytest.mark.parametrize("status", ["processed", "ignored", "failed", "dead"])
def test_leaves_alone_what_has_ended(clerk: Clerk, status: str) -> None:
    come(status=status)
    assert output() == "Webhook events processed: 0, ignored: 0, failed: 0\n"
    assert clerk.batches == []


def test_leaves_alone_what_is_to_be_tried_later(clerk: Clerk) -> None:
    come(next_attempt_at=NOW + timedelta(microseconds=1))
    output()
    assert clerk.batches == []


@pytest.mark.parametrize("status", Firm.Status.values)
def test_serves_firms_of_every_status(clerk: Clerk, status: str) -> None:
    come(firm=FirmFactory(status=status))
    output()
    assert effects() == ["evt_1"]


def test_serves_the_platform(clerk: Clerk) -> None:
    event = come(firm=None, provider="bog")
    output()
    assert now_of(event).status == "processed"


def test_of_one_firm_leaves_the_neighbour_alone(clerk: Clerk) -> None:
    ours, theirs = come("evt_1"), come("evt_2")
    before = WebhookEvent.objects.values().get(pk=theirs.pk)
    output(firm_id=ours.firm_id)
    assert effects() == ["evt_1"]
    assert WebhookEvent.objects.values().get(pk=theirs.pk) == before


def test_of_a_firm_that_does_not_exist_is_refused(clerk: Clerk) -> None:
    with pytest.raises(CommandError, match=r"^Firm with ID 999 does not exist\.$"):
        output(firm_id=999)


def test_a_dry_run_says_what_it_would_do_and_leaves_no_trace(clerk: Clerk) -> None:
    for number in range(60):  # more than a page
        come(f"evt_{number:02}")
    before = list(WebhookEvent.objects.order_by("pk").values())
    said = output(dry_run=True)
    assert said.count("  ✓ Would process effect evt_") == 60
    assert said.endswith("\nWould process 60 webhook events.\n")
    assert list(WebhookEvent.objects.order_by("pk").values()) == before
    assert (effects(), clerk.batches) == ([], [])


def test_asks_for_a_page_at_once_and_the_oldest_first(clerk: Clerk) -> None:
    for number in range(120):
        come(f"evt_{number:03}", next_attempt_at=NOW - number * MINUTE)
    output()
    assert [len(batch) for batch in clerk.batches] == [50, 50, 20]
    asked = [event_id for batch in clerk.batches for event_id in batch]
    assert asked == [f"evt_{number:03}" for number in reversed(range(120))]
    assert len(effects()) == 120


def test_costs_by_the_page_what_it_does_not_write_by_the_event(clerk: Clerk) -> None:
    def asked(count: int) -> int:
        for number in range(count):
            come(f"evt_{count}_{number}", kind="nobodys")
        with CaptureQueriesContext(connection) as queries:
            services.process_webhook_events()
        return len(queries)

    assert asked(2) == asked(50)


# ---- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("unreadable", "JSONDecodeError"),
        ("fetch_breaks", "The gateway did not answer."),
        ("apply_breaks", "Unlucky"),
    ],
)
def test_tries_again_after_an_error(clerk: Clerk, kind: str, says: str) -> None:
    event = come(kind=kind)
    assert output() == (
        f"  ⚠ {kind} evt_1: {says}; will be tried again in 1 min\n"
        "Webhook events processed: 0, ignored: 0, failed: 0, will be retried: 1\n"
    )
    after = now_of(event)
    assert (after.status, after.error, after.attempts) == ("received", says, 1)
    assert (after.next_attempt_at, after.claimed_at) == (NOW + MINUTE, None)
    assert effects() == []


def test_waits_longer_each_time_and_then_gives_the_event_to_a_person(clerk: Clerk) -> None:
    event = come(kind="apply_breaks")
    waits = []
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in RETRIES:
            at = now_of(event).next_attempt_at
            clock.move_to(at - timedelta(seconds=1))
            assert services.process_webhook_events().counts == {}
            clock.move_to(at)
            services.process_webhook_events()
            waits.append(now_of(event).next_attempt_at - at)
        clock.move_to(now_of(event).next_attempt_at)
        with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
            output()
    after = now_of(event)
    assert (after.status, after.error, after.attempts) == ("failed", "Unlucky", 7)
    assert waits == [n * MINUTE for n in (1, 5, 30, 180, 720, 1440)]
    assert effects() == []


def test_says_that_an_event_has_failed(clerk: Clerk) -> None:
    come(kind="fetch_breaks", attempts=6)
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("process_webhook_events", stdout=out)
    assert out.getvalue() == (
        "  ✗ fetch_breaks evt_1: The gateway did not answer.\n"
        "Webhook events processed: 0, ignored: 0, failed: 1\n"
    )


def test_takes_effect_when_the_trouble_is_over(clerk: Clerk) -> None:
    event = come(kind="apply_breaks")
    output()
    WebhookEvent.objects.update(type="effect")
    with time_machine.travel(NOW + MINUTE, tick=False):
        output()
    after = now_of(event)
    assert (after.status, after.attempts, after.error) == ("processed", 2, "")
    assert effects() == ["evt_1"]


@pytest.mark.parametrize("kind", ["unreadable", "fetch_breaks", "apply_breaks"])
def test_one_bad_event_spares_the_rest(clerk: Clerk, kind: str) -> None:
    come("evt_0")
    bad = come("evt_1", kind=kind)
    come("evt_2")
    nobodys = come("evt_3", kind="nobodys")
    report = services.process_webhook_events()
    assert effects() == ["evt_0", "evt_2"]
    assert now_of(bad).status == "received"
    assert now_of(nobodys).status == "ignored"
    assert report.summary() == [
        "Webhook events processed: 2, ignored: 1, failed: 0, will be retried: 1"
    ]


def test_what_nobody_acts_on_yet_is_not_lost(settings: Settings) -> None:
    settings.WEBHOOKS = "tests.webhooks.clerk"
    assert desk.HANDLERS == {}
    event = come()
    services.process_webhook_events()
    after = now_of(event)
    assert (after.status, after.error) == ("received", "Nobody acts on events of stripe yet.")


def test_shows_nobody_what_an_event_or_an_error_holds(
    clerk: Clerk, caplog: pytest.LogCaptureFixture
) -> None:
    raw = json.dumps({"email": "MARKER@example.com"}).encode()
    come("evt_1", kind="effect", raw_body=raw, headers={"Stripe-Signature": "MARKER"})
    event = come("evt_2", kind="apply_breaks", raw_body=raw, attempts=6)
    out = io.StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("process_webhook_events", stdout=out, stderr=out, verbosity=2)
    seen = [out.getvalue(), str(ended.value), now_of(event).error]
    seen += [str(list(model.objects.values())) for model in (JobRun, JobRunItem)]
    seen += [record.getMessage() for record in caplog.records]
    assert "MARKER" not in "".join(seen)


def test_writes_an_error_into_the_log_once(
    clerk: Clerk, caplog: pytest.LogCaptureFixture
) -> None:
    come(kind="apply_breaks")
    with caplog.at_level(logging.INFO):
        services.process_webhook_events()
    [record] = caplog.records
    assert record.getMessage() == "apply_breaks evt_1: try 1 of its processing failed"
    assert record.levelname == "WARNING"


# ---- crashes, stops, other workers --------------------------------------------------------


def test_takes_up_what_a_crash_left_half_way_after_15_minutes(clerk: Clerk) -> None:
    claimed = {"status": "processing", "attempts": 1, "claimed_at": NOW}
    event = come(received_at=NOW, next_attempt_at=NOW + LEASE, **claimed)
    with time_machine.travel(NOW, tick=False) as clock:
        clock.move_to(NOW + LEASE - timedelta(seconds=1))
        output()
        assert clerk.batches == []
        clock.move_to(NOW + LEASE)
        output()
    assert (now_of(event).status, now_of(event).attempts) == ("processed", 2)
    assert effects() == ["evt_1"]


def test_an_event_that_kills_its_worker_each_time_ends_as_failed(clerk: Clerk) -> None:
    event = come(status="processing", attempts=7, claimed_at=NOW - LEASE)
    with pytest.raises(CommandError):
        output()
    after = now_of(event)
    assert (after.status, after.attempts, clerk.batches) == ("failed", 7, [])
    assert after.error == "Every try was used up, and the last one was cut off."


def test_holds_an_event_while_its_provider_is_asked(clerk: Clerk) -> None:
    event = come()
    seen: list[Any] = []

    def look() -> None:
        answer = services.process_webhook_events()  # a second run, in the middle
        seen.append((answer.counts, now_of(event).status))

    prepare = clerk.prepare

    def prepare_and_look(events: Any) -> Any:
        if not seen:
            look()
        return prepare(events)

    clerk.prepare = prepare_and_look  # type: ignore[method-assign]
    services.process_webhook_events()
    assert seen == [({}, "processing")]
    assert effects() == ["evt_1"]


def test_writes_nothing_for_an_event_that_another_run_has_by_now(clerk: Clerk) -> None:
    """Slower than its lease: somebody else has taken it up, and is not done yet."""
    event = come()
    prepare = clerk.prepare

    def prepare_slowly(events: Any) -> Any:
        WebhookEvent.objects.update(claimed_at=NOW + LEASE, attempts=2)
        return prepare(events)

    clerk.prepare = prepare_slowly  # type: ignore[method-assign]
    report = services.process_webhook_events()
    assert (report.skipped, report.done) == (1, 0)
    assert (now_of(event).status, now_of(event).attempts) == ("processing", 2)
    assert effects() == []


@pytest.mark.parametrize("kind", ["nobodys", "fetch_breaks"])
def test_neither_ignores_nor_puts_off_what_another_run_has(clerk: Clerk, kind: str) -> None:
    event = come(kind=kind)
    prepare = clerk.prepare

    def prepare_slowly(events: Any) -> Any:
        WebhookEvent.objects.update(claimed_at=NOW + LEASE)
        return prepare(events)

    clerk.prepare = prepare_slowly  # type: ignore[method-assign]
    services.process_webhook_events()
    assert now_of(event).status == "processing"


class _StopsAfter(Watcher):
    """Asks the run to stop after so many chances to."""

    def __init__(self, chances: int) -> None:
        self.left = chances

    def between(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stop("Cancelled")


def test_puts_back_what_it_has_not_begun_when_it_is_stopped(
    clerk: Clerk, settings: Settings
) -> None:
    settings.CHARGES_AT_ONCE = 1
    for number in range(5):
        come(f"evt_{number}")
    with pytest.raises(Stop), watched_by(_StopsAfter(2)):
        services.process_webhook_events()
    done = WebhookEvent.objects.filter(status="processed")
    left = WebhookEvent.objects.filter(status="received", attempts=0, next_attempt_at=NOW)
    assert (done.count(), left.count()) == (2, 3)
    services.process_webhook_events()
    assert effects() == [f"evt_{number}" for number in range(5)]


def test_puts_back_what_its_provider_takes_too_long_to_answer(
    clerk: Clerk, settings: Settings
) -> None:
    """The claim must not run out while the last of a page is still being asked about."""
    settings.CHARGES_AT_ONCE, settings.JOB_TIMEOUT = 1, 0.05
    clerk.on_fetch = lambda: threading.Event().wait(0.05)
    for number in range(3):
        come(f"evt_{number}")
    report = services.process_webhook_events()
    assert report.summary() == [
        "Webhook events processed: 0, ignored: 0, failed: 0, left for the next run: 3"
    ]
    assert set(WebhookEvent.objects.values_list("status", "attempts")) == {("received", 0)}


# ---- asking the providers -----------------------------------------------------------------


def test_asks_about_several_events_at_the_same_time(clerk: Clerk, settings: Settings) -> None:
    settings.CHARGES_AT_ONCE = 3
    together = threading.Barrier(3, timeout=10)
    clerk.on_fetch = together.wait
    for number in range(6):
        come(f"evt_{number}")
    services.process_webhook_events()
    assert len(effects()) == 6


def test_asks_no_more_at_once_than_it_may(clerk: Clerk, settings: Settings) -> None:
    settings.CHARGES_AT_ONCE = 2
    lock, under_way, most = threading.Lock(), [0], [0]

    def fetch() -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        threading.Event().wait(0.002)
        with lock:
            under_way[0] -= 1

    clerk.on_fetch = fetch
    for number in range(12):
        come(f"evt_{number}")
    services.process_webhook_events()
    assert 1 <= most[0] <= 2


@pytest.mark.django_db(transaction=True)
def test_asks_outside_any_transaction_and_without_the_database(clerk: Clerk) -> None:
    ours, seen = connections["default"], list[object]()

    def fetch() -> None:
        seen.append((ours.in_atomic_block, threading.current_thread().name))
        seen.append(connections["default"].connection)

    clerk.on_fetch = fetch
    come()
    services.process_webhook_events()
    (in_transaction, thread), connected = seen
    assert in_transaction is False
    assert thread != threading.main_thread().name
    assert connected is None
    assert Contact.objects.count() == 1
