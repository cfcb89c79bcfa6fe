"""What happens to deals: what people do with them, and what the jobs say when nobody does."""

from apps.crm.services.activities import (
    cancel_activity,
    hold_activity,
    log_activity,
    plan_activity,
)
from apps.crm.services.closing import lose_deal, reopen_deal, win_deal
from apps.crm.services.deals import change_deal, create_deal, move_deal, snooze_deal
from apps.crm.services.pipelines import open_pipeline
from apps.crm.services.reminders import send_stale_deal_reminders
from apps.crm.services.stale import check_stale_deals

__all__ = [
    "cancel_activity",
    "change_deal",
    "check_stale_deals",
    "create_deal",
    "hold_activity",
    "log_activity",
    "lose_deal",
    "move_deal",
    "open_pipeline",
    "plan_activity",
    "reopen_deal",
    "send_stale_deal_reminders",
    "snooze_deal",
    "win_deal",
]
