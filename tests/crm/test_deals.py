"""A deal is made, moved, changed, put to sleep, won, lost and taken up again."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.crm.models import Deal, DealActivity, Stage, StaleDealAlert
from apps.crm.services import (
    change_deal,
    create_deal,
    lose_deal,
    move_deal,
    reopen_deal,
    snooze_deal,
    win_deal,
)
from apps.firms.models import Firm, Membership, User
from tests.crm.dealing import colleague, deal_of, stage_of
from tests.factories import (
    ContactFactory,
    StageFactory,
    StaleDealAlertFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 15, tzinfo=UTC)
TODAY = date(2025, 6, 10)


@pytest.fixture
def ada(firm: Firm) -> User:
    return colleague(firm, user__username="ada")


@pytest.fixture
def deal(firm: Firm, ada: User) -> Deal:
    return deal_of(firm, title="Fit-out", owner=ada)


def trail() -> list[tuple[str, str, dict[str, Any], str]]:
    rows = AuditEvent.objects.order_by("pk")
    return list(rows.values_list("action", "actor_label", "changes", "reason"))


def make(stage: Stage, **how: Any) -> Deal:
    facts: dict[str, Any] = {
        "contact": ContactFactory(firm=stage.firm),
        "title": "Fit-out",
        "owner": None,
        "amount_minor": 4_500_000,
        "currency": "USD",
        "close_date": date(2025, 7, 31),
        "actor": None,
        "now": NOW,
    }
    return create_deal(stage=stage, **facts | how)


# ---- made -----------------------------------------------------------------------------------


def test_a_deal_begins_in_its_stage_and_is_touched_then(firm: Firm, ada: User) -> None:
    stage = stage_of(firm)
    deal = make(stage, owner=ada, actor=ada)
    deal.refresh_from_db()
    assert (deal.firm, deal.pipeline, deal.stage) == (firm, stage.pipeline, stage)
    assert (deal.status, deal.amount_minor, deal.currency) == ("open", 4_500_000, "USD")
    assert deal.created_at == deal.stage_entered_at == deal.touched_at == NOW
    assert trail() == [("deal_created", "ada", {"stage": stage.pk}, "")]


def test_a_deal_is_with_a_contact_and_a_colleague_of_its_firm(firm: Firm) -> None:
    stage, left = stage_of(firm), colleague(firm, user__username="bob")
    Membership.objects.filter(user=left).update(is_active=False)
    gone = colleague(firm, user__username="carl", user__is_active=False)
    for owner in (UserFactory(username="mallory"), left, gone):
        with pytest.raises(Problem, match=f"^{owner} does not work here\\.$"):
            make(stage, owner=owner)
    with pytest.raises(Problem, match=r"^Stranger is a contact of another firm\.$"):
        make(stage, contact=ContactFactory(display_name="Stranger"))
    assert not Deal.objects.exists()


# ---- moved ----------------------------------------------------------------------------------


def test_a_deal_is_moved_along_its_pipeline(deal: Deal, ada: User) -> None:
    there = StageFactory(pipeline=deal.pipeline, name="Proposal")
    before = deal.stage.pk
    move_deal(deal=deal, stage=there, actor=ada, now=NOW)
    deal.refresh_from_db()
    assert (deal.stage, deal.stage_entered_at) == (there, NOW)
    assert trail() == [("deal_moved", "ada", {"stage": [before, there.pk]}, "")]
    with pytest.raises(Problem, match=r"^Fit-out is in Proposal already\.$"):
        move_deal(deal=deal, stage=there, actor=ada, now=NOW)


def test_a_deal_that_a_machine_moves_is_not_touched(deal: Deal) -> None:
    before = deal.touched_at
    moved = move_deal(
        deal=deal, stage=StageFactory(pipeline=deal.pipeline), actor=None, now=NOW
    )
    assert moved.touched_at == before


def test_a_deal_does_not_get_into_another_pipeline(deal: Deal, firm: Firm, ada: User) -> None:
    for stage in (stage_of(firm, name="Other"), StageFactory(name="Other")):
        with pytest.raises(Problem, match=r"^Other is a stage of another pipeline\.$"):
            move_deal(deal=deal, stage=stage, actor=ada, now=NOW)
    assert trail() == []


# ---- changed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "note", "kept"),
    [
        (
            {"amount_minor": 250_050},
            "Amount: $1,000.00 → $2,500.50",
            {"amount_minor": [100_000, 250_050]},
        ),
        (
            {"close_date": date(2025, 7, 1)},
            "Close date: – → 2025-07-01",
            {"close_date": [None, "2025-07-01"]},
        ),
        (
            {"close_date": date(2025, 7, 1), "amount_minor": 0},
            "Amount: $1,000.00 → $0.00; Close date: – → 2025-07-01",
            {"close_date": [None, "2025-07-01"], "amount_minor": [100_000, 0]},
        ),
    ],
)
def test_a_change_is_attention_and_stands_among_the_activities(
    deal: Deal, ada: User, changes: Any, note: str, kept: dict[str, Any]
) -> None:
    change_deal(deal=deal, actor=ada, now=NOW, **changes)
    deal.refresh_from_db()
    assert {name: getattr(deal, name) for name in changes} == changes
    assert deal.last_activity_at == deal.touched_at == NOW
    activity = DealActivity.objects.get()
    assert (activity.type, activity.note, activity.author) == ("change", note, ada)
    assert (activity.occurred_at, activity.is_automated) == (NOW, False)
    assert trail() == [("deal_changed", "ada", kept, "")]


def test_a_deal_is_handed_over(deal: Deal, firm: Firm, ada: User) -> None:
    bob = colleague(firm, user__username="bob")
    changed = change_deal(deal=deal, actor=ada, now=NOW, owner=bob)
    assert (changed.owner, changed.last_activity_at) == (bob, NOW)
    assert DealActivity.objects.get().note == "Owner: ada → bob"
    changed = change_deal(deal=deal, actor=ada, now=NOW, owner=None)
    assert changed.owner is None
    with pytest.raises(Problem, match=r"^mallory does not work here\.$"):
        change_deal(deal=deal, actor=ada, now=NOW, owner=UserFactory(username="mallory"))


def test_a_new_title_or_contact_is_no_attention(deal: Deal, ada: User) -> None:
    contact = ContactFactory(firm=deal.firm)
    before = deal.touched_at
    change_deal(deal=deal, actor=ada, now=NOW, title="Fit-out II", contact=contact)
    deal.refresh_from_db()
    assert (deal.title, deal.contact, deal.touched_at) == ("Fit-out II", contact, before)
    assert not DealActivity.objects.exists()
    [(action, _, changes, _)] = trail()
    assert action == "deal_changed"
    assert changes["title"] == ["Fit-out", "Fit-out II"]
    with pytest.raises(Problem, match="is a contact of another firm"):
        change_deal(deal=deal, actor=ada, now=NOW, contact=ContactFactory())


def test_a_change_by_a_machine_is_no_attention(deal: Deal) -> None:
    before = deal.touched_at
    changed = change_deal(deal=deal, actor=None, now=NOW, amount_minor=1)
    assert changed.touched_at == before
    assert DealActivity.objects.get().is_automated
    assert trail()[0][:2] == ("deal_changed", "system")


def test_a_change_changes_something(deal: Deal, ada: User) -> None:
    with pytest.raises(Problem, match=r"^Nothing about Fit-out would change\.$"):
        change_deal(deal=deal, actor=ada, now=NOW, title="Fit-out", owner=ada)
    assert trail() == []


# ---- put to sleep ---------------------------------------------------------------------------


def test_a_deal_is_snoozed_until_a_day_to_come(deal: Deal, ada: User) -> None:
    until = date(2025, 6, 11)
    snooze_deal(deal=deal, until=until, today=TODAY, actor=ada, reason="They are away")
    deal.refresh_from_db()
    assert deal.snoozed_until == until
    assert trail() == [
        ("deal_snoozed", "ada", {"snoozed_until": [None, "2025-06-11"]}, "They are away")
    ]
    with pytest.raises(Problem, match=r"^2025-06-10 is not in the future\.$"):
        snooze_deal(deal=deal, until=TODAY, today=TODAY, actor=ada, reason="")


# ---- closed, and taken up again -------------------------------------------------------------


@pytest.mark.parametrize(("close", "status"), [(win_deal, "won"), (lose_deal, "lost")])
def test_a_deal_that_closes_loses_its_flag_and_its_alert(
    firm: Firm, ada: User, close: Any, status: str
) -> None:
    deal = deal_of(firm, is_stale=True, stale_since=date(2025, 3, 15), snoozed_until=TODAY)
    StaleDealAlertFactory(deal=deal)
    neighbour = StaleDealAlertFactory()
    close(deal=deal, today=TODAY, actor=ada, reason="They said so", now=NOW)
    deal.refresh_from_db()
    assert (deal.status, deal.closed_at, deal.snoozed_until) == (status, NOW, None)
    assert (deal.is_stale, deal.stale_since) == (False, None)
    assert deal.alerts.get().resolved_on == TODAY
    assert StaleDealAlert.objects.open().get() == neighbour
    assert trail() == [(f"deal_{status}", "ada", {"status": ["open", status]}, "They said so")]


def test_a_deal_that_is_reopened_is_idle_from_then_on(deal: Deal, ada: User) -> None:
    lose_deal(deal=deal, today=TODAY, actor=ada, reason="Too dear", now=NOW)
    later = datetime(2025, 8, 1, 15, tzinfo=UTC)
    reopen_deal(deal=deal, actor=ada, reason="They came back", now=later)
    deal.refresh_from_db()
    assert (deal.status, deal.closed_at, deal.touched_at) == ("open", None, later)
    assert DealActivity.objects.get().note == "Reopened"
    assert trail()[-1] == (
        "deal_reopened", "ada", {"status": ["lost", "open"]}, "They came back"
    )  # fmt: skip
    with pytest.raises(Problem, match=r"^Fit-out is open\.$"):
        reopen_deal(deal=deal, actor=ada, reason="", now=later)


def test_nothing_happens_to_a_closed_deal(deal: Deal, ada: User) -> None:
    win_deal(deal=deal, today=TODAY, actor=ada, reason="", now=NOW)
    stage = StageFactory(pipeline=deal.pipeline)
    acts: list[Any] = [
        lambda: move_deal(deal=deal, stage=stage, actor=ada, now=NOW),
        lambda: change_deal(deal=deal, actor=ada, now=NOW, title="x"),
        lambda: snooze_deal(
            deal=deal, until=date(2025, 7, 1), today=TODAY, actor=ada, reason=""
        ),
        lambda: lose_deal(deal=deal, today=TODAY, actor=ada, reason="", now=NOW),
        lambda: win_deal(deal=deal, today=TODAY, actor=ada, reason="", now=NOW),
    ]
    for act in acts:
        with pytest.raises(Problem, match=r"^Fit-out is won\.$"):
            act()
    assert len(trail()) == 1
