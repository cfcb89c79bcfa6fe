"""The words in which people are told of what is in the calendar."""

from collections.abc import Mapping, Sequence

from apps.calendars.models import CalendarEvent, WorkflowRule
from apps.core.days import write_day, zone
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

Trigger = WorkflowRule.Trigger

_SAYS = {
    Trigger.BEFORE_START: "{title} begins on {when}.",
    Trigger.AFTER_END: "{title} of {when} is over.",
    Trigger.ON_CREATE: "{title} is on {when}.",
    Trigger.ON_RESCHEDULE: "{title} has been moved to {when}.",
    Trigger.ON_CANCEL: "{title} on {when} has been cancelled.",
}


def _workflow_notice(notifications: Sequence[Notification]) -> Words:
    [notification] = notifications
    facts = notification.context
    event = CalendarEvent.objects.get(pk=notification.subject_id)
    says = _SAYS[Trigger(facts["trigger"])].format(title=event.title, when=when(event))
    paragraphs = [says, facts["text"].strip()]
    return Words(
        " ".join(f"{facts['rule']}: {event.title}".split()),
        "\n\n".join(paragraph for paragraph in paragraphs if paragraph),
    )


def when(event: CalendarEvent) -> str:
    """Write when an event begins, on the clock of its zone: ``10 June 2025 at 09:00``."""
    local = event.starts_at.astimezone(zone(event.timezone))
    day = write_day(local.date())
    return day if event.all_day else f"{day} at {local:%H:%M} ({event.timezone})"


def _is_old(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which notices are no longer true: the event was cancelled or moved."""
    events = CalendarEvent.objects.in_bulk([int(one.subject_id) for one in notifications])
    reasons = {}
    for one in notifications:
        event = events.get(int(one.subject_id))
        is_cancelled = event is not None and event.status == event.Status.CANCELLED
        if event is None:
            reasons[one.pk] = "gone"
        elif is_cancelled != (one.context["trigger"] == Trigger.ON_CANCEL):
            reasons[one.pk] = "cancelled"
        elif event.starts_at.isoformat() != one.context["starts_at"]:
            reasons[one.pk] = "moved"
    return reasons


WORKFLOW_NOTICE = NotificationType(
    "workflow_notice",
    Category.OPERATIONAL,
    _workflow_notice,
    may_opt_out=True,
    still_wanted=_is_old,
)

TYPES: tuple[NotificationType, ...] = (WORKFLOW_NOTICE,)
