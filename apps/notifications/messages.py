"""The words this app sends: those that a person wrote, and a new firm's welcome."""

from collections.abc import Sequence

from django.conf import settings
from django.urls import reverse

from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words


def _general_message(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    return Words(facts["subject"], facts["text"], short=facts["text"])


GENERAL_MESSAGE = NotificationType(
    "general_message", Category.OPERATIONAL, _general_message, may_opt_out=True
)


def _welcome(notifications: Sequence[Notification]) -> Words:
    """Tell the owner of a new firm where they sign in; never with what."""
    (notification,) = notifications
    firm, owner = notification.firm, notification.recipient_user
    assert owner is not None
    return Words(
        subject=f"Welcome to Nightshift: {firm.name} is ready",
        text=(
            f"Hello,\n\n{firm.name} is ready, and you own it.\n\n"
            f"Sign in here with the user name {owner.get_username()}:\n"
            f"{settings.SITE_URL}{reverse('admin:index')}\n\n"
            "Your password is not in this message. Whoever set the firm up can tell you; if "
            "you had an account before, it is the one you know.\n"
        ),
    )


FIRM_PROVISIONED = NotificationType(
    "firm_provisioned", Category.TRANSACTIONAL, _welcome, from_platform=True
)


def _text_received(notifications: Sequence[Notification]) -> Words:
    (notification,) = notifications
    facts = notification.context
    return Words(
        subject=f"A text message from {facts['from']}",
        text=f"{facts['text']}\n\nSent from {facts['number']}. Answers to this e-mail do not "
        "reach them.\n",
    )


TEXT_RECEIVED = NotificationType("text_received", Category.OPERATIONAL, _text_received)

TYPES: tuple[NotificationType, ...] = (GENERAL_MESSAGE, TEXT_RECEIVED, FIRM_PROVISIONED)
