"""How messages are found: through whom they are for, or what they are about."""

from django.db.models import Model, QuerySet, Value

from apps.contacts.models import Contact
from apps.core.finding import Finder, Relation, words
from apps.firms.models import Firm, User
from apps.notifications.models import Delivery

_LABEL = words("notification__type", Value(" by "), "channel")


def _about(row: Model) -> "QuerySet[Delivery]":
    """Return the messages about a row, and of a contact or user those to them."""
    if isinstance(row, Contact):
        return Delivery.objects.filter(notification__recipient_contact=row)
    if isinstance(row, User):
        return Delivery.objects.filter(notification__recipient_user=row)
    if isinstance(row, Firm | Delivery):
        return Delivery.objects.none()
    return Delivery.objects.filter(
        notification__subject_type=row._meta.label_lower, notification__subject_id=str(row.pk)
    )


FINDERS = (Finder(model=Delivery, columns=(), label=_LABEL, loads=("firm", "notification")),)

RELATIONS = (Relation(to=Model, rows=_about, label=_LABEL, told=True),)
