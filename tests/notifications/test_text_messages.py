"""What holds for text messages before they are sent (spec A10.3, A10.4, A10.6)."""

from datetime import UTC, datetime

import pytest

from apps.firms.models import Firm
from apps.notifications import channels
from apps.notifications.models import Channel, Delivery, NotificationPreference
from apps.notifications.services.letters import know_firms
from apps.notifications.services.verdicts import Reason, verdicts
from apps.notifications.services.wishes import Wishes
from apps.notifications.types import registry
from tests.factories import ContactFactory, UserFactory
from tests.notifications import messages
from tests.notifications.outbox import say

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("preferences", "allowed"),
    [
        ({}, False),  # only with consent
        ({"": True}, True),
        ({"": False}, False),
        ({"billing": True}, True),
        ({"marketing": True}, False),
        ({"": True, "billing": False}, False),
        # STOP means everything, invoices too, whatever else was agreed.
        ({"": False, "billing": True}, False),
    ],
)
def test_need_consent(preferences: dict[str, bool], allowed: bool) -> None:
    ada = ContactFactory()
    key = f"contact:{ada.pk}"
    for category, wanted in preferences.items():
        NotificationPreference.objects.create(
            firm=ada.firm, recipient_key=key, category=category, channel="sms", wanted=wanted
        )

    wishes = Wishes.of([(ada.firm_id, key)])

    assert wishes.allow(ada.firm_id, key, messages.REMINDER, Channel.SMS) is allowed


def test_go_to_the_phone_of_a_contact() -> None:
    ada = ContactFactory(phone="+15550100")

    assert channels.address(ada, Channel.SMS) == "+15550100"
    assert channels.address(UserFactory(), Channel.SMS) == ""


@pytest.mark.parametrize(("hour", "reason"), [(1, Reason.QUIET_HOURS), (12, None)])
def test_are_always_held_at_night(hour: int, reason: Reason | None) -> None:
    ada = ContactFactory(phone="+15550100", timezone="UTC")
    NotificationPreference.objects.create(
        firm=ada.firm, recipient_key=f"contact:{ada.pk}", channel="sms", wanted=True
    )
    say(ada, messages.BY_EMAIL)
    Delivery.objects.update(channel=Channel.SMS)
    deliveries = list(Delivery.objects.with_recipients())
    firms: dict[int, Firm] = {}
    know_firms(deliveries, firms)
    now = datetime(2025, 3, 3, hour, tzinfo=UTC)

    found = verdicts(deliveries, Channel.SMS, registry(), firms, now)

    assert [one.reason for one in found.values()] == ([reason] if reason else [])
