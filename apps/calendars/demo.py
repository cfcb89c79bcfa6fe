"""Acme's calendar: a meeting to prepare, one to follow up, one missed (spec E3.1)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from apps.calendars.models import CalendarEvent, EventAttendee, WorkflowRule
from apps.calendars.services import save_event, save_rule
from apps.contacts.models import Contact
from apps.core.demo import World
from apps.firms.models import Firm, User


def seed(world: World) -> None:
    """Make the rules, then the events as they were entered some days ago."""
    facts = world.fixture("calendars")
    firm = Firm.objects.get(slug=facts["firm"])
    entered = world.clock.now - timedelta(days=facts["entered_days_ago"])
    for entry in facts["rules"]:
        save_rule(rule=WorkflowRule(firm=firm, **entry), actor=None, now=entered)
    for entry in facts["events"]:
        _event(world, firm, entry, facts["entered_days_ago"])
    world.count("workflow rules", len(facts["rules"]))
    world.count("calendar events", len(facts["events"]))


def _event(world: World, firm: Firm, entry: Mapping[str, Any], days_ago: int) -> None:
    starts = world.clock.now + timedelta(minutes=entry["starts_in_minutes"])
    event = CalendarEvent(
        firm=firm,
        title=entry["title"],
        category=entry["category"],
        organiser=User.objects.get(username=entry["organiser"]),
        starts_at=starts,
        ends_at=starts + timedelta(minutes=entry["lasts_minutes"]),
        timezone=firm.timezone,
        external_uid=f"{entry['uid']}@acme-consulting.example",
    )
    now = world.clock.now - timedelta(days=days_ago)
    save_event(event=event, actor=event.organiser, now=now)
    contact = Contact.objects.get(firm=firm, display_name=entry["with"])
    EventAttendee.objects.create(firm=firm, event=event, contact=contact)
