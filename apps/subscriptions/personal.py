"""What the platform's own books hold about people: its customers are firms."""

from apps.core.personal import Holding
from apps.subscriptions.models import PaymentOrder, Plan, Subscription

HOLDINGS = (
    Holding(
        PaymentOrder,
        plain=(
            *("external_order_id", "bog_order_id", "currency", "card_invalid_reason"),
            "failure_code",
        ),
        secret=("card_mask",),  # the firm's card, whoever's name is on it
    ),
    Holding(Subscription),
    Holding(Plan, firm="", plain=("code", "name", "currency")),
)
