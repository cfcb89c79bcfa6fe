"""Several at the same moment: an event is kept once, and takes effect once."""

import threading
from typing import Any

import pytest
from django.utils import timezone

from apps.webhooks import services
from apps.webhooks.models import WebhookEvent, WebhookFingerprint, WebhookRefusal
from tests.billing.test_payments_at_once import at_once
from tests.factories import GatewayAccountFactory, WebhookEventFactory
from tests.webhooks.clerk import Clerk, effects
from tests.webhooks.sending import stripe_signature, written

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_event_that_comes_four_times_is_kept_once() -> None:
    account, raw = GatewayAccountFactory(), written()
    headers = {"Stripe-Signature": stripe_signature(raw)}
    how: dict[str, Any] = {"provider": "stripe", "key": account.key, "headers": headers}
    how["path"] = "/"
    kept: list[bool] = []

    def come() -> None:
        kept.append(services.receive(raw=raw, now=timezone.now(), **how) is not None)

    assert at_once(*[come] * 4) == []
    assert sorted(kept) == [False, False, False, True]
    assert WebhookEvent.objects.count() == 1


def test_four_workers_let_an_event_take_effect_once(clerk: Clerk) -> None:
    for number in range(5):
        WebhookEventFactory(event_id=f"evt_{number}")
    assert at_once(*[services.process_webhook_events] * 4) == []
    assert effects() == [f"evt_{number}" for number in range(5)]
    assert set(WebhookEvent.objects.values_list("status", "attempts")) == {("processed", 1)}


def test_a_worker_that_is_too_slow_writes_nothing(clerk: Clerk) -> None:
    """Its lease runs out while it asks; another worker is quicker."""
    WebhookEventFactory()
    asking, done = threading.Event(), threading.Event()

    def ask() -> None:
        if not asking.is_set():
            asking.set()
            assert done.wait(10)

    clerk.on_fetch = ask

    def quick() -> None:
        assert asking.wait(10)
        WebhookEvent.objects.update(next_attempt_at=timezone.now())
        services.process_webhook_events()
        done.set()

    assert at_once(services.process_webhook_events, quick) == []
    assert len(effects()) == 1
    assert WebhookEvent.objects.get().attempts == 2


def test_refusals_at_once_are_all_counted() -> None:
    def refuse() -> None:
        services.count_refusal(
            provider="stripe", reason=services.Reason.STALE, now=timezone.now()
        )

    assert at_once(*[refuse] * 6) == []
    assert WebhookRefusal.objects.get().count == 6


def test_an_event_that_comes_again_while_it_is_cleaned_up_is_known() -> None:
    account, raw = GatewayAccountFactory(), written()
    WebhookEventFactory(
        account_key=str(account.key),
        event_id="evt_1",
        status="processed",
        received_at="2024-01-01T00:00:00Z",
    )
    headers = {"Stripe-Signature": stripe_signature(raw)}

    def come() -> None:
        for _ in range(20):
            assert not services.receive(
                provider="stripe",
                key=account.key,
                raw=raw,
                path="/",
                headers=headers,
                now=timezone.now(),
            )

    assert at_once(services.cleanup_webhook_events, come, come) == []
    assert not WebhookEvent.objects.exists()
    assert WebhookFingerprint.objects.count() == 1


def test_is_cleaned_up_once_by_two_at_a_time() -> None:
    WebhookEventFactory.create_batch(20, status="processed", received_at="2024-01-01T00:00:00Z")
    assert at_once(*[services.cleanup_webhook_events] * 2) == []
    assert (WebhookEvent.objects.count(), WebhookFingerprint.objects.count()) == (0, 20)
