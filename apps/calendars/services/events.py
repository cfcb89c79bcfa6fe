"""What people do to events."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.calendars.models import CalendarEvent, WorkflowRule
from apps.calendars.services.planning import call_off, plan, rules_for
from apps.core.problems import Problem
from apps.firms.models import User

Status, Trigger = CalendarEvent.Status, WorkflowRule.Trigger

_MOVES = {"starts_at", "ends_at", "timezone", "all_day"}
_FACTS = ("title", "category", "organiser", "starts_at", "ends_at", "timezone", "all_day")


def save_event(*, event: CalendarEvent, actor: User | None, now: datetime) -> CalendarEvent:
    """Write down an event as it was typed, and plan what is to happen around it.

    Moving it moves what waits; changing its category changes which rules are for it. Raises
    ``Problem`` for one that was cancelled.
    """
    with transaction.atomic():
        before = _lock(event) if event.pk else None
        if before is not None and before.status == Status.CANCELLED:
            raise Problem(f"{event} is cancelled.")
        changed = _changed(before, event)
        if before is None:
            _write("calendar_event_made", event, actor, changed)
            _plan(event, {*WorkflowRule.TIMED, Trigger.ON_CREATE}, now)
        elif changed:
            event.sequence = before.sequence + 1
            _write("calendar_event_changed", event, actor, changed)
            if changed & {*_MOVES, "category"}:
                moved = {Trigger.ON_RESCHEDULE} if "starts_at" in changed else set()
                _plan(event, {*WorkflowRule.TIMED, *moved}, now)
    return event


def cancel_event(
    *, event: CalendarEvent, actor: User | None, reason: str, now: datetime
) -> CalendarEvent:
    """Call an event off, and with it what waits for it; what is due because of that is planned.

    Raises ``Problem`` when it was cancelled before.
    """
    with transaction.atomic():
        event = _lock(event)
        if event.status == Status.CANCELLED:
            raise Problem(f"{event} is cancelled already.")
        event.status, event.sequence = Status.CANCELLED, event.sequence + 1
        event.save()
        call_off(event.executions.all(), now=now)
        plan([event], list(rules_for(event, [Trigger.ON_CANCEL])), now=now)
        record("calendar_event_cancelled", event, actor=actor, reason=reason)
    return event


def _lock(event: CalendarEvent) -> CalendarEvent:
    return CalendarEvent.objects.select_for_update(no_key=True).get(pk=event.pk)


def _changed(before: CalendarEvent | None, event: CalendarEvent) -> set[str]:
    if before is None:
        return set()
    return {name for name in _FACTS if getattr(before, name) != getattr(event, name)}


def _write(action: str, event: CalendarEvent, actor: User | None, changed: set[str]) -> None:
    event.save()
    record(action, event, actor=actor, changes={"changed": sorted(changed)})


def _plan(event: CalendarEvent, because: Iterable[WorkflowRule.Trigger], now: datetime) -> None:
    rules = list(rules_for(event, because))
    timed = event.executions.filter(rule__trigger__in=WorkflowRule.TIMED)
    call_off(timed.exclude(rule__in=rules), now=now)
    plan([event], rules, now=now)
