"""What happens to messages: into the outbox, out of the building, read."""

from apps.notifications.services.agreeing import record_consent
from apps.notifications.services.announcing import send_notification
from apps.notifications.services.delivery import deliver_notifications
from apps.notifications.services.discarding import discard_waiting
from apps.notifications.services.groups import members_of
from apps.notifications.services.inbox import SHOWN, count_unread, inbox_of, mark_read
from apps.notifications.services.outbox import (
    NO_ADDRESS,
    Draft,
    Planned,
    notify,
    recipient_key,
)
from apps.notifications.services.welcome import welcome_owners
from apps.notifications.services.wishes import (
    prefer,
    read_unsubscribe_token,
    suppress,
    unsubscribe_token,
)

__all__ = [
    "NO_ADDRESS",
    "SHOWN",
    "Draft",
    "Planned",
    "count_unread",
    "deliver_notifications",
    "discard_waiting",
    "inbox_of",
    "mark_read",
    "members_of",
    "notify",
    "prefer",
    "read_unsubscribe_token",
    "recipient_key",
    "record_consent",
    "send_notification",
    "suppress",
    "unsubscribe_token",
    "welcome_owners",
]
