"""Retention and cleanup_webhook_events let the same events go, whichever comes first (C-34)."""

import io
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command

from apps.core.problems import Problem
from apps.firms.models import Firm
from apps.webhooks.models import WebhookEvent, WebhookFingerprint
from apps.webhooks.services import process_again
from tests.factories import FirmFactory
from tests.privacy.expiring import DAY, LONG_AGO, NOW, policy, run, webhook

pytestmark = pytest.mark.django_db

MIDNIGHT = datetime(2024, 12, 31, 5, tzinfo=UTC)  # the cutoff of 90 days in New York
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def firm() -> Firm:
    firm: Firm = FirmFactory()
    return firm


def clean_up() -> str:
    """Run the other job and return what it printed."""
    out = io.StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command("cleanup_webhook_events", stdout=out)
    return out.getvalue()


def furnish(firm: Firm) -> set[str]:
    """Make events around the cutoff, and return those that must stay."""
    policy(firm, "webhooks")
    for status in ("processed", "ignored", "dead"):
        webhook(firm, MIDNIGHT - MOMENT, status=status)
    stay = [webhook(firm, MIDNIGHT), webhook(firm, NOW - 90 * DAY - MOMENT)]
    stay += [webhook(firm, status=s) for s in ("received", "processing", "failed")]
    return {event.event_id for event in stay}


def remain() -> set[str]:
    return set(WebhookEvent.objects.values_list("event_id", flat=True))


def test_cleaning_up_leaves_retention_nothing_to_do(firm: Firm) -> None:
    stay = furnish(firm)
    assert "Deleted 3 webhook events" in clean_up()
    assert "Records processed: 0\n" in run()
    assert remain() == stay


def test_retention_leaves_cleaning_up_nothing_to_do(firm: Firm) -> None:
    stay = furnish(firm)
    assert "  webhooks: 3 deleted, 0 held (before 2024-12-31)\n" in run()
    assert "Deleted 0 webhook events" in clean_up()
    assert remain() == stay


def test_both_leave_the_same_fingerprints(firm: Firm) -> None:
    neighbour = FirmFactory()
    for one in (firm, neighbour):
        policy(one, "webhooks")
        webhook(one)
    run(firm_id=firm.pk)
    clean_up()
    left = WebhookFingerprint.objects.order_by("firm")
    assert list(left.values_list("firm", "first_seen_at", "event_deleted_at")) == [
        (firm.pk, LONG_AGO, NOW),
        (neighbour.pk, LONG_AGO, NOW),
    ]


def test_anonymised_events_keep_their_ids_and_nothing_they_said(firm: Firm) -> None:
    policy(firm, "webhooks", action="anonymise")
    event = webhook(firm, raw_body=b'{"name": "Ada"}', headers={"X": "Ada"}, error="Ada")
    failed = webhook(firm, status="failed", raw_body=b'{"name": "Bob"}')
    run()
    clean_up()
    event.refresh_from_db()
    failed.refresh_from_db()
    assert (bytes(event.raw_body), event.headers, event.error) == (b"", {}, "")
    assert (event.received_at, event.status) == (LONG_AGO, "processed")
    assert bytes(failed.raw_body) == b'{"name": "Bob"}'


def test_an_anonymised_event_is_not_processed_again(firm: Firm) -> None:
    policy(firm, "webhooks", action="anonymise")
    event = webhook(firm, status="dead")
    run()
    with pytest.raises(Problem, match=r"^what it said has gone by the firm's retention"):
        process_again(event=event, actor=None, now=NOW)
    event.refresh_from_db()
    assert event.status == "dead"
