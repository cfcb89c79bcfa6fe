"""What staff press on deals and activities, and what they may type."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.crm.models import Deal, DealActivity, Pipeline, Stage, StaleDealAlert
from apps.firms.models import Firm, Membership, User
from tests.admin.test_billing_actions import press, said
from tests.admin.visiting import address, filled, shown
from tests.admin.world import everything, staff_of
from tests.crm.dealing import colleague, deal_of, stage_of
from tests.factories import (
    ContactFactory,
    DealActivityFactory,
    FirmFactory,
    StageFactory,
    StaleDealAlertFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 15, tzinfo=UTC)  # 11:00 in New York
DEALS = reverse("admin:crm_deal_changelist")
ACTIVITIES = reverse("admin:crm_dealactivity_changelist")
ALERTS = reverse("admin:crm_staledealalert_changelist")
TYPED = {"type": "call", "day": "2025-06-10", "at": "10:30", "note": "They like it"}


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(name="Alder")


@pytest.fixture
def alice(firm: Firm) -> User:
    user = staff_of(firm)
    User.objects.filter(pk=user.pk).update(first_name="Alice", username="alice")
    return User.objects.get(pk=user.pk)


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def stage(firm: Firm) -> Stage:
    return stage_of(firm, name="Lead", position=1, pipeline__name="Sales")


@pytest.fixture
def deal(firm: Firm, stage: Stage, alice: User) -> Deal:
    contact = ContactFactory(firm=firm, display_name="Northwind")
    return deal_of(firm, title="Fit-out", stage=stage, owner=alice, contact=contact)


@pytest.fixture
def neighbour() -> Deal:
    return deal_of(FirmFactory(), title="Birch deal")


def confirm(client: Client, action: str, *rows: Any, where: str = DEALS, **typed: Any) -> str:
    return said(press(client, where, action, *rows, confirmed="yes", **typed))


def trail() -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.order_by("pk")
    return list(rows.values_list("action", "actor__username", "reason"))


# ---- what happens to deals ------------------------------------------------------------------


@pytest.mark.parametrize("action", ["log_activity", "move", "lose", "snooze", "hand_over"])
def test_an_action_asks_before_it_does_anything(desk: Client, deal: Deal, action: str) -> None:
    before = everything()
    assert "Fit-out, Northwind: Lead, Open" in press(desk, DEALS, action, deal).content.decode()
    typed = {"reason": " ", "stage": "", "owner": "x", "until": "soon", "day": "", "at": ""}
    answer = press(desk, DEALS, action, deal, confirmed="yes", **typed)
    assert "Fit-out" in answer.content.decode()
    assert answer.context["form"].errors
    assert everything() == before


def test_a_deal_is_moved_to_a_stage_of_its_pipeline(
    desk: Client, alice: User, deal: Deal, neighbour: Deal
) -> None:
    proposal = StageFactory(pipeline=deal.pipeline, name="Proposal", position=2)
    stage_of(deal.firm, name="Elsewhere")
    page = BeautifulSoup(press(desk, DEALS, "move", deal).content, "html.parser")
    offered = [option.get_text() for option in page.select("select[name=stage] option")]
    assert offered == ["---------", "Sales: Lead", "Sales: Proposal"]
    moved = confirm(desk, "move", deal, neighbour, stage=proposal.pk)
    assert moved == "1 deal moved."
    deal.refresh_from_db()
    assert (deal.stage, deal.stage_entered_at) == (proposal, NOW)
    assert confirm(desk, "move", deal, stage=proposal.pk) == (
        "0 deals moved, 1 skipped: Fit-out is in Proposal already."
    )
    assert trail() == [("deal_moved", "alice", "")]


def test_deals_of_two_pipelines_are_not_moved_together(
    desk: Client, firm: Firm, deal: Deal
) -> None:
    other = deal_of(firm)
    assert confirm(desk, "move", deal, other) == "Select deals of one pipeline."


def test_a_deal_is_won_lost_and_reopened(desk: Client, deal: Deal, neighbour: Deal) -> None:
    Deal.objects.filter(pk=deal.pk).update(is_stale=True, stale_since=date(2025, 3, 15))
    StaleDealAlertFactory(deal=deal)
    assert said(press(desk, DEALS, "win", deal, neighbour)) == "1 deal won."
    deal.refresh_from_db()
    assert (deal.status, deal.closed_at, deal.is_stale) == ("won", NOW, False)
    assert StaleDealAlert.objects.get().resolved_on == date(2025, 6, 10)
    assert said(press(desk, DEALS, "win", deal)) == "0 deals won, 1 skipped: Fit-out is won."
    assert confirm(desk, "reopen", deal, reason="Misclicked") == "1 deal reopened."
    assert confirm(desk, "lose", deal, reason="Too dear") == "1 deal lost."
    assert trail() == [
        ("deal_won", "alice", ""),
        ("deal_reopened", "alice", "Misclicked"),
        ("deal_lost", "alice", "Too dear"),
    ]


def test_a_deal_is_snoozed(desk: Client, deal: Deal) -> None:
    typed = {"until": "2025-07-01", "reason": "They are away"}
    assert confirm(desk, "snooze", deal, **typed) == "1 deal snoozed."
    deal.refresh_from_db()
    assert deal.snoozed_until == date(2025, 7, 1)
    assert confirm(desk, "snooze", deal, **typed | {"until": "2025-06-10"}) == (
        "0 deals snoozed, 1 skipped: 2025-06-10 is not in the future."
    )
    assert trail() == [("deal_snoozed", "alice", "They are away")]


def test_a_deal_is_handed_over_to_a_colleague(
    desk: Client, firm: Firm, deal: Deal, neighbour: Deal
) -> None:
    bob = colleague(firm, user__username="bob", user__is_staff=True, user__first_name="Bob")
    colleague(neighbour.firm, user__username="mallory", user__is_staff=True)
    page = BeautifulSoup(press(desk, DEALS, "hand_over", deal).content, "html.parser")
    offered = [option.get_text() for option in page.select("select[name=owner] option")]
    assert offered == ["Nobody", "Alice", "Bob"]
    assert confirm(desk, "hand_over", deal, owner=bob.pk) == "1 deal handed over."
    deal.refresh_from_db()
    assert (deal.owner, deal.last_activity_at) == (bob, NOW)


# ---- activities -----------------------------------------------------------------------------


def test_a_call_is_logged_at_the_time_on_the_firms_clock(
    desk: Client, alice: User, deal: Deal, neighbour: Deal
) -> None:
    page = BeautifulSoup(press(desk, DEALS, "log_activity", deal).content, "html.parser")
    assert [page.select_one(f"[name={name}]")["value"] for name in ("day", "at")] == [
        "2025-06-10", "11:00"
    ]  # fmt: skip
    assert confirm(desk, "log_activity", deal, neighbour, **TYPED) == "1 activity written down."
    activity = DealActivity.objects.get()
    assert (activity.type, activity.note, activity.author) == ("call", "They like it", alice)
    assert activity.occurred_at == datetime(2025, 6, 10, 14, 30, tzinfo=UTC)
    deal.refresh_from_db()
    assert deal.last_activity_at == activity.occurred_at
    assert trail() == [("deal_activity_logged", "alice", "")]


def test_a_time_to_come_is_a_plan_that_is_held_or_called_off(desk: Client, deal: Deal) -> None:
    typed = TYPED | {"type": "meeting", "day": "2025-06-12"}
    assert confirm(desk, "log_activity", deal, **typed) == "1 activity written down."
    assert confirm(desk, "log_activity", deal, **typed) == "1 activity written down."
    first, second = DealActivity.objects.order_by("pk")
    assert first.scheduled_for == datetime(2025, 6, 12, 14, 30, tzinfo=UTC)
    assert first.occurred_at is None
    with time_machine.travel("2025-06-12T20:00:00Z", tick=False):
        desk.force_login(User.objects.get(username="alice"))
        assert confirm(desk, "hold", first, where=ACTIVITIES) == "1 activity held."
        off = confirm(desk, "call_off", second, where=ACTIVITIES, reason="They were away")
        assert off == "1 activity called off."
        again = confirm(desk, "hold", first, second, where=ACTIVITIES)
        assert again == (
            "0 activities held, 2 skipped: Meeting: Fit-out is not planned any more."
        )
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.occurred_at == first.scheduled_for
    assert (second.occurred_at, second.cancelled_at is None) == (None, False)


def test_nobody_logs_a_change_by_hand(desk: Client, deal: Deal) -> None:
    answer = press(
        desk, DEALS, "log_activity", deal, confirmed="yes", **TYPED | {"type": "change"}
    )
    assert "Select a valid choice" in answer.content.decode()
    assert not DealActivity.objects.exists()


def test_who_may_only_look_presses_nothing(client: Client, firm: Firm, deal: Deal) -> None:
    user = staff_of(firm, rights=False)
    looking = Permission.objects.filter(codename__in=["view_deal", "view_dealactivity"])
    user.user_permissions.set(looking)
    client.force_login(user)
    planned = DealActivityFactory(deal=deal, occurred_at=None, scheduled_for=NOW)
    before = everything()
    for action in ("win", "lose", "reopen", "snooze", "hand_over", "move", "log_activity"):
        confirm(client, action, deal, reason="x", until="2025-07-01", owner="", **TYPED)
    for action in ("hold", "call_off"):
        confirm(client, action, planned, where=ACTIVITIES, reason="x")
    assert everything() == before
    page = client.get(address("crm.deal", "change", deal.pk))
    assert "$1,000.00" in page.content.decode()


# ---- the form of a deal ---------------------------------------------------------------------


def typed_deal(desk: Client, stage: Stage) -> dict[str, Any]:
    contact = ContactFactory(firm=stage.firm)
    data = filled(desk, address("crm.deal", "add"))
    data |= {"stage": stage.pk, "title": "New office", "contact": contact.pk}
    return data | {"amount_minor": "45000", "close_date": "2025-08-01"}


def test_a_deal_is_begun_by_whoever_types_it(desk: Client, alice: User, stage: Stage) -> None:
    where = address("crm.deal", "add")
    assert filled(desk, where) == {
        "owner": alice.pk, "currency": "USD", "amount_minor": 0
    }  # fmt: skip
    answer = desk.post(where, typed_deal(desk, stage))
    assert answer.status_code == 302, answer.context["errors"]
    deal = Deal.objects.get()
    assert (deal.firm, deal.pipeline, deal.stage) == (stage.firm, stage.pipeline, stage)
    assert (deal.owner, deal.amount_minor, deal.currency) == (alice, 4_500_000, "USD")
    assert deal.created_at == deal.stage_entered_at == NOW
    assert trail() == [("deal_created", "alice", "")]


def test_a_deal_is_begun_within_one_firm(
    desk: Client, alice: User, stage: Stage, neighbour: Deal
) -> None:
    where = address("crm.deal", "add")
    for member in (False, True):
        if member:
            Membership.objects.create(firm=neighbour.firm, user=alice)
        for name, row in (("stage", neighbour.stage), ("contact", neighbour.contact)):
            answer = desk.post(where, typed_deal(desk, stage) | {name: row.pk})
            assert answer.status_code == 200
            assert answer.context["errors"]
    assert Deal.objects.get() == neighbour


def test_a_deal_is_owned_by_somebody_who_works_there(
    desk: Client, alice: User, firm: Firm, stage: Stage, deal: Deal
) -> None:
    stranger = UserFactory(username="mallory", is_staff=True)
    left = colleague(firm, user__username="left", user__is_staff=True)
    Membership.objects.filter(user=left).update(is_active=False)
    elsewhere = colleague(FirmFactory(), user__username="both", user__is_staff=True)
    Membership.objects.create(firm=Membership.objects.get(user=elsewhere).firm, user=alice)
    where = address("crm.deal", "change", deal.pk)
    for person in (stranger, left, elsewhere):
        answer = desk.post(where, filled(desk, where) | {"owner": person.pk})
        assert "Select a valid choice" in str(answer.context["errors"])
    # Whoever works at two firms is offered the people of both: the form looks again.
    where = address("crm.deal", "add")
    answer = desk.post(where, typed_deal(desk, stage) | {"owner": elsewhere.pk})
    assert "both does not work here." in str(answer.context["errors"])


def test_what_is_typed_into_a_deal_is_a_change_with_a_trail(desk: Client, deal: Deal) -> None:
    where = address("crm.deal", "change", deal.pk)
    data = filled(desk, where)
    assert set(data) >= {"title", "contact", "owner", "amount_minor"}
    assert not {"stage", "status", "is_stale", "currency"} & set(data)
    answer = desk.post(where, data | {"amount_minor": "1250.50", "title": "Fit-out II"})
    assert answer.status_code == 302, answer.context["errors"]
    deal.refresh_from_db()
    assert (deal.amount_minor, deal.title, deal.last_activity_at) == (
        125_050,
        "Fit-out II",
        NOW,
    )
    event = AuditEvent.objects.get()
    assert (event.action, event.actor) == ("deal_changed", deal.owner)
    assert event.changes == {
        "title": ["Fit-out", "Fit-out II"], "amount_minor": [100_000, 125_050]
    }  # fmt: skip


def test_saving_a_deal_does_not_take_back_what_a_job_wrote_meanwhile(
    desk: Client, deal: Deal
) -> None:
    where = address("crm.deal", "change", deal.pk)
    data = filled(desk, where)
    Deal.objects.update(is_stale=True, stale_since=date(2025, 3, 15))
    desk.post(where, data | {"title": "Fit-out II"})
    deal.refresh_from_db()
    assert (deal.title, deal.is_stale) == ("Fit-out II", True)


def test_an_owner_who_has_left_stays_until_somebody_else_is_chosen(
    desk: Client, firm: Firm, deal: Deal
) -> None:
    left = colleague(firm, user__username="left", user__is_staff=True)
    Deal.objects.update(owner=left)
    Membership.objects.filter(user=left).update(is_active=False)
    where = address("crm.deal", "change", deal.pk)
    answer = desk.post(where, filled(desk, where) | {"title": "Fit-out II"})
    assert answer.status_code == 302, answer.context["errors"]
    deal.refresh_from_db()
    assert (deal.owner, deal.title) == (left, "Fit-out II")


def test_a_closed_deal_is_only_looked_at(desk: Client, deal: Deal) -> None:
    press(desk, DEALS, "win", deal)
    where = address("crm.deal", "change", deal.pk)
    page = desk.get(where).content.decode()
    assert "$1,000.00" in page
    assert 'name="title"' not in page
    assert desk.post(where, {"title": "x"}).status_code == 403


# ---- lists and pipelines --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=fit", ["Fit-out"]),
        ("q=northw", ["Fit-out"]),
        ("is_stale__exact=1", ["Audit"]),
        ("status__exact=won", ["Office"]),
    ],
)
def test_deals_are_found(
    desk: Client, firm: Firm, deal: Deal, query: str, found: list[str]
) -> None:
    deal_of(firm, stage=deal.stage, title="Audit", is_stale=True, stale_since=NOW.date())
    deal_of(firm, stage=deal.stage, title="Office", status="won", closed_at=NOW)
    pks = shown(desk.get(f"{DEALS}?{query}"))
    titles = Deal.objects.filter(pk__in=pks).order_by("pk").values_list("title", flat=True)
    assert list(titles) == found


def test_a_list_says_how_long_a_deal_has_been_idle_and_how_it_ended(
    desk: Client, firm: Firm, deal: Deal
) -> None:
    yesterday = datetime(2025, 6, 10, 3, 30, tzinfo=UTC)  # 23:30 on the 9th in New York
    deal_of(firm, stage=deal.stage, stage_entered_at=yesterday)
    deal_of(firm, stage=deal.stage, status="lost", closed_at=NOW)
    page = BeautifulSoup(desk.get(DEALS).content, "html.parser")
    columns = [page.select(f"td.field-{name}") for name in ("place", "idle")]
    shown_there = [tuple(cell.get_text() for cell in row) for row in zip(*columns, strict=True)]
    assert shown_there == [("Lost", "-"), ("Lead", "1 day"), ("Lead", "101 days")]


def test_times_are_those_of_the_firms_clock(desk: Client, deal: Deal) -> None:
    confirm(desk, "log_activity", deal, **TYPED)
    page = BeautifulSoup(
        desk.get(address("crm.deal", "change", deal.pk)).content, "html.parser"
    )
    for where in ("td.field-occurred", ".field-last_activity .readonly"):
        assert page.select_one(where).get_text(strip=True) == "June 10, 2025, 10:30 a.m."


@pytest.mark.parametrize(
    ("where", "state", "found"),
    [
        (ACTIVITIES, "planned", ["Planned"]),
        (ACTIVITIES, "done", ["Done"]),
        (ACTIVITIES, "called off", ["Off"]),
        (ALERTS, "stale", ["Stale", "Escalated"]),
        (ALERTS, "escalated", ["Escalated"]),
        (ALERTS, "resolved", ["Resolved"]),
    ],
)
def test_the_history_is_found_by_its_state(
    desk: Client, firm: Firm, where: str, state: str, found: list[str]
) -> None:
    stage = stage_of(firm)
    for title, how in (
        ("Planned", {"occurred_at": None, "scheduled_for": NOW}),
        ("Done", {}),
        ("Off", {"occurred_at": None, "scheduled_for": NOW, "cancelled_at": NOW}),
    ):
        DealActivityFactory(deal=deal_of(firm, stage=stage, title=title), **how)
    for title, how in (
        ("Stale", {}),
        ("Escalated", {"escalated_on": NOW.date()}),
        ("Resolved", {"resolved_on": NOW.date()}),
    ):
        StaleDealAlertFactory(deal=deal_of(firm, stage=stage, title=title), **how)
    page = BeautifulSoup(desk.get(where, {"state": state}).content, "html.parser")
    cells = page.select("#result_list .field-deal")
    assert sorted(cell.get_text() for cell in cells) == sorted(found)


def test_deals_are_filtered_by_owner_stage_and_pipeline_of_ones_own(
    desk: Client, firm: Firm, alice: User, deal: Deal, neighbour: Deal
) -> None:
    Deal.objects.filter(pk=neighbour.pk).update(owner=UserFactory(username="mallory"))
    other = deal_of(firm, stage=stage_of(firm, name="Talks", pipeline__name="Partners"))
    page = BeautifulSoup(desk.get(DEALS).content, "html.parser")
    offered = {a.get_text(strip=True) for a in page.select("#changelist-filter a")}
    assert {"alice", "Lead", "Talks", "Sales", "Partners"} <= offered
    assert not {"mallory", str(neighbour.stage), str(neighbour.pipeline)} & offered
    for name, row in (("owner", alice), ("stage", deal.stage), ("pipeline", deal.pipeline)):
        assert shown(desk.get(f"{DEALS}?{name}__id__exact={row.pk}")) == [str(deal.pk)]
    assert shown(desk.get(f"{DEALS}?owner__isnull=True")) == [str(other.pk)]


def test_a_pipeline_is_made_with_its_stages(desk: Client, alice: User, firm: Firm) -> None:
    where = address("crm.pipeline", "add")
    data = filled(desk, where) | {"name": "Partners", "manager": alice.pk}
    data |= {"stages-TOTAL_FORMS": 2}
    data |= {"stages-0-position": 1, "stages-0-name": "Talks", "stages-0-stale_after_days": 30}
    data |= {"stages-1-position": 2, "stages-1-name": "Contract"}
    answer = desk.post(where, data)
    assert answer.status_code == 302, answer.context["errors"]
    pipeline = Pipeline.objects.get()
    assert (pipeline.firm, pipeline.manager) == (firm, alice)
    stages = pipeline.stages.order_by("position")
    assert list(stages.values_list("name", "stale_after_days", "firm")) == [
        ("Talks", 30, firm.pk), ("Contract", None, firm.pk)
    ]  # fmt: skip


def test_a_stage_with_deals_is_not_deleted(desk: Client, deal: Deal) -> None:
    where = address("crm.pipeline", "change", deal.pipeline.pk)
    answer = desk.post(where, filled(desk, where) | {"stages-0-DELETE": "on"})
    assert answer.status_code == 200
    assert "Fit-out" in answer.content.decode()
    assert Stage.objects.filter(pk=deal.stage.pk).exists()


def test_a_pipeline_is_managed_by_somebody_who_works_there(desk: Client, deal: Deal) -> None:
    where = address("crm.pipeline", "change", deal.pipeline.pk)
    answer = desk.post(where, filled(desk, where) | {"manager": UserFactory().pk})
    assert "Select a valid choice" in str(answer.context["errors"])


def test_staff_say_whether_plans_count(desk: Client, firm: Firm) -> None:
    where = address("firms.firmsettings", "change", firm.settings.pk)
    data = filled(desk, where) | {"stale_deal_days": 21, "stale_deals_ignore_plans": "on"}
    assert desk.post(where, data).status_code == 302
    firm.settings.refresh_from_db()
    settings = firm.settings
    assert (settings.stale_deal_days, settings.stale_deals_ignore_plans) == (21, True)
