"""In the admin, an office …"""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.calendars.models import CalendarEvent, WorkflowExecution, WorkflowRule
from apps.firms.models import Firm, User
from tests.admin.world import staff_of
from tests.calendars.planning import at, planned, rule_of, utc
from tests.factories import (
    CalendarEventFactory,
    ContactFactory,
    UserFactory,
    WorkflowExecutionFactory,
)

pytestmark = pytest.mark.django_db

NONE = {
    f"{inline}-{count}_FORMS": 0
    for inline in ("attendees", "executions")
    for count in ("TOTAL", "INITIAL")
}


@pytest.fixture
def alice(firm: Firm) -> User:
    """Somebody who works for the firm."""
    return staff_of(firm)


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


def page(name: str, *keys: Any) -> str:
    return reverse(f"admin:calendars_{name}", args=keys)


def typed(firm: Firm, **changes: Any) -> dict[str, Any]:
    """An event from ten to eleven on 9 March 2025, the day when the clocks go forward."""
    event = {
        "firm": firm.pk, "title": "Kickoff", "timezone": "America/New_York", "category": "",
        "first_day": "2025-03-09", "begins": "10:00", "last_day": "2025-03-09", "ends": "11:00",
    }  # fmt: skip
    return event | NONE | changes


def test_enters_an_event_by_the_clock_of_its_zone(desk: Client, firm: Firm) -> None:
    rule_of(firm, offset_value=1, offset_unit="days")
    contact = ContactFactory(firm=firm)
    someone = {
        "attendees-TOTAL_FORMS": 1, "attendees-0-contact": contact.pk, "attendees-0-user": ""
    }  # fmt: skip
    with at("2025-01-01 12:00"):
        desk.post(page("calendarevent_add"), typed(firm, **someone))
    event = CalendarEvent.objects.get()
    assert event.starts_at == utc("2025-03-09 14:00")
    assert event.ends_at == utc("2025-03-09 15:00")
    assert event.attendees.get().contact == contact
    assert event.attendees.get().firm == firm
    assert planned(event) == [("Meeting prep", "03-08 15:00", "pending")]
    shown = desk.get(page("calendarevent_change", event.pk)).content.decode()
    assert 'value="10:00:00"' in shown
    assert "Meeting prep" in shown


def test_enters_whole_days(desk: Client, firm: Firm) -> None:
    whole = {"all_day": "on", "begins": "", "ends": ""}
    desk.post(page("calendarevent_add"), typed(firm, **whole))
    event = CalendarEvent.objects.get()
    assert event.starts_at == utc("2025-03-09 05:00")
    assert event.ends_at == utc("2025-03-10 04:00")
    moved = {**whole, "last_day": "2025-03-10"}
    desk.post(page("calendarevent_change", event.pk), typed(firm, **moved))
    event.refresh_from_db()
    assert (event.ends_at, event.sequence) == (utc("2025-03-11 04:00"), 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"begins": ""}, "Say when, or that it takes whole days."),
        ({"last_day": "2025-03-08"}, "It would end before it begins."),
        ({"timezone": "Mars/Olympus"}, "unknown timezone &#x27;Mars/Olympus&#x27;"),
        ({"attendees-TOTAL_FORMS": 1, "attendees-0-contact": "", "attendees-0-user": "me"},
         "Select a valid choice"),
    ],
)  # fmt: skip
def test_is_told_what_makes_no_sense(
    desk: Client, firm: Firm, changes: dict[str, Any], said: str
) -> None:
    answer = desk.post(page("calendarevent_add"), typed(firm, **changes))
    assert said in answer.content.decode()
    assert not CalendarEvent.objects.exists()


def test_invites_either_a_contact_or_a_colleague(desk: Client, firm: Firm, alice: User) -> None:
    both = {
        "attendees-TOTAL_FORMS": 1, "attendees-0-user": alice.pk,
        "attendees-0-contact": ContactFactory(firm=firm).pk,
    }  # fmt: skip
    answer = desk.post(page("calendarevent_add"), typed(firm, **both))
    assert "Choose a contact or a colleague." in answer.content.decode()
    strangers = {"organiser": UserFactory().pk}
    desk.post(page("calendarevent_add"), typed(firm, **strangers))
    assert not CalendarEvent.objects.exists()


def test_cancels_an_event_and_then_only_looks_at_it(desk: Client, firm: Firm) -> None:
    event = CalendarEventFactory(firm=firm, title="Kickoff")
    WorkflowExecutionFactory(event=event)
    theirs = CalendarEventFactory()
    pressed = {"action": "cancel", "confirmed": "1", "reason": "Ill"}
    keys = {"_selected_action": [event.pk, theirs.pk]}
    answer = desk.post(page("calendarevent_changelist"), pressed | keys, follow=True)
    assert "1 event cancelled." in answer.content.decode()
    assert WorkflowExecution.objects.get().status == "cancelled"
    theirs.refresh_from_db()
    assert theirs.status == "confirmed"
    shown = desk.get(page("calendarevent_change", event.pk)).content.decode()
    assert "10 June 2025 at 10:00" in shown
    assert 'name="title"' not in shown


def test_makes_a_rule_and_is_told_what_never_works(desk: Client, firm: Firm) -> None:
    rule = {
        "firm": firm.pk, "name": "Prep", "category": "", "active": "on", "step": 1,
        "trigger": "before_start", "offset_value": 5, "offset_unit": "minutes",
        "action": "tell_organiser", "text": "", "max_lateness_minutes": "",
    }  # fmt: skip
    answer = desk.post(page("workflowrule_add"), rule)
    assert "Rules are looked at every 15 minutes" in answer.content.decode()
    event = CalendarEventFactory(firm=firm)
    with at("2025-06-01 12:00"):
        desk.post(page("workflowrule_add"), rule | {"offset_value": 60})
        assert planned(event) == [("Prep", "06-10 13:00", "pending")]
        made = WorkflowRule.objects.get()
        off = {name: value for name, value in rule.items() if name != "active"}
        desk.post(page("workflowrule_change", made.pk), off | {"offset_value": 60})
    assert planned(event) == [("Prep", "06-10 13:00", "cancelled")]


def test_tries_again_what_has_failed(desk: Client, firm: Firm) -> None:
    failed = WorkflowExecutionFactory(event__firm=firm, status="failed", attempts=4)
    done = WorkflowExecutionFactory(event__firm=firm, status="succeeded")
    pressed = {
        "action": "try_again", "confirmed": "1", "reason": "It is back",
        "_selected_action": [failed.pk, done.pk],
    }  # fmt: skip
    answer = desk.post(page("workflowexecution_changelist"), pressed, follow=True)
    assert "1 execution put back into line, 1 skipped: " in answer.content.decode()
    failed.refresh_from_db()
    assert (failed.status, failed.attempts) == ("pending", 0)
