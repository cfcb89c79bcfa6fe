"""Which rule is to be carried out when: worked out whenever an event or a rule is saved."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from apps.calendars.models import CalendarEvent, WorkflowExecution, WorkflowRule

Trigger, Status = WorkflowRule.Trigger, WorkflowExecution.Status

_COLUMNS = ("occurrence_start", "scheduled_for", "next_attempt_at", "status", "updated_at")


def rules_for(
    event: CalendarEvent, triggers: Iterable[WorkflowRule.Trigger]
) -> "QuerySet[WorkflowRule]":
    """Return the firm's rules in force for such an event."""
    return WorkflowRule.objects.filter(
        Q(category="") | Q(category__iexact=event.category),
        firm=event.firm_id,
        active=True,
        trigger__in=list(triggers),
    )


def plan(
    events: Sequence[CalendarEvent], rules: Sequence[WorkflowRule], *, now: datetime
) -> None:
    """Plan rules for events, inside the transaction that changes either.

    What waits is moved along with its event; what was done for another time of the event is
    planned for the new one, too; what was done for this time stays done.
    """
    known: dict[tuple[int, int], list[WorkflowExecution]] = {}
    rows = WorkflowExecution.objects.filter(event__in=events, rule__in=rules)
    for row in rows.select_for_update(no_key=True).order_by("pk"):
        known.setdefault((row.event_id, row.rule_id), []).append(row)
    new, moved = list[WorkflowExecution](), list[WorkflowExecution]()
    for event in events:
        for rule in rules:
            at = rule.due_at(event, now=now)
            found = _which(known.get((event.pk, rule.pk), ()), event)
            if found is None:
                new.append(_execution(event, rule, at))
            elif found.status in {Status.PENDING, Status.CANCELLED}:
                found.occurrence_start, found.status = event.starts_at, Status.PENDING
                found.scheduled_for = found.next_attempt_at = at
                found.updated_at = now
                moved.append(found)
    WorkflowExecution.objects.bulk_create(new)
    WorkflowExecution.objects.bulk_update(moved, _COLUMNS)


def call_off(waiting: "QuerySet[WorkflowExecution]", *, now: datetime) -> None:
    """Cancel what waits; what is being done goes on to its end."""
    waiting.filter(status=Status.PENDING).update(status=Status.CANCELLED, updated_at=now)


def _which(rows: Iterable[WorkflowExecution], event: CalendarEvent) -> WorkflowExecution | None:
    """Return the execution for the event as it is now: that of its start, else what waits."""
    for row in rows:
        if row.occurrence_start == event.starts_at:
            return row
    return next((row for row in rows if row.status == Status.PENDING), None)


def _execution(event: CalendarEvent, rule: WorkflowRule, at: datetime) -> WorkflowExecution:
    return WorkflowExecution(
        firm_id=event.firm_id,
        rule=rule,
        event=event,
        occurrence_start=event.starts_at,
        scheduled_for=at,
        next_attempt_at=at,
    )
