"""The words this app sends."""

from apps.fieldwork.messages import (
    compliance_expiry,
    contractors,
    customers,
    daily_summary,
    office,
    payout_reminders,
    pending_jobs,
    stale_jobs,
)
from apps.notifications.types import NotificationType

TYPES: tuple[NotificationType, ...] = (
    *contractors.TYPES,
    *customers.TYPES,
    *office.TYPES,
    *compliance_expiry.TYPES,
    *pending_jobs.TYPES,
    *daily_summary.TYPES,
    *payout_reminders.TYPES,
    *stale_jobs.TYPES,
)
