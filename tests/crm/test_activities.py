"""What is done about a deal is logged, planned, held and called off."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.crm.models import Deal, DealActivity
from apps.crm.services import cancel_activity, hold_activity, log_activity, plan_activity
from apps.firms.models import User
from tests.crm.dealing import colleague
from tests.factories import DealFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 15, tzinfo=UTC)
YESTERDAY, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)


@pytest.fixture
def deal() -> Deal:
    return DealFactory(title="Fit-out")


@pytest.fixture
def ada(deal: Deal) -> User:
    return colleague(deal.firm, user__username="ada")


def log(deal: Deal, actor: User | None, at: datetime, **how: Any) -> DealActivity:
    facts = {"type": "call", "note": "They like it", "is_automated": False} | how
    return log_activity(deal=deal, occurred_at=at, actor=actor, now=NOW, **facts)


def plan(deal: Deal, actor: User | None, at: datetime, **how: Any) -> DealActivity:
    facts = {"type": "meeting", "note": "", "is_automated": False} | how
    return plan_activity(deal=deal, scheduled_for=at, actor=actor, now=NOW, **facts)


def trail() -> list[tuple[str, str, str, str]]:
    rows = AuditEvent.objects.order_by("pk")
    return list(rows.values_list("action", "actor_label", "object_type", "reason"))


def test_a_call_is_logged_and_touches_the_deal(deal: Deal, ada: User) -> None:
    activity = log(deal, ada, YESTERDAY)
    deal.refresh_from_db()
    assert (activity.firm, activity.author, activity.note) == (deal.firm, ada, "They like it")
    assert (activity.occurred_at, activity.scheduled_for) == (YESTERDAY, None)
    assert deal.last_activity_at == deal.touched_at == YESTERDAY
    assert trail() == [("deal_activity_logged", "ada", "crm.deal", "")]


def test_what_is_logged_late_does_not_set_the_deal_back(deal: Deal, ada: User) -> None:
    log(deal, ada, YESTERDAY)
    log(deal, ada, YESTERDAY - timedelta(days=5))
    deal.refresh_from_db()
    assert deal.last_activity_at == YESTERDAY


def test_an_automated_activity_is_kept_and_is_no_touch(deal: Deal) -> None:
    before = deal.touched_at
    log(deal, None, YESTERDAY, type="email_in", is_automated=True)
    deal.refresh_from_db()
    assert (deal.last_activity_at, deal.touched_at) == (None, before)
    assert trail() == [("deal_activity_logged", "system", "crm.deal", "")]


def test_a_received_email_is_a_touch_although_nobody_here_did_it(deal: Deal) -> None:
    log(deal, None, YESTERDAY, type="email_in")
    deal.refresh_from_db()
    assert deal.touched_at == YESTERDAY


def test_the_future_is_planned_and_the_past_logged(deal: Deal, ada: User) -> None:
    with pytest.raises(Problem, match=r"^What is still to come can only be planned\.$"):
        log(deal, ada, TOMORROW)
    with pytest.raises(Problem, match=r"^Only what is still to come can be planned\.$"):
        plan(deal, ada, NOW)
    assert not DealActivity.objects.exists()
    assert trail() == []


def test_a_plan_is_no_touch_until_it_is_held(deal: Deal, ada: User) -> None:
    before = deal.touched_at
    meeting = plan(deal, ada, TOMORROW)
    deal.refresh_from_db()
    assert deal.touched_at == before
    with pytest.raises(Problem, match=r"^What is still to come can only be planned\.$"):
        hold_activity(activity=meeting, occurred_at=TOMORROW, actor=ada, now=NOW)
    hold_activity(activity=meeting, occurred_at=TOMORROW, actor=ada, now=TOMORROW)
    deal.refresh_from_db()
    meeting.refresh_from_db()
    assert deal.touched_at == meeting.occurred_at == meeting.scheduled_for == TOMORROW
    assert [action for action, *_ in trail()] == [
        "deal_activity_planned", "deal_activity_held"
    ]  # fmt: skip


def test_a_plan_of_a_machine_that_was_carried_out_is_no_touch(deal: Deal) -> None:
    letter = plan(deal, None, TOMORROW, type="email_out", is_automated=True)
    hold_activity(activity=letter, occurred_at=TOMORROW, actor=None, now=TOMORROW)
    deal.refresh_from_db()
    assert deal.last_activity_at is None


def test_a_plan_is_called_off(deal: Deal, ada: User) -> None:
    meeting = plan(deal, ada, TOMORROW)
    cancel_activity(activity=meeting, actor=ada, reason="They are away", now=NOW)
    meeting.refresh_from_db()
    deal.refresh_from_db()
    assert (meeting.cancelled_at, meeting.occurred_at) == (NOW, None)
    assert deal.last_activity_at is None
    assert trail()[-1] == ("deal_activity_cancelled", "ada", "crm.deal", "They are away")


def test_what_is_over_is_neither_held_nor_called_off(deal: Deal, ada: User) -> None:
    cancelled = plan(deal, ada, TOMORROW)
    cancel_activity(activity=cancelled, actor=ada, reason="", now=NOW)
    held = log(deal, ada, YESTERDAY, type="meeting")
    for activity in (cancelled, held):
        words = r"^Meeting: Fit-out is not planned any more\.$"
        with pytest.raises(Problem, match=words):
            hold_activity(activity=activity, occurred_at=NOW, actor=ada, now=NOW)
        with pytest.raises(Problem, match=words):
            cancel_activity(activity=activity, actor=ada, reason="", now=NOW)
