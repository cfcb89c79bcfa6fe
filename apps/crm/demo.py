"""Acme's deals: some move, two lie idle, one was won (spec E3.1).

The services themselves play what has happened, on the days on which it did.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from apps.contacts.models import Contact
from apps.core import days
from apps.core.demo import World
from apps.crm import services
from apps.crm.models import Deal, DealActivity, Pipeline, StaleDealAlert
from apps.firms.models import Firm, User

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Moment:
    """When something happened to a deal, and who did it."""

    firm: Firm
    pipeline: Pipeline
    actor: User
    today: date  # of the demo world
    now: datetime

    def coming(self, facts: Facts) -> date:
        """Return the day that is ``in_days`` from the demo world's today."""
        return self.today + timedelta(days=facts["in_days"])


def seed(world: World) -> None:
    """Make the pipeline and the deals, and play their history."""
    facts = world.fixture("crm")
    firm = Firm.objects.select_related("settings").get(slug=facts["firm"])
    pipeline = services.open_pipeline(firm=firm, clock=world.clock)
    pipeline.manager = User.objects.get(username=facts["manager"])
    pipeline.save()
    today = firm.today(world.clock)
    for entry in facts["deals"]:
        owner = User.objects.get(username=entry["owner"])
        deal: Deal | None = None
        for event in entry["history"]:
            on = today - timedelta(days=event["days_ago"])
            at = days.local_instant(on, time(11), firm.timezone)
            moment = Moment(firm, pipeline, owner, today, at)
            if deal is None:
                deal = _begin(moment, entry, event)
            else:
                STORY[event["what"]](deal, moment, event)
    world.count("deals", len(facts["deals"]))


def _begin(at: Moment, entry: Facts, event: Facts) -> Deal:
    contact = Contact.objects.create(
        firm=at.firm, kind=Contact.Kind.ORGANISATION, **entry["contact"]
    )
    return services.create_deal(
        stage=at.pipeline.stages.get(name=event["stage"]),
        contact=contact,
        title=entry["title"],
        owner=at.actor,
        amount_minor=entry["amount_minor"],
        currency=at.firm.currency,
        close_date=at.today + timedelta(days=entry["close_in_days"]),
        actor=at.actor,
        now=at.now,
    )


def _move(deal: Deal, at: Moment, event: Facts) -> None:
    stage = at.pipeline.stages.get(name=event["stage"])
    services.move_deal(deal=deal, stage=stage, actor=at.actor, now=at.now)


def _log(deal: Deal, at: Moment, event: Facts) -> None:
    services.log_activity(
        deal=deal,
        type=DealActivity.Type(event["type"]),
        note=event["note"],
        occurred_at=at.now,
        is_automated=False,
        actor=at.actor,
        now=at.now,
    )


def _plan(deal: Deal, at: Moment, event: Facts) -> None:
    services.plan_activity(
        deal=deal,
        type=DealActivity.Type(event["type"]),
        note=event["note"],
        scheduled_for=days.local_instant(at.coming(event), time(14), at.firm.timezone),
        is_automated=False,
        actor=at.actor,
        now=at.now,
    )


def _snooze(deal: Deal, at: Moment, event: Facts) -> None:
    services.snooze_deal(
        deal=deal,
        until=at.coming(event),
        today=at.today,
        actor=at.actor,
        reason=event["reason"],
    )


def _flag(deal: Deal, at: Moment, event: Facts) -> None:
    """Leave what the jobs left behind, which read the clock themselves."""
    on = at.today - timedelta(days=event["days_ago"])
    Deal.objects.filter(pk=deal.pk).update(is_stale=True, stale_since=on)
    StaleDealAlert.objects.create(
        firm=at.firm,
        deal=deal,
        opened_on=on,
        created_at=at.now,
        reminder_count=event["reminders"],
        last_reminded_on=at.today - timedelta(days=event["last_days_ago"]),
    )


def _win(deal: Deal, at: Moment, event: Facts) -> None:
    services.win_deal(
        deal=deal,
        today=at.today - timedelta(days=event["days_ago"]),
        actor=at.actor,
        reason=event["reason"],
        now=at.now,
    )


STORY: dict[str, Callable[[Deal, Moment, Facts], None]] = {
    "move": _move,
    "log": _log,
    "plan": _plan,
    "snooze": _snooze,
    "flag": _flag,
    "win": _win,
}
