"""Every type of notification, gathered as ``urls.py`` gathers routes."""

from apps.billing import messages as billing
from apps.calendars import messages as calendars
from apps.crm import messages as crm
from apps.discrepancies import messages as discrepancies
from apps.documents import messages as documents
from apps.engagements import messages as engagements
from apps.fieldwork import messages as fieldwork
from apps.leasing import messages as leasing
from apps.leasing.services.parties import renters_active_today
from apps.mailbox import messages as mailbox
from apps.notifications import messages as notifications
from apps.notifications.types import GroupRule, NotificationType
from apps.privacy import messages as privacy
from apps.subscriptions import messages as subscriptions
from apps.weather import messages as weather

TYPES: tuple[NotificationType, ...] = (
    *billing.TYPES,
    *subscriptions.TYPES,
    *leasing.TYPES,
    *engagements.TYPES,
    *fieldwork.TYPES,
    *weather.TYPES,
    *crm.TYPES,
    *calendars.TYPES,
    *documents.TYPES,
    *mailbox.TYPES,
    *discrepancies.TYPES,
    *notifications.TYPES,
    *privacy.TYPES,
)

# What dynamic groups mean, by the name a NotificationGroup knows it by.
GROUP_RULES: dict[str, GroupRule] = {"renters_active_today": renters_active_today}
