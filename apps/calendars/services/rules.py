"""What people want to happen by itself."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from apps.audit.services import record
from apps.calendars.actions import actions
from apps.calendars.models import CalendarEvent, WorkflowRule
from apps.calendars.services.planning import call_off, plan
from apps.core import batches
from apps.core.problems import Problem
from apps.firms.models import User

LEAST = 15  # minutes: how often the job looks


def check_rule(rule: WorkflowRule) -> None:
    """Raise ``Problem`` for a rule that could never do anything."""
    action = actions().get(rule.action)
    if action is None:
        raise Problem(f"There is no action '{rule.action}'.")
    if action.needs_text and not rule.text.strip():
        raise Problem("This action needs a text.")
    if rule.trigger not in WorkflowRule.TIMED:
        if rule.offset_value:
            raise Problem("What happens at once takes no offset.")
        return
    is_before = rule.trigger == WorkflowRule.Trigger.BEFORE_START
    is_minutes = rule.offset_unit == WorkflowRule.Unit.MINUTES
    if is_before and is_minutes and rule.offset_value < LEAST:
        raise Problem(f"Rules are looked at every {LEAST} minutes: say at least that.")


def save_rule(*, rule: WorkflowRule, actor: User | None, now: datetime) -> WorkflowRule:
    """Write down a rule, and plan it anew for every event that is not over.

    Switched off, nothing of it waits any more. What it did is not done again.
    """
    check_rule(rule)
    with transaction.atomic():
        rule.save()
        events = CalendarEvent.objects.filter(firm=rule.firm_id, ends_at__gt=now)
        events = events.exclude(status=CalendarEvent.Status.CANCELLED)
        if rule.category:
            events = events.filter(category__iexact=rule.category)
        if not rule.active or rule.trigger not in WorkflowRule.TIMED:
            events = events.none()
        waiting = rule.executions.all()
        if rule.active:
            waiting = waiting.filter(~Q(event__in=events), event__ends_at__gt=now)
        call_off(waiting, now=now)
        for page in batches.pages(events):
            plan(page, [rule], now=now)
        record("workflow_rule_saved", rule, actor=actor, changes={"active": rule.active})
    return rule
