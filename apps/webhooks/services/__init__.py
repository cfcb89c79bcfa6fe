"""What happens in the inbox."""

from apps.webhooks.services.accounts import (
    accounts_by_firm,
    disable_account,
    enable_account,
    find_account,
    save_account,
    usable_accounts,
)
from apps.webhooks.services.answering import act_at_once
from apps.webhooks.services.cleanup import cleanup_webhook_events
from apps.webhooks.services.decisions import give_up, process_again
from apps.webhooks.services.erasing import forget_somebody
from apps.webhooks.services.intake import ASKED_FOR, MOST_BYTES, count_refusal, receive
from apps.webhooks.services.processing import process_webhook_events
from apps.webhooks.services.senders import Reason, Refused

__all__ = [
    "ASKED_FOR",
    "MOST_BYTES",
    "Reason",
    "Refused",
    "accounts_by_firm",
    "act_at_once",
    "cleanup_webhook_events",
    "count_refusal",
    "disable_account",
    "enable_account",
    "find_account",
    "forget_somebody",
    "give_up",
    "process_again",
    "process_webhook_events",
    "receive",
    "save_account",
    "usable_accounts",
]
