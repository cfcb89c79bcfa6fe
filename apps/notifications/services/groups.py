"""Named sets of recipients."""

from datetime import date

from django.db.models import QuerySet

from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.notifications.models import NotificationGroup
from apps.notifications.types import group_rules


def members_of(group: NotificationGroup, *, today: date) -> QuerySet[Contact]:
    """Return the contacts that a group means on a day, each once.

    A group never reaches another firm's contacts, whatever its members or its rule say.
    """
    if group.kind == NotificationGroup.Kind.STATIC:
        found: QuerySet[Contact] = group.members.all()
    else:
        rule = group_rules().get(group.rule)
        if rule is None:
            raise Problem(f"group '{group.name}' has an unknown rule '{group.rule}'")
        found = rule(firm=group.firm, today=today)
    ours = Contact.objects.for_firm(group.firm).present()
    return ours.filter(pk__in=found.order_by().values("pk"))
