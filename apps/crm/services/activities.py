"""What people do about deals, and what they plan to do."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.problems import Problem
from apps.crm.models import Deal, DealActivity
from apps.crm.services.deals import lock_deal, touch
from apps.firms.models import User


def log_activity(
    *,
    deal: Deal,
    type: DealActivity.Type,
    note: str,
    occurred_at: datetime,
    is_automated: bool,
    actor: User | None,
    now: datetime,
) -> DealActivity:
    """Note something that was done about a deal.

    It counts as attention unless it was automated: a received e-mail does, an answering
    machine's does not. Raises ``Problem`` for what is still to come.
    """
    _check_past(occurred_at, now)
    return _add(
        "deal_activity_logged",
        deal,
        actor,
        type=type,
        note=note,
        occurred_at=occurred_at,
        is_automated=is_automated,
    )


def plan_activity(
    *,
    deal: Deal,
    type: DealActivity.Type,
    note: str,
    scheduled_for: datetime,
    is_automated: bool,
    actor: User | None,
    now: datetime,
) -> DealActivity:
    """Plan something to do about a deal; unless it is automated the deal is not stale then.

    Raises ``Problem`` for a time that has passed.
    """
    if scheduled_for <= now:
        raise Problem("Only what is still to come can be planned.")
    return _add(
        "deal_activity_planned",
        deal,
        actor,
        type=type,
        note=note,
        scheduled_for=scheduled_for,
        is_automated=is_automated,
    )


def hold_activity(
    *, activity: DealActivity, occurred_at: datetime, actor: User | None, now: datetime
) -> DealActivity:
    """Note that a planned activity took place, and when."""
    _check_past(occurred_at, now)
    with transaction.atomic():
        activity = _lock_planned(activity)
        activity.occurred_at = occurred_at
        activity.save(update_fields=["occurred_at", "updated_at"])
        _count(activity)
        _record("deal_activity_held", activity, actor)
    return activity


def cancel_activity(
    *, activity: DealActivity, actor: User | None, reason: str, now: datetime
) -> DealActivity:
    """Call a planned activity off; that is no attention to its deal."""
    with transaction.atomic():
        activity = _lock_planned(activity)
        activity.cancelled_at = now
        activity.save(update_fields=["cancelled_at", "updated_at"])
        _record("deal_activity_cancelled", activity, actor, reason)
    return activity


def _check_past(occurred_at: datetime, now: datetime) -> None:
    if occurred_at > now:
        raise Problem("What is still to come can only be planned.")


def _add(action: str, deal: Deal, actor: User | None, **facts: Any) -> DealActivity:
    with transaction.atomic():
        deal = lock_deal(deal)
        activity = DealActivity.objects.create(
            firm_id=deal.firm_id, deal=deal, author=actor, **facts
        )
        _count(activity)
        _record(action, activity, actor)
    return activity


def _lock_planned(activity: DealActivity) -> DealActivity:
    """Lock a planned activity's deal and return the activity as it is now."""
    deal = lock_deal(activity.deal)
    activity = DealActivity.objects.get(pk=activity.pk)
    if activity.occurred_at or activity.cancelled_at:
        raise Problem(f"{activity} is not planned any more.")
    activity.deal = deal
    return activity


def _count(activity: DealActivity) -> None:
    """Let what was done count as attention to its locked deal."""
    deal, at = activity.deal, activity.occurred_at
    if at and not activity.is_automated:
        touch(deal, at)
        deal.save(update_fields=["last_activity_at", "updated_at"])


def _record(action: str, activity: DealActivity, actor: User | None, reason: str = "") -> None:
    what = {"activity": activity.pk, "type": activity.type}
    record(action, activity.deal, actor=actor, changes=what, reason=reason)
