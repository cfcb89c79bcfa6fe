"""Events, and what is to happen around them."""

from datetime import UTC, datetime, timedelta

import factory
from factory.django import DjangoModelFactory

from apps.calendars.models import (
    CalendarEvent,
    EventAttendee,
    WorkflowExecution,
    WorkflowRule,
)
from tests.factories.people import ContactFactory, FirmFactory


class CalendarEventFactory(DjangoModelFactory[CalendarEvent]):
    """An hour from ten o'clock in New York on 10 June 2025; nothing is planned for it."""

    class Meta:
        model = CalendarEvent

    firm = factory.SubFactory(FirmFactory)
    title = factory.Sequence(lambda n: f"Meeting {n}")
    starts_at = datetime(2025, 6, 10, 14, tzinfo=UTC)
    ends_at = factory.LazyAttribute(lambda o: o.starts_at + timedelta(hours=1))
    timezone = "America/New_York"


class EventAttendeeFactory(DjangoModelFactory[EventAttendee]):
    class Meta:
        model = EventAttendee

    event = factory.SubFactory(CalendarEventFactory)
    firm = factory.SelfAttribute("event.firm")
    contact = factory.SubFactory(ContactFactory, firm=factory.SelfAttribute("..firm"))


class WorkflowRuleFactory(DjangoModelFactory[WorkflowRule]):
    """An hour before each event, its organiser is told."""

    class Meta:
        model = WorkflowRule

    firm = factory.SubFactory(FirmFactory)
    name = factory.Sequence(lambda n: f"Rule {n}")
    trigger = WorkflowRule.Trigger.BEFORE_START
    offset_value = 60
    action = "tell_organiser"


class WorkflowExecutionFactory(DjangoModelFactory[WorkflowExecution]):
    """Due at nine o'clock in New York on 10 June 2025."""

    class Meta:
        model = WorkflowExecution

    event = factory.SubFactory(CalendarEventFactory)
    firm = factory.SelfAttribute("event.firm")
    rule = factory.SubFactory(WorkflowRuleFactory, firm=factory.SelfAttribute("..firm"))
    occurrence_start = factory.SelfAttribute("event.starts_at")
    scheduled_for = datetime(2025, 6, 10, 13, tzinfo=UTC)
    next_attempt_at = factory.SelfAttribute("scheduled_for")
