"""What is planned around an event … (spec D12)."""

from datetime import timedelta
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.calendars.models import CalendarEvent, WorkflowExecution, WorkflowRule
from apps.calendars.services import cancel_event, save_event, save_rule
from apps.core.problems import Problem
from apps.firms.models import Firm
from tests.calendars.planning import (
    ENTERED,
    LONDON,
    NEW_YORK,
    TEN,
    after,
    event_of,
    move,
    planned,
    rule_of,
    utc,
)
from tests.factories import FirmFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("zone", "starts", "trigger", "offset", "due"),
    [
        # Minutes are counted by the clock, whatever it does.
        (NEW_YORK, "2025-06-10 14:00", "before_start", (60, "minutes"), "2025-06-10 13:00"),
        (NEW_YORK, "2025-03-09 16:00", "before_start", (1440, "minutes"), "2025-03-08 16:00"),
        (NEW_YORK, "2025-06-10 14:00", "after_end", (90, "minutes"), "2025-06-10 16:30"),
        # Days keep the time of day: 23 hours in spring (acceptance 4), 25 in autumn.
        (NEW_YORK, "2025-03-09 16:00", "before_start", (1, "days"), "2025-03-08 17:00"),
        (NEW_YORK, "2025-11-02 17:00", "before_start", (1, "days"), "2025-11-01 16:00"),
        (LONDON, "2025-03-30 11:00", "before_start", (1, "days"), "2025-03-29 12:00"),
        (LONDON, "2025-10-25 11:00", "after_end", (1, "days"), "2025-10-26 13:00"),
        (NEW_YORK, "2025-03-10 16:00", "before_start", (7, "days"), "2025-03-03 17:00"),
        # 02:30 does not exist on 9 March in New York: the first instant after the gap.
        (NEW_YORK, "2025-03-10 06:30", "before_start", (1, "days"), "2025-03-09 07:00"),
        # 01:30 comes twice on 2 November: the first.
        (NEW_YORK, "2025-11-03 06:30", "before_start", (1, "days"), "2025-11-02 05:30"),
        ("UTC", "2025-03-30 11:00", "before_start", (1, "days"), "2025-03-29 11:00"),
        (NEW_YORK, "2024-03-01 15:00", "before_start", (1, "days"), "2024-02-29 15:00"),
        (NEW_YORK, "2025-06-10 14:00", "before_start", (0, "days"), "2025-06-10 14:00"),
    ],
)
def test_is_due_at(
    firm: Firm, zone: str, starts: str, trigger: str, offset: tuple[int, str], due: str
) -> None:
    value, unit = offset
    rule_of(firm, trigger=trigger, offset_value=value, offset_unit=unit)
    event_of(firm, timezone=zone, starts_at=utc(starts))
    execution = WorkflowExecution.objects.get()
    assert execution.scheduled_for == execution.next_attempt_at == utc(due)
    assert (execution.firm, execution.occurrence_start) == (firm, utc(starts))


@pytest.mark.parametrize(
    ("trigger", "offset", "due"),
    [
        # Whole days begin and end at nine in the morning, on 10 and after 11 June.
        ("before_start", (0, "days"), "2025-06-10 13:00"),
        ("before_start", (1, "days"), "2025-06-09 13:00"),
        ("before_start", (30, "minutes"), "2025-06-10 12:30"),
        ("after_end", (0, "days"), "2025-06-12 13:00"),
        ("after_end", (60, "minutes"), "2025-06-12 14:00"),
    ],
)
def test_is_due_around_whole_days_at(
    firm: Firm, trigger: str, offset: tuple[int, str], due: str
) -> None:
    rule_of(firm, trigger=trigger, offset_value=offset[0], offset_unit=offset[1])
    event_of(
        firm, all_day=True, starts_at=utc("2025-06-10 04:00"), ends_at=utc("2025-06-12 04:00")
    )
    assert WorkflowExecution.objects.get().scheduled_for == utc(due)


def test_is_moved_along_with_it(firm: Firm) -> None:
    rule_of(firm)
    event = event_of(firm)
    assert planned(event) == [("Meeting prep", "06-10 13:00", "pending")]
    move(event, TEN + timedelta(hours=5))  # acceptance 2
    assert planned(event) == [("Meeting prep", "06-10 18:00", "pending")]
    assert event.sequence == 1


def test_is_done_again_for_another_time_and_never_twice_for_one(firm: Firm) -> None:
    rule_of(firm)
    event = event_of(firm)
    WorkflowExecution.objects.update(status="succeeded")
    later = TEN + timedelta(days=1)
    move(event, later)
    assert planned(event) == [
        ("Meeting prep", "06-10 13:00", "succeeded"),
        ("Meeting prep", "06-11 13:00", "pending"),
    ]
    move(event, TEN)  # back: this time was prepared
    assert planned(event)[0] == ("Meeting prep", "06-10 13:00", "succeeded")
    move(event, later)
    assert [state for _, _, state in planned(event)].count("pending") == 1
    assert WorkflowExecution.objects.count() == 2


def test_follows_what_happens_to_it(firm: Firm) -> None:
    for trigger in ("on_create", "on_reschedule", "on_cancel"):
        rule_of(firm, trigger, trigger=trigger, offset_value=0)
    rule_of(firm)
    event = event_of(firm)
    names = [name for name, _, _ in planned(event)]
    assert names == ["on_create", "Meeting prep"]
    event.title = "Kick-off"
    save_event(event=event, actor=None, now=ENTERED)
    assert len(planned(event)) == 2
    move(event, TEN + timedelta(hours=1))
    assert [name for name, _, _ in planned(event)] == [
        "on_create", "on_reschedule", "Meeting prep"
    ]  # fmt: skip
    cancel_event(event=event, actor=None, reason="Ill", now=ENTERED)
    assert {(name, state) for name, _, state in planned(event)} == {
        ("on_create", "cancelled"), ("on_reschedule", "cancelled"),
        ("Meeting prep", "cancelled"), ("on_cancel", "pending"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of_rule", "of_event", "count"),
    [("", "", 1), ("", "workshop", 1), ("Workshop", "workshop", 1), ("workshop", "", 0)],
)
def test_goes_by_its_category(firm: Firm, of_rule: str, of_event: str, count: int) -> None:
    rule_of(firm, category=of_rule)
    event = event_of(firm, category=of_event)
    assert len(planned(event)) == count
    event.category = "else"
    save_event(event=event, actor=None, now=ENTERED)
    states = [state for _, _, state in planned(event)]
    assert states == (["pending"] if count and not of_rule else ["cancelled"] * count)


def test_is_its_own_firms_and_of_rules_in_force(firm: Firm) -> None:
    rule_of(FirmFactory())
    rule_of(firm, "Off", active=False)
    assert planned(event_of(firm)) == []


def test_is_planned_anew_when_the_rule_changes(firm: Firm) -> None:
    rule = rule_of(firm)
    event, done = event_of(firm), event_of(firm, "Done")
    over = event_of(firm, "Over", starts_at=utc("2024-12-01 12:00"))
    WorkflowExecution.objects.filter(event=done).update(status="succeeded")
    rule.offset_value = 120
    save_rule(rule=rule, actor=None, now=ENTERED)
    assert planned(event) == [("Meeting prep", "06-10 12:00", "pending")]
    assert planned(done) == [("Meeting prep", "06-10 13:00", "succeeded")]
    assert planned(over) == [("Meeting prep", "12-01 11:00", "pending")]
    rule.active = False
    save_rule(rule=rule, actor=None, now=ENTERED)
    assert planned(event) == [("Meeting prep", "06-10 12:00", "cancelled")]
    rule.active = True
    save_rule(rule=rule, actor=None, now=ENTERED)
    assert planned(event) == [("Meeting prep", "06-10 12:00", "pending")]


def test_begins_with_a_new_rule_for_what_is_to_come(firm: Firm) -> None:
    coming, over = event_of(firm), event_of(firm, starts_at=utc("2024-12-01 12:00"))
    off = event_of(firm)
    cancel_event(event=off, actor=None, reason="Ill", now=ENTERED)
    theirs = event_of(FirmFactory())
    after(firm)
    assert [len(planned(one)) for one in (coming, over, off, theirs)] == [1, 0, 0, 0]


def test_is_written_down(firm: Firm) -> None:
    event = event_of(firm)
    move(event, TEN + timedelta(hours=1))
    cancel_event(event=event, actor=event.organiser, reason="Ill", now=ENTERED)
    trail = AuditEvent.objects.filter(object_id=str(event.pk)).order_by("pk")
    assert list(trail.values_list("action", "reason")) == [
        ("calendar_event_made", ""), ("calendar_event_changed", ""),
        ("calendar_event_cancelled", "Ill"),
    ]  # fmt: skip
    assert trail[1].changes == {"changed": ["ends_at", "starts_at"]}


def test_is_over_when_it_was_cancelled(firm: Firm) -> None:
    event = event_of(firm)
    cancel_event(event=event, actor=None, reason="Ill", now=ENTERED)
    with pytest.raises(Problem, match="is cancelled already"):
        cancel_event(event=event, actor=None, reason="Ill", now=ENTERED)
    with pytest.raises(Problem, match="Kickoff is cancelled"):
        save_event(event=event, actor=None, now=ENTERED)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"action": "fly"}, "There is no action 'fly'."),
        ({"action": "plan_call", "text": " "}, "This action needs a text."),
        ({"offset_value": 14}, "Rules are looked at every 15 minutes: say at least that."),
        ({"trigger": "on_cancel", "offset_value": 5}, "What happens at once takes no offset."),
    ],
)
def test_needs_a_rule_that_can_do_something(
    firm: Firm, facts: dict[str, Any], said: str
) -> None:
    with pytest.raises(Problem) as refused:
        rule_of(firm, **facts)
    assert str(refused.value) == said
    assert not WorkflowRule.objects.exists()


def test_begins_whole_days_in_the_morning_also_when_the_clocks_change() -> None:
    midnight, next_midnight = utc("2025-03-09 05:00"), utc("2025-03-10 04:00")
    event = CalendarEvent(
        all_day=True, timezone=NEW_YORK, starts_at=midnight, ends_at=next_midnight
    )
    found = [event.begins_at, event.is_over_at]
    assert found == [utc("2025-03-09 13:00"), utc("2025-03-10 13:00")]
