"""Retention lets messages go: what was said, then how, at last that it was."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.firms.models import Firm
from apps.notifications.models import Delivery, Notification
from apps.notifications.services import Draft, notify
from apps.notifications.types import Category, NotificationType, Words
from tests.factories import ContactFactory, DeliveryFactory, FirmFactory
from tests.privacy.expiring import DAY, NOW, is_there, message, policy, run

pytestmark = pytest.mark.django_db

AT = NOW - 100 * DAY  # older than the policy, not by far
KEYS_GO = timedelta(days=90 + 400)


@pytest.fixture
def firm() -> Firm:
    firm: Firm = FirmFactory()
    return firm


# ---- delete -------------------------------------------------------------------------------


def test_deletes_what_was_said_and_how_it_got_there(firm: Firm) -> None:
    policy(firm)
    said = message(firm, AT)
    run()
    said.refresh_from_db()
    assert (said.context, said.emptied_at, said.status) == ({}, NOW, "expired")
    assert not Delivery.objects.exists()


def test_what_was_said_once_is_not_said_again(firm: Firm) -> None:
    policy(firm)
    said = message(firm, AT, type="no_card", dedupe_key="no-card:7")
    run()
    no_card = NotificationType("no_card", Category.BILLING, lambda _: Words("", ""))
    draft = Draft(no_card, firm.pk, said.recipient, "no-card:7")
    with transaction.atomic():
        assert notify([draft]) == []


@pytest.mark.parametrize(
    ("age", "left"),
    [(KEYS_GO, 1), (KEYS_GO + DAY, 0)],
)
def test_forgets_the_key_400_days_later(firm: Firm, age: timedelta, left: int) -> None:
    policy(firm)
    message(firm, NOW - age)
    assert "Records processed: 1\n" in run()
    assert Notification.objects.count() == left
    assert "Records processed: 0\n" in run()


def test_keeps_the_key_of_a_message_that_is_emptied_only(firm: Firm) -> None:
    policy(firm, action="anonymise")
    message(firm, NOW - 2 * KEYS_GO)
    run()
    run(now=NOW + DAY)
    assert (Notification.objects.count(), Delivery.objects.count()) == (1, 1)


def test_lets_go_of_a_digest_before_what_it_carried(firm: Firm) -> None:
    policy(firm)
    lead = message(firm, AT).deliveries.get()
    later = message(firm, NOW - DAY).deliveries.get()
    Delivery.objects.filter(pk=later.pk).update(carried_by=lead)
    run()
    assert list(Delivery.objects.values_list("pk", "carried_by")) == [(later.pk, None)]


# ---- anonymise ----------------------------------------------------------------------------


def test_anonymising_keeps_dates_and_how_it_went(firm: Firm) -> None:
    policy(firm, action="anonymise")
    said = message(firm, AT)
    run()
    said.refresh_from_db()
    assert (said.context, said.emptied_at) == ({}, NOW)
    assert (said.status, said.created_at) == ("sent", AT)
    assert said.deliveries.values("channel", "status", "sent_at", "reason").get() == {
        "channel": "email",
        "status": "sent",
        "sent_at": AT,
        "reason": "",
    }


# ---- not yet ------------------------------------------------------------------------------


def test_keeps_what_is_still_to_be_sent(firm: Firm) -> None:
    policy(firm)
    said = message(firm)
    Notification.objects.filter(pk=said.pk).update(status="queued")
    run()
    assert is_there(said)


@pytest.mark.parametrize(("sent", "kept"), [(NOW - 89 * DAY, True), (NOW - 92 * DAY, False)])
def test_counts_from_when_it_was_sent_last(firm: Firm, sent: Any, kept: bool) -> None:
    policy(firm)
    said = message(firm)
    DeliveryFactory(notification=said, channel="sms", status="sent", sent_at=sent)
    run()
    assert is_there(said) is kept


def test_counts_what_reached_nobody_from_when_it_was_made(firm: Firm) -> None:
    policy(firm)
    said = message(firm, status="undeliverable", recipient_contact=ContactFactory(firm=firm))
    said.deliveries.update(status="skipped", sent_at=None)
    run()
    assert not is_there(said)
