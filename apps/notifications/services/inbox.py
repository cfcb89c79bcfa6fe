"""What a signed-in person finds in their inbox, and has read."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from apps.firms.models import User
from apps.notifications.models import Channel, Delivery, DeliveryQuerySet
from apps.notifications.services.letters import know_firms
from apps.notifications.types import Words, registry

logger = logging.getLogger(__name__)

SHOWN = 50  # messages, the newest


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it is read in the inbox."""

    delivery: Delivery
    sender: str
    words: Words


def inbox_of(user: User) -> list[Received]:
    """Return the newest in-app messages to somebody, as a user or as a firm's contact.

    What a firm told its staff only those read who work there now. What retention has emptied
    is gone.
    """
    newest = _readable(user).with_recipients().order_by("-pk")[:SHOWN]
    deliveries, types = list(newest), registry()
    know_firms(deliveries, {})
    found = []
    for delivery in deliveries:
        notification = delivery.notification
        type = types.get(notification.type)
        if type is None:
            continue
        try:
            words = type.write([notification])
        except Exception:  # facts of an older version; the others can be read
            logger.exception("Delivery %d cannot be read", delivery.pk)
            continue
        sender = "Nightshift" if type.from_platform else notification.firm.name
        found.append(Received(delivery, sender, words))
    return found


def count_unread(user: User) -> int:
    """Return how many messages wait for somebody."""
    return _readable(user).unread().count()


def mark_read(*, user: User, deliveries: Sequence[int], now: datetime) -> int:
    """Mark in-app messages as read and return how many were unread.

    Only those meant for this person, as a user or as a firm's contact; other ids, read
    messages and other channels are left alone.
    """
    theirs = Delivery.objects.unread().filter(_meant_for(user), pk__in=deliveries)
    return theirs.update(read_at=now)


def _readable(user: User) -> DeliveryQuerySet:
    told = Q(notification__recipient_contact__user=user) | Q(firm__in=user.firms())
    return Delivery.objects.filter(
        _meant_for(user),
        told,
        channel=Channel.IN_APP,
        status=Delivery.Status.DELIVERED,
        notification__emptied_at=None,
    )


def _meant_for(user: User) -> Q:
    return Q(notification__recipient_user=user) | Q(notification__recipient_contact__user=user)
