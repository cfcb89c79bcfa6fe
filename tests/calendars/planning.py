"""Events and rules as people make them, and runs of the job at moments."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from django.core.management import CommandError, call_command

from apps.calendars.models import CalendarEvent, WorkflowExecution, WorkflowRule
from apps.calendars.services import save_event, save_rule
from apps.firms.models import Firm
from tests.factories import MembershipFactory

NEW_YORK, LONDON = "America/New_York", "Europe/London"
ENTERED = datetime(2025, 1, 1, 12, tzinfo=UTC)  # long before everything
TEN = datetime(2025, 6, 10, 14, tzinfo=UTC)  # in New York


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(moment: datetime | str) -> time_machine.travel:
    return time_machine.travel(utc(moment) if isinstance(moment, str) else moment, tick=False)


def rule_of(firm: Firm, name: str = "Meeting prep", **how: Any) -> WorkflowRule:
    """Make a rule: an hour before each event its organiser is told."""
    facts = {"trigger": "before_start", "offset_value": 60, "action": "tell_organiser"}
    rule = WorkflowRule(firm=firm, name=name, **(facts | how))
    return save_rule(rule=rule, actor=None, now=ENTERED)


def after(firm: Firm, name: str = "Follow-up", **how: Any) -> WorkflowRule:
    """Make a rule for an hour after each event."""
    return rule_of(firm, name, trigger="after_end", **how)


def event_of(firm: Firm, title: str = "Kickoff", **how: Any) -> CalendarEvent:
    """Make an event, an hour from ten o'clock in New York on 10 June, unless otherwise said."""
    starts = how.pop("starts_at", TEN)
    facts = {"timezone": NEW_YORK, "ends_at": starts + timedelta(hours=1), "starts_at": starts}
    if "organiser" not in how:
        how["organiser"] = MembershipFactory(firm=firm).user
    event = CalendarEvent(firm=firm, title=title, **(facts | how))
    return save_event(event=event, actor=None, now=ENTERED)


def move(event: CalendarEvent, starts: datetime) -> CalendarEvent:
    """Move an event, which keeps its length."""
    event.ends_at += starts - event.starts_at
    event.starts_at = starts
    return save_event(event=event, actor=None, now=ENTERED)


def planned(event: CalendarEvent) -> list[tuple[str, str, str]]:
    """Return what is planned for an event: which rule, when (UTC), and how it stands."""
    rows = WorkflowExecution.objects.filter(event=event).select_related("rule")
    return [
        (row.rule.name, f"{row.scheduled_for:%m-%d %H:%M}", row.status)
        for row in rows.order_by("scheduled_for", "rule__step", "pk")
    ]


def states() -> list[str]:
    """Return how everything stands that was ever planned."""
    return list(WorkflowExecution.objects.order_by("pk").values_list("status", flat=True))


def printed(moment: datetime | str, **options: Any) -> list[str]:
    """Run the job at a moment, and return what it prints."""
    out = io.StringIO()
    with at(moment):
        try:
            call_command("execute_pending_workflows", stdout=out, **options)
        except CommandError as error:
            out.write(f"CommandError: {error}\n")
    return out.getvalue().splitlines()
