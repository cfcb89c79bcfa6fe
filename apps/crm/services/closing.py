"""How deals end: won or lost; and how one is taken up again."""

from datetime import date, datetime

from django.db import transaction

from apps.core.problems import Problem
from apps.crm.models import Deal
from apps.crm.services.deals import lock_deal, lock_open, note_change, save
from apps.firms.models import User

Status = Deal.Status

_FIELDS = (
    *("status", "closed_at", "snoozed_until", "is_stale", "stale_since", "last_activity_at"),
)


def win_deal(
    *, deal: Deal, today: date, actor: User | None, reason: str, now: datetime
) -> Deal:
    """Close an open deal as won; it is not stale any more, and nobody is reminded of it.

    ``today`` is the firm's date.
    """
    return _close(deal, Status.WON, today, actor, reason, now)


def lose_deal(
    *, deal: Deal, today: date, actor: User | None, reason: str, now: datetime
) -> Deal:
    """Close an open deal as lost; it is not stale any more, and nobody is reminded of it.

    ``today`` is the firm's date.
    """
    return _close(deal, Status.LOST, today, actor, reason, now)


def reopen_deal(*, deal: Deal, actor: User | None, reason: str, now: datetime) -> Deal:
    """Take a closed deal up again, where it was; its idle days are counted from now."""
    with transaction.atomic():
        deal = lock_deal(deal)
        if deal.status == Status.OPEN:
            raise Problem(f"{deal} is open.")
        before, deal.status, deal.closed_at = deal.status, Status.OPEN, None
        note_change(deal, "Reopened", actor=actor, now=now)
        what = {"status": [before, deal.status.value]}
        save(deal, _FIELDS, "deal_reopened", actor=actor, changes=what, reason=reason)
    return deal


def _close(
    deal: Deal, status: Deal.Status, today: date, actor: User | None, reason: str, now: datetime
) -> Deal:
    with transaction.atomic():
        deal = lock_open(deal)
        deal.status, deal.closed_at = status, now
        deal.snoozed_until = deal.stale_since = None
        deal.is_stale = False
        deal.alerts.open().update(resolved_on=today, updated_at=now)
        what = {"status": [Status.OPEN.value, status.value]}
        save(deal, _FIELDS, f"deal_{status.value}", actor=actor, changes=what, reason=reason)
    return deal
