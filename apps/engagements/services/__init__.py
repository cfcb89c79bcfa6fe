"""What happens in engagements: package invoices, and changes of what was agreed."""

from apps.engagements.services.agreements import (
    activate_engagement,
    cancel_engagement,
    complete_engagement,
    pause_engagement,
    resume_engagement,
)
from apps.engagements.services.changes import change_fee, change_interval, move_to_calendar
from apps.engagements.services.claims import issue_drafted_period, reissue_period
from apps.engagements.services.packages import generate_package_invoices

__all__ = [
    "activate_engagement",
    "cancel_engagement",
    "change_fee",
    "change_interval",
    "complete_engagement",
    "generate_package_invoices",
    "issue_drafted_period",
    "move_to_calendar",
    "pause_engagement",
    "reissue_period",
    "resume_engagement",
]
