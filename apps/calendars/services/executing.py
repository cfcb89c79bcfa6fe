"""The job: carry out what has fallen due (spec D12)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from apps.calendars.actions import Work, WorkflowReason, actions
from apps.calendars.models import (
    CalendarEvent,
    WorkflowExecution,
    WorkflowExecutionQuerySet,
    WorkflowRule,
)
from apps.core.days import Clock
from apps.core.problems import Problem, sentence
from apps.core.reports import Item, Report, Skip, Subject
from apps.firms.services import find_firm, why_not_served

Status, Trigger = WorkflowExecution.Status, WorkflowRule.Trigger

MOST = 500  # in one run; the next is soon
LEASE = timedelta(minutes=10)  # then whoever took it is gone
RETRIES = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))

EXECUTED, SKIPPED = "executed", "skipped"  # tallies

Items = Sequence[Item[WorkflowExecution]]


def execute_pending_workflows(*, firm_id: int | None = None, dry_run: bool = False) -> Report:
    """Carry out the calendar's rules that have fallen due.

    By time, then by step; 500 in one run. Each is taken for ten minutes before it is done,
    and done in one transaction with the note that it was: nothing happens twice, whatever
    dies when. What is too late is skipped: before an event after an hour or once it has
    begun, else after a day, unless the rule says otherwise; so is what belongs to a cancelled
    event. What fails for the moment is tried again after 5, 15 and 60 minutes.
    """
    clock = Clock.read()
    report = Report(dry_run=dry_run, heading="Executing pending workflows...", summary=_summary)
    rows = of_served()
    if firm_id is not None:
        firm = find_firm(firm_id)
        if left_out := why_not_served(firm):
            report.says(left_out)
        rows = rows.filter(firm=firm)
    due = list(_ready(rows.due(now=clock.now))[:MOST])
    report.expect(len(due))
    report.attempt_each(
        due,
        partial(_take, now=clock.now),
        subject=Subject.of,
        then=partial(_carry_out, report=report, now=clock.now),
    )
    return report


def of_served() -> WorkflowExecutionQuerySet:
    """Return what follows from the events of served firms."""
    return WorkflowExecution.objects.filter(firm__is_active=True)


def _ready(rows: "QuerySet[WorkflowExecution]") -> "QuerySet[WorkflowExecution]":
    return rows.select_related("rule", "event").order_by("scheduled_for", "rule__step", "pk")


# ---- first: take what is to be done, and close what is not ----------------------------------


def _take(items: Items, *, now: datetime) -> None:
    """Take executions; what must not be done any more is closed instead."""
    keys = [item.thing.pk for item in items]
    due = WorkflowExecution.objects.due(now=now).filter(pk__in=keys)
    locked = due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
    # Read again behind the lock: the event may have been moved since.
    ours = _ready(WorkflowExecution.objects.all()).in_bulk(list(locked))
    closed: dict[WorkflowReason, list[int]] = {}
    taken = []
    for item in items:
        execution = ours.get(item.thing.pk)
        if execution is None:
            item.skip(WorkflowReason.TAKEN)
        elif reason := why_not(execution, now):
            closed.setdefault(reason, []).append(execution.pk)
            _leave(item, reason)
        else:
            taken.append(execution.pk)
            item.does("execute", tally=EXECUTED)
            item.says(f"{item.thing}", would=f"Would execute {item.thing}")
    for reason, some in closed.items():
        _close(some, Status.SKIPPED, str(reason.label), now)
    WorkflowExecution.objects.filter(pk__in=taken).update(
        status=Status.RUNNING,
        lease_expires_at=now + LEASE,
        attempts=F("attempts") + 1,
        updated_at=now,
    )


def why_not(execution: WorkflowExecution, now: datetime) -> WorkflowReason | None:
    """Return why something that is due is not to be done, or nothing."""
    rule, event = execution.rule, execution.event
    is_before = rule.trigger == Trigger.BEFORE_START
    is_cancelled = event.status == CalendarEvent.Status.CANCELLED
    if is_cancelled and rule.trigger != Trigger.ON_CANCEL:
        return WorkflowReason.CANCELLED
    if not rule.active:
        return WorkflowReason.SWITCHED_OFF
    if execution.occurrence_start != event.starts_at and rule.trigger in rule.TIMED:
        return WorkflowReason.MOVED
    if now - execution.scheduled_for > rule.most_late or (is_before and now > event.begins_at):
        return WorkflowReason.TOO_LATE
    return None


# ---- then: do it, each in a transaction of its own -------------------------------------------


def _carry_out(items: Items, *, report: Report, now: datetime) -> None:
    for item in items:
        report.pause()
        _do(item, now)


def _do(item: Item[WorkflowExecution], now: datetime) -> None:
    """Do one thing, and note in the same transaction that it was done."""
    execution = _ready(WorkflowExecution.objects.all()).get(pk=item.thing.pk)
    try:
        with transaction.atomic(durable=True):
            _check_steps(execution)
            action = actions().get(execution.rule.action)
            if action is None:
                raise Problem(f"There is no action '{execution.rule.action}'.")
            if not _finish(execution, Status.SUCCEEDED, "", now):
                raise Skip(WorkflowReason.TAKEN)
            action.act(Work(execution, now))
    except Skip as skip:
        reason = WorkflowReason(skip.reason)
        if reason == WorkflowReason.WAITS:
            _put_back(execution, now + RETRIES[0], "", now)
        elif reason != WorkflowReason.TAKEN:
            _finish(execution, Status.SKIPPED, str(reason.label), now)
        _leave(item, reason)
    except Problem as problem:  # it will not work tomorrow, either
        _finish(execution, Status.FAILED, str(problem), now)
        item.fail(problem)
    except Exception as error:
        _fail_for_now(item, execution, error, now)


def _check_steps(execution: WorkflowExecution) -> None:
    """Let what depends on an earlier step wait for it, and not be done when it has failed."""
    if not execution.rule.is_dependent:
        return
    earlier = WorkflowExecution.objects.filter(
        event=execution.event_id,
        occurrence_start=execution.occurrence_start,
        rule__trigger=execution.rule.trigger,
        rule__step__lt=execution.rule.step,
    )
    states = set(earlier.values_list("status", flat=True))
    if Status.FAILED in states:
        raise Skip(WorkflowReason.STEP_FAILED)
    if states & {Status.PENDING, Status.RUNNING}:
        raise Skip(WorkflowReason.WAITS)


def _fail_for_now(
    item: Item[WorkflowExecution],
    execution: WorkflowExecution,
    error: Exception,
    now: datetime,
) -> None:
    """Try again later, or give up."""
    item.fail(error)
    if execution.attempts > len(RETRIES):
        _finish(execution, Status.FAILED, sentence(error), now)
        return
    wait = RETRIES[execution.attempts - 1]
    _put_back(execution, now + wait, sentence(error), now)
    item.line += f", again in {wait // timedelta(minutes=1)} min"


def _ours(execution: WorkflowExecution) -> "QuerySet[WorkflowExecution]":
    """Return the row as long as nobody has taken it since: a lease may have run out."""
    return WorkflowExecution.objects.filter(
        pk=execution.pk, status=Status.RUNNING, attempts=execution.attempts
    )


def _finish(
    execution: WorkflowExecution, status: WorkflowExecution.Status, error: str, now: datetime
) -> int:
    return _ours(execution).update(**_end(status, error, now))


def _put_back(execution: WorkflowExecution, at: datetime, error: str, now: datetime) -> None:
    _ours(execution).update(
        status=Status.PENDING,
        next_attempt_at=at,
        lease_expires_at=None,
        error=error[:200],
        updated_at=now,
    )


def _close(
    keys: Iterable[int], status: WorkflowExecution.Status, error: str, now: datetime
) -> None:
    rows = WorkflowExecution.objects.filter(pk__in=keys)
    rows.update(**_end(status, error, now))


def _end(status: WorkflowExecution.Status, error: str, now: datetime) -> dict[str, Any]:
    return {
        "status": status,
        "error": error[:200],
        "finished_at": now,
        "lease_expires_at": None,
        "updated_at": now,
    }


def _leave(item: Item[WorkflowExecution], reason: WorkflowReason) -> None:
    if reason.routine:
        item.skip(reason)
        return
    item.skip(reason, f"Skipped {item.thing}: {reason.label}")
    item.tallies = [SKIPPED]


def _summary(report: Report) -> list[str]:
    executed, skipped = report.tallies[EXECUTED], report.tallies[SKIPPED]
    return [f"Summary: Executed: {executed}, Skipped: {skipped}, Failed: {report.failed}"]
