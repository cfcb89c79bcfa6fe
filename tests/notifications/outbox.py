"""Say something, and see how it got there."""

from typing import Any

from django.db import transaction

from apps.contacts.models import Contact
from apps.firms.models import User
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import Draft, Planned, notify
from apps.notifications.types import NotificationType
from tests.notifications import messages


def draft(
    recipient: Contact | User,
    type: NotificationType = messages.BY_EMAIL,
    key: str = "key",
    **how: Any,
) -> Draft:
    if isinstance(recipient, Contact):
        how.setdefault("firm_id", recipient.firm_id)
    return Draft(type=type, recipient=recipient, dedupe_key=key, **how)


def say(
    recipient: Contact | User,
    type: NotificationType = messages.BY_EMAIL,
    key: str = "key",
    **how: Any,
) -> Planned:
    """Put one message into the outbox."""
    with transaction.atomic():
        (planned,) = notify([draft(recipient, type, key, **how)])
    return planned


def delivery(planned: Planned, channel: Channel = Channel.EMAIL) -> Delivery:
    """Return what is known of it by now."""
    return Delivery.objects.select_related("notification").get(
        notification=planned.notification_id, channel=channel
    )


def states(planned: Planned) -> dict[str, str]:
    """Return the status of each of its deliveries."""
    rows = Delivery.objects.filter(notification=planned.notification_id)
    return dict(rows.values_list("channel", "status"))
