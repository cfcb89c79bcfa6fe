"""What a signed-in person has read."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from apps.firms.models import User
from apps.notifications.models import Delivery


def mark_read(*, user: User, deliveries: Sequence[int], now: datetime) -> int:
    """Mark in-app messages as read and return how many were unread.

    Only those meant for this person, as a user or as a firm's contact; other ids, read
    messages and other channels are left alone.
    """
    theirs = Q(notification__recipient_user=user) | Q(
        notification__recipient_contact__user=user
    )
    return Delivery.objects.unread().filter(theirs, pk__in=deliveries).update(read_at=now)
