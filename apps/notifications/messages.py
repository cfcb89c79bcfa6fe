"""The words this app sends: those that a person wrote."""

from collections.abc import Sequence

from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words


def _general_message(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    return Words(facts["subject"], facts["text"])


GENERAL_MESSAGE = NotificationType(
    "general_message", Category.OPERATIONAL, _general_message, may_opt_out=True
)

TYPES: tuple[NotificationType, ...] = (GENERAL_MESSAGE,)
