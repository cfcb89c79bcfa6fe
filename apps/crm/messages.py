"""The words this app sends."""

from apps.notifications.types import NotificationType

TYPES: tuple[NotificationType, ...] = ()
