"""What somebody has told the firm they want, written down by its staff."""

from django.db import transaction

from apps.audit.services import record
from apps.contacts.models import Contact
from apps.firms.models import User
from apps.notifications.models import Channel, NotificationPreference
from apps.notifications.services.outbox import recipient_key
from apps.notifications.services.wishes import prefer
from apps.notifications.types import Category


def record_consent(
    *,
    contact: Contact,
    channel: Channel,
    category: Category | None,
    wanted: bool,
    how: str,
    actor: User | None,
) -> NotificationPreference:
    """Write down what somebody wants on a channel, and how they said so.

    Replaces what was known of that channel and category. SMS is sent to nobody without it;
    who has said STOP by SMS gets none whatever stands here, until they say START.
    """
    key = recipient_key(contact)
    with transaction.atomic():
        prefer(
            firm_id=contact.firm_id,
            recipient_key=key,
            channel=channel,
            wanted=wanted,
            category=category,
        )
        row = NotificationPreference.objects.get(
            firm=contact.firm_id, recipient_key=key, channel=channel, category=category or ""
        )
        changes = {"channel": str(channel), "category": row.category, "wanted": wanted}
        record("notification_wish", contact, actor=actor, changes=changes, reason=how)
    return row
