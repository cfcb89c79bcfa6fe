"""A notice of the calendar says …"""

from datetime import timedelta

import pytest

from apps.calendars.models import CalendarEvent
from apps.calendars.services import cancel_event
from apps.firms.models import Firm
from apps.notifications.models import Notification
from tests.calendars.planning import TEN, event_of, move, printed, rule_of
from tests.fieldwork.nightly import no_longer_wanted, words

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("trigger", "says"),
    [
        ("before_start", "Kickoff begins on {ten}."),
        ("after_end", "Kickoff of {ten} is over."),
        ("on_create", "Kickoff is on {ten}."),
        (
            "on_reschedule",
            "Kickoff has been moved to {eleven}.",
        ),
        (
            "on_cancel",
            "Kickoff on {ten} has been cancelled.",
        ),
    ],
)
def test_what_it_is_about(firm: Firm, trigger: str, says: str) -> None:
    timed = trigger in {"before_start", "after_end"}
    how = {"offset_value": 60 * timed, "max_lateness_minutes": 43_200}
    rule_of(firm, trigger=trigger, text="Bring the figures.\n", **how)
    event = event_of(firm)
    if trigger == "on_reschedule":
        move(event, TEN + timedelta(hours=1))
    if trigger == "on_cancel":
        cancel_event(event=event, actor=None, reason="Ill", now=TEN)
    due = event.executions.get().scheduled_for
    printed(due)
    said = words(Notification.objects.get())
    assert said.subject == "Meeting prep: Kickoff"
    ten, eleven = (f"10 June 2025 at {n}:00 (America/New_York)" for n in (10, 11))
    expected = says.format(ten=ten, eleven=eleven)
    assert said.text == f"{expected}\n\nBring the figures."
    assert no_longer_wanted(Notification.objects.get()) == [""]


def test_the_day_of_whole_days(firm: Firm) -> None:
    rule_of(firm)
    event_of(firm, all_day=True, starts_at=TEN - timedelta(hours=10), ends_at=TEN)
    printed("2025-06-10 12:00")
    assert words(Notification.objects.get()).text == "Kickoff begins on 10 June 2025."


def test_nothing_once_it_was_cancelled_or_moved(firm: Firm) -> None:
    rule_of(firm)
    event_of(firm)
    printed(TEN - timedelta(hours=1))
    told = Notification.objects.get()
    for changes, why in (
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "confirmed", "starts_at": TEN + timedelta(minutes=1)}, "moved"),
    ):
        CalendarEvent.objects.update(**changes)
        assert no_longer_wanted(told) == [why]
