"""What calendars hold about people: who was invited where."""

from django.db.models import Q

from apps.calendars.models import (
    CalendarEvent,
    EventAttendee,
    WorkflowExecution,
    WorkflowRule,
)
from apps.core.personal import Holding, People


def _invited(people: People) -> Q:
    return Q(contact__in=people.contacts) | Q(user__in=people.users)


HOLDINGS = (
    Holding(
        EventAttendee,
        category="calendar",
        of=_invited,
        exports=("event__title", "event__starts_at", "event__ends_at", "created_at"),
    ),
    # ---- the firm's own, though anybody may be spoken of ----------------------------------
    Holding(WorkflowExecution, plain=("error",)),
    Holding(
        CalendarEvent,
        authors=("organiser",),
        told=("title", "category"),
        plain=("timezone", "external_uid"),
    ),
    Holding(WorkflowRule, told=("name", "category", "text"), plain=("action",)),
)
