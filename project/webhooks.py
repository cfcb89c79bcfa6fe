"""Who acts on which provider's events, gathered as ``urls.py`` gathers routes."""

from apps.billing.services.stripe_events import StripeEvents
from apps.notifications.services.bounces import MailReports
from apps.notifications.services.callbacks import TextEvents
from apps.subscriptions.services.callbacks import BankCallbacks
from apps.webhooks.handling import Handler

HANDLERS: dict[str, Handler] = {
    "stripe": StripeEvents(),
    "bog": BankCallbacks(),
    "twilio": TextEvents(),
    "mail": MailReports(),
}
