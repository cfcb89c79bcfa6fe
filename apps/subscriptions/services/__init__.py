"""What happens to subscriptions: renewed, paid, reminded of, suspended."""

from apps.subscriptions.services.receipts import apply_receipt, decide_order
from apps.subscriptions.services.renewals import process_recurring_payments
from apps.subscriptions.services.standing import (
    cancel_at_period_end,
    keep,
    reactivate,
    suspend,
)
from apps.subscriptions.services.statuses import check_subscription_status
from apps.subscriptions.services.trial import start_trial, tiers

__all__ = [
    "apply_receipt",
    "cancel_at_period_end",
    "check_subscription_status",
    "decide_order",
    "keep",
    "process_recurring_payments",
    "reactivate",
    "start_trial",
    "suspend",
    "tiers",
]
