"""What the outbox holds about people."""

from django.db.models import Q

from apps.core.personal import Basis, Holding, People, by_contact
from apps.notifications.models import (
    Delivery,
    Notification,
    NotificationGroup,
    NotificationPreference,
    Suppression,
)


def _notifications(people: People) -> Q:
    return Q(recipient_contact__in=people.contacts) | Q(recipient_user__in=people.users)


def _deliveries(people: People) -> Q:
    return Q(notification__recipient_contact__in=people.contacts) | Q(
        notification__recipient_user__in=people.users
    )


def _preferences(people: People) -> Q:
    keys = [f"contact:{key}" for key in people.contacts]
    return Q(recipient_key__in=[*keys, *(f"user:{key}" for key in people.users)])


HOLDINGS = (
    Holding(
        Delivery,
        category="notifications",
        of=_deliveries,
        basis=Basis.OBSERVED,
        exports=("channel", "status", "sent_at", "read_at", "reason"),
        told=("reason",),  # a mail server's words may repeat an address
        plain=("provider_id",),
    ),
    Holding(
        Notification,
        category="notifications",
        of=_notifications,
        basis=Basis.OBSERVED,
        exports=("type", "context", "status", "created_at"),
        told=("context",),
        plain=("recipient_key", "dedupe_key", "subject_type", "subject_id"),
    ),
    Holding(
        NotificationPreference,
        category="preferences and consents",
        of=_preferences,
        exports=("channel", "category", "wanted", "created_at", "updated_at"),
        plain=("recipient_key",),
    ),
    # Nobody is found by it who does not name the address; erasure adds to it.
    Holding(Suppression, secret=("address_hash",)),
    Holding(
        NotificationGroup.members.through,
        category="groups",
        of=by_contact("contact"),
        firm="notificationgroup__firm",
        basis=Basis.DERIVED,
        exports=("notificationgroup__name",),
    ),
    Holding(NotificationGroup, told=("name",), plain=("rule",)),
)
