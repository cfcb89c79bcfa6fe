"""What owners read: text and HTML that say the same, and one way to go on."""

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from pytest_django import Settings

from apps.notifications.models import Delivery, Notification
from apps.notifications.services import deliver_notifications
from apps.notifications.types import Words, registry
from apps.subscriptions.messages import TYPES
from apps.subscriptions.models import Subscription
from apps.subscriptions.services.owners import News, tell_owners
from tests.servers.smtp import MailServer
from tests.subscriptions.subscribing import check, on, saved_card, subscriber

pytestmark = pytest.mark.django_db

FACTS = {
    "days": 3,
    "card": "•••• 9893",
    "on": "2025-06-10",
    "amount": "59.00 GEL",
    "before": "49.00 GEL",
    "reference": "renewal-1",
    "back": False,
    "why": "there was not enough money on the card",
    "remedy": "time",
    "again": True,
    "what": "The bank received 0.01 GEL instead of 59.00 GEL.",
}
OWNERS = [one for one in TYPES if one.name != "subscription_alert"]


def written(subscription: Subscription, type: Any, **facts: Any) -> Words:
    tell_owners([News(type, subscription, "key", FACTS | facts)])
    words: Words = type.write([Notification.objects.get(type=type.name)])
    return words


@pytest.mark.parametrize("type", OWNERS, ids=lambda type: type.name)
def test_says_the_same_in_text_and_in_html(type: Any) -> None:
    subscription = subscriber("dogs-and-cats")
    subscription.firm.name = "Dogs <b>&</b> Cats"
    words = written(subscription, type)
    soup = BeautifulSoup(words.html, "html.parser")
    page = f"http://127.0.0.1:8000/subscription/{subscription.pk}/"
    assert "\n" not in words.subject
    assert page in words.text
    assert [link["href"] for link in soup("a")] == [page]
    assert "Dogs <b>&</b> Cats" in words.text
    assert "Dogs <b>&</b> Cats" in soup.get_text()
    plain = " ".join(words.text.split())
    for paragraph in soup("p"):
        assert " ".join(paragraph.get_text().split()) in plain


@pytest.mark.parametrize(
    ("facts", "subject", "wish"),
    [
        ({}, "The payment for your subscription failed", "We will try again in about a day."),
        ({"again": False}, "The payment for your subscription failed", "will not try again by"),
        (
            {"remedy": "new card"},
            "Enter a new card for your subscription",
            "We will not try this card again.",
        ),
        (
            {"remedy": "person"},
            "Please confirm the payment for your subscription",
            "please pay on the bank's page.",
        ),
    ],
)
def test_says_what_helps_after_a_failure(
    facts: dict[str, Any], subject: str, wish: str
) -> None:
    words = written(subscriber(), registry()["subscription_payment_failed"], **facts)
    assert words.subject == subject
    assert "We tried to charge 59.00 GEL to your card •••• 9893" in words.text
    assert "but there was not enough money on the card." in words.text
    assert wish in words.text


def test_greets_whoever_comes_back() -> None:
    words = written(subscriber(), registry()["subscription_receipt"], back=True)
    assert words.subject == "Welcome back: paid until 13 June 2025"
    assert "The account works again, with everything in it." in words.text
    assert "Amount: 59.00 GEL" in words.text


def test_goes_out_by_mail_from_the_platform(
    smtp_server: MailServer, settings: Settings
) -> None:
    settings.DEFAULT_FROM_EMAIL = "Nightshift <post@night.example>"
    subscription = subscriber()
    subscription.firm.settings.reply_to = "office@motors.example"
    subscription.firm.settings.save()
    saved_card(subscription)
    check("2025-06-06")
    with on("2025-06-06"):
        deliver_notifications()
    [delivery] = Delivery.objects.filter(channel="email")
    assert delivery.status == "sent"
    [mail] = smtp_server.messages
    assert mail.message["From"] == "Nightshift <post@night.example>"
    assert mail.message["Reply-To"] is None


def test_is_always_the_platforms_own() -> None:
    assert all(type.from_platform for type in TYPES)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expires_on": "later"}, "paid"),
        ({"cancel_at_period_end": True}, "cancelled"),
    ],
)
def test_is_not_sent_any_more_once_it_is_old(
    smtp_server: MailServer, change: dict[str, Any], reason: str
) -> None:
    subscription = subscriber()
    check("2025-06-06")
    if "expires_on" in change:
        change = {"expires_on": subscription.expires_on + timedelta(days=30)}
    Subscription.objects.filter(pk=subscription.pk).update(**change)
    with on("2025-06-06"):
        deliver_notifications()
    [delivery] = Delivery.objects.filter(channel="email")
    assert (delivery.status, delivery.reason) == ("skipped", reason)
