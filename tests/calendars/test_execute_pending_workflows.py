"""execute_pending_workflows … (spec D12)."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEvent
from apps.calendars.models import CalendarEvent, WorkflowExecution, WorkflowRule
from apps.calendars.services import (
    cancel_event,
    execute_pending_workflows,
    save_rule,
    try_again,
)
from apps.core.problems import Problem
from apps.core.watching import watched_by
from apps.firms.models import Firm
from apps.notifications.models import Notification
from tests.calendars import doing
from tests.calendars.planning import (
    ENTERED,
    TEN,
    after,
    at,
    event_of,
    planned,
    printed,
    rule_of,
    states,
)
from tests.factories import FirmFactory
from tests.fieldwork.nightly import Meddles
from tests.test_every_job import changed, every_row

pytestmark = pytest.mark.django_db

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NINE = TEN - HOUR


# ---- what it does ---------------------------------------------------------------------------


def test_does_what_is_due_and_again_does_nothing(firm: Firm) -> None:
    neighbour = FirmFactory()
    rule_of(firm), rule_of(neighbour)
    event, theirs = event_of(firm), event_of(neighbour, starts_at=TEN + HOUR)
    assert printed(NINE - MINUTE)[-1] == "Summary: Executed: 0, Skipped: 0, Failed: 0"
    assert printed(NINE) == [
        "Executing pending workflows...",
        f'  ✓ Meeting prep for "Kickoff" (event {event.pk})',
        "Summary: Executed: 1, Skipped: 0, Failed: 0",
    ]
    execution = WorkflowExecution.objects.get(event=event)
    assert (execution.status, execution.attempts, execution.error) == ("succeeded", 1, "")
    assert (execution.finished_at, execution.lease_expires_at) == (NINE, None)
    told = Notification.objects.get()
    assert (told.recipient_user, told.dedupe_key) == (
        event.organiser, f"workflow:{execution.pk}"
    )  # fmt: skip
    assert planned(theirs) == [("Meeting prep", "06-10 14:00", "pending")]
    before = every_row()
    assert printed(NINE)[-1] == "Summary: Executed: 0, Skipped: 0, Failed: 0"
    assert changed(before, every_row()) == []


def test_leaves_no_trace_in_a_dry_run(firm: Firm) -> None:
    rule_of(firm)
    event = event_of(firm)
    before = every_row()
    assert printed(NINE, dry_run=True)[1] == (
        f'  ✓ Would execute Meeting prep for "Kickoff" (event {event.pk})'
    )
    assert changed(before, every_row()) == []


def test_goes_by_time_then_by_step(firm: Firm, deeds: list[str]) -> None:
    event = event_of(firm)
    for name, minutes, step in (("c", 60, 2), ("b", 60, 1), ("a", 90, 9), ("d", 60, 2)):
        rule_of(firm, name, offset_value=minutes, step=step, action="do")
    assert len(planned(event)) == 4
    printed(NINE)
    assert deeds == ["a", "b", "c", "d"]


def test_goes_on_with_what_a_dead_run_took(firm: Firm, deeds: list[str]) -> None:
    rule_of(firm, action="do")
    event_of(firm)
    taken = {"status": "running", "attempts": 1, "lease_expires_at": NINE + 10 * MINUTE}
    WorkflowExecution.objects.update(**taken)
    printed(NINE + 9 * MINUTE)
    assert deeds == []
    printed(NINE + 10 * MINUTE)
    assert (deeds, states()) == (["Meeting prep"], ["succeeded"])
    assert WorkflowExecution.objects.get().attempts == 2


def test_is_of_firms_that_are_served(firm: Firm, deeds: list[str]) -> None:
    rule_of(firm, action="do")
    event_of(firm)
    Firm.objects.update(status="suspended")
    printed(NINE)
    assert deeds == []
    assert printed(NINE, firm_id=firm.pk)[1] == f"Firm {firm.pk} is suspended; skipped."
    with pytest.raises(CommandError, match=r"^Firm with ID 999 does not exist\.$"):
        call_command("execute_pending_workflows", firm_id=999)


def test_does_one_firm_only(firm: Firm, deeds: list[str]) -> None:
    other = FirmFactory()
    for one in (firm, other):
        rule_of(one, f"Of {one.pk}", action="do")
        event_of(one)
    printed(NINE, firm_id=other.pk)
    assert deeds == [f"Of {other.pk}"]


# ---- too late, called off, switched off ------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "minutes", "most", "late", "done"),
    [
        # An hour and a half before: an hour late is all right, and a minute more is not.
        ("before_start", 90, None, 60, True),
        ("before_start", 90, None, 61, False),
        # Once it has begun, nobody wants to hear of it (acceptance 3).
        ("before_start", 30, None, 30, True),
        ("before_start", 30, None, 31, False),
        ("before_start", 90, 120, 90, True),
        ("before_start", 90, 120, 91, False),
        ("before_start", 90, 0, 1, False),
        ("after_end", 60, None, 24 * 60, True),
        ("after_end", 60, None, 24 * 60 + 1, False),
        ("after_end", 60, 30, 31, False),
    ],
)
def test_is_not_done_too_late(
    firm: Firm,
    deeds: list[str],
    trigger: str,
    minutes: int,
    most: int | None,
    late: int,
    done: bool,
) -> None:
    how = {"offset_value": minutes, "max_lateness_minutes": most, "action": "do"}
    rule_of(firm, trigger=trigger, **how)
    event = event_of(firm)
    due = WorkflowExecution.objects.get().scheduled_for
    said = printed(due + late * MINUTE)
    assert len(deeds) == done
    assert states() == ["succeeded" if done else "skipped"]
    if not done:
        assert said[1:] == [
            f'  - Skipped Meeting prep for "Kickoff" (event {event.pk}): too late',
            "Summary: Executed: 0, Skipped: 1, Failed: 0",
        ]


def test_prepares_whole_days_until_the_morning(firm: Firm, deeds: list[str]) -> None:
    rule_of(firm, offset_value=0, offset_unit="days", action="do")
    event_of(firm, all_day=True, starts_at=TEN - 10 * HOUR, ends_at=TEN + 14 * HOUR)
    printed(NINE)
    assert deeds == ["Meeting prep"]


def test_skips_what_was_cancelled_or_moved_behind_its_back(
    firm: Firm, deeds: list[str]
) -> None:
    rule_of(firm, action="do")
    event = event_of(firm)
    CalendarEvent.objects.update(status="cancelled")
    assert printed(NINE)[1] == (
        f'  - Skipped Meeting prep for "Kickoff" (event {event.pk}): event cancelled'
    )
    WorkflowExecution.objects.update(status="pending")
    CalendarEvent.objects.update(status="confirmed", starts_at=TEN + MINUTE)
    assert printed(NINE)[1].endswith(": the event was moved")
    WorkflowExecution.objects.update(status="pending")
    CalendarEvent.objects.update(starts_at=TEN)
    WorkflowRule.objects.update(active=False)
    assert printed(NINE)[1].endswith(": the rule is switched off")
    assert (deeds, states()) == ([], ["skipped"])


def test_says_that_an_event_was_cancelled(firm: Firm, deeds: list[str]) -> None:
    rule_of(firm, "Sorry", trigger="on_cancel", offset_value=0, action="do")
    cancel_event(event=event_of(firm), actor=None, reason="Ill", now=NINE)
    printed(NINE)
    assert deeds == ["Sorry"]


# ---- steps ----------------------------------------------------------------------------------


def test_lets_a_dependent_step_wait_and_be_left_out(firm: Firm, deeds: list[str]) -> None:
    event_of(firm)
    after(firm, "first", action="do", step=1)
    after(firm, "second", action="do", step=2, is_dependent=True)
    after(firm, "third", action="do", step=3)
    due = TEN + 2 * HOUR
    doing.troubles.append(OSError("down"))
    assert printed(due)[-2:] == [
        "Summary: Executed: 1, Skipped: 0, Failed: 1",
        "CommandError: 1 item(s) failed; see the log.",
    ]
    assert (deeds, states()) == (["third"], ["pending", "pending", "succeeded"])
    doing.troubles.append(Problem("never"))
    said = printed(due + 5 * MINUTE)
    assert said[2].endswith(": an earlier step failed")
    assert states() == ["failed", "skipped", "succeeded"]


# ---- trouble --------------------------------------------------------------------------------


def test_tries_again_after_five_fifteen_and_sixty_minutes(firm: Firm, deeds: list[str]) -> None:
    after(firm, action="do")
    event = event_of(firm)
    due = TEN + 2 * HOUR
    doing.troubles += [OSError("down")] * 4
    said = printed(due)
    assert said[1] == f'  ✗ Follow-up for "Kickoff" (event {event.pk}): OSError, again in 5 min'
    for wait in (5, 15, 60):
        due += wait * MINUTE
        assert printed(due - MINUTE)[-1] == "Summary: Executed: 0, Skipped: 0, Failed: 0"
        said = printed(due)
        assert said[-2] == "Summary: Executed: 0, Skipped: 0, Failed: 1"
    assert said[1] == f'  ✗ Follow-up for "Kickoff" (event {event.pk}): OSError'
    execution = WorkflowExecution.objects.get()
    assert (execution.status, execution.attempts, execution.error) == ("failed", 4, "OSError")
    try_again(execution=execution, actor=event.organiser, reason="It is back", now=due)
    printed(due)
    assert (deeds, states()) == (["Follow-up"], ["succeeded"])
    assert AuditEvent.objects.latest("pk").reason == "It is back"
    with pytest.raises(Problem, match="has not failed"):
        try_again(execution=execution, actor=None, reason="Again", now=due)


def test_gives_up_at_once_what_never_will_work_and_spares_the_rest(
    firm: Firm, deeds: list[str]
) -> None:
    event_of(firm)
    rule_of(firm, "one", action="do")
    WorkflowRule.objects.update(action="gone")
    rule_of(firm, "two", action="do")
    said = printed(NINE)
    assert said[1].endswith(": There is no action 'gone'.")
    assert (deeds, states()) == (["two"], ["failed", "succeeded"])


def test_leaves_no_half_when_it_is_killed(firm: Firm, deeds: list[str]) -> None:
    """Between the effect and its note (acceptance 6): one transaction holds both."""
    rule_of(firm, "Prep", action="tell_and_die")
    event_of(firm)
    with at(NINE), pytest.raises(KeyboardInterrupt):
        execute_pending_workflows()
    assert states() == ["running"]
    assert not Notification.objects.exists()
    WorkflowRule.objects.update(action="tell_organiser")
    printed(NINE + 5 * MINUTE)
    assert not Notification.objects.exists()
    printed(NINE + 15 * MINUTE)
    printed(NINE + 30 * MINUTE)
    assert Notification.objects.count() == 1
    assert WorkflowExecution.objects.get().attempts == 2


def test_does_once_what_was_edited_during_the_run(firm: Firm, deeds: list[str]) -> None:
    rule = rule_of(firm, action="do")
    event_of(firm)

    def edit() -> None:
        rule.offset_value = 61
        save_rule(rule=rule, actor=None, now=ENTERED)

    with at(NINE), watched_by(Meddles(edit)):
        execute_pending_workflows()
    with at(NINE):
        execute_pending_workflows()
    assert (deeds, states()) == (["Meeting prep"], ["succeeded"])
