"""Every type of notification, gathered as ``urls.py`` gathers routes."""

from apps.documents import messages as documents
from apps.leasing import messages as leasing
from apps.leasing.services.parties import renters_active_today
from apps.notifications import messages as notifications
from apps.notifications.types import GroupRule, NotificationType

TYPES: tuple[NotificationType, ...] = (
    *leasing.TYPES,
    *documents.TYPES,
    *notifications.TYPES,
)

# What dynamic groups mean, by the name a NotificationGroup knows it by.
GROUP_RULES: dict[str, GroupRule] = {"renters_active_today": renters_active_today}
