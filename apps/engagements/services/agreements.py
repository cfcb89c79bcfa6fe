"""The life of an engagement: put in force, paused, resumed, brought to an end."""

from collections.abc import Collection
from copy import copy
from datetime import date

from django.db import transaction

from apps.audit.services import record
from apps.core import bulk
from apps.core.days import DAY
from apps.core.problems import Problem
from apps.engagements.models import Engagement, EngagementPeriod
from apps.engagements.services.claims import claims_of, lock_engagement, rates_of
from apps.engagements.services.periods import fee_on, paused_days, unbilled
from apps.firms.models import User

Status = Engagement.Status

IN_FORCE = (Status.ACTIVE, Status.PAUSED)


def activate_engagement(
    *, engagement: Engagement, actor: User | None, reason: str
) -> Engagement:
    """Put a draft in force: its package is billed from the next run on."""
    with transaction.atomic():
        engagement = lock_engagement(engagement)
        if engagement.status != Status.DRAFT:
            raise _wrong(engagement)
        _move(engagement, Status.ACTIVE, actor, reason)
    return engagement


def pause_engagement(
    *, engagement: Engagement, today: date, actor: User | None, reason: str
) -> Engagement:
    """Pause an engagement from today: nothing new is billed until it is resumed.

    What has been billed in advance stays billed.
    """
    with transaction.atomic():
        engagement = lock_engagement(engagement)
        if engagement.status != Status.ACTIVE:
            raise _wrong(engagement)
        engagement.paused_on = today
        _move(engagement, Status.PAUSED, actor, reason, paused_on=str(today))
    return engagement


def resume_engagement(
    *, engagement: Engagement, today: date, actor: User | None, reason: str
) -> Engagement:
    """Resume a paused engagement; the days of the pause are claimed as skipped.

    They are never billed. The rest of a period, before and after the pause, costs its share
    of days. An engagement that nobody knows the first day of the pause of has been paused
    since what was billed last.
    """
    with transaction.atomic():
        engagement = lock_engagement(engagement)
        if engagement.status != Status.PAUSED:
            raise _wrong(engagement)
        claims = claims_of([engagement.pk])[engagement.pk]
        since = engagement.paused_on or max(engagement.start_date, engagement.bill_from)
        skipped = paused_days(engagement, claims, since=since, until=today)
        bulk.insert(
            EngagementPeriod,
            ("firm", "engagement", "period_start", "period_end", "outcome"),
            (
                (engagement.firm_id, engagement.pk, *span, EngagementPeriod.Outcome.SKIPPED)
                for span in skipped
            ),
        )
        engagement.paused_on = None
        days_skipped = sum((end - start).days for start, end in skipped)
        _move(engagement, Status.ACTIVE, actor, reason, days_skipped=days_skipped)
    return engagement


def complete_engagement(
    *, engagement: Engagement, today: date, actor: User | None, reason: str
) -> Engagement:
    """Bring an engagement to its end: today, unless its last day was before.

    Nothing is billed any more, so raises ``Problem`` while days up to then are not billed:
    those of a fee in arrears, or of a run that is still to come.
    """
    with transaction.atomic():
        engagement = lock_engagement(engagement)
        if engagement.status not in IN_FORCE:
            raise _wrong(engagement)
        last = min(engagement.end_date or today, today)
        if engagement.paused_on:
            last = min(last, engagement.paused_on - DAY)
        if since := _unbilled_since(engagement, last):
            raise Problem(
                f"{engagement} is not billed from {since} yet: make {last} its last day, "
                "and complete it when that is done."
            )
        engagement.end_date = max(last, engagement.start_date)
        _move(engagement, Status.COMPLETED, actor, reason, end_date=str(last))
    return engagement


def cancel_engagement(*, engagement: Engagement, actor: User | None, reason: str) -> Engagement:
    """Give an engagement up; whatever of it is not billed yet never is."""
    with transaction.atomic():
        engagement = lock_engagement(engagement)
        if engagement.status not in {*IN_FORCE, Status.DRAFT}:
            raise _wrong(engagement)
        _move(engagement, Status.CANCELLED, actor, reason)
    return engagement


def change(
    engagement: Engagement,
    action: str,
    fields: Collection[str],
    actor: User | None,
    reason: str,
    **changes: object,
) -> None:
    """Save the changed fields of a locked engagement, and write down why."""
    engagement.save(update_fields=[*fields, "updated_at"])
    record(action, engagement, actor=actor, changes=changes, reason=reason)


def _move(
    engagement: Engagement,
    status: Engagement.Status,
    actor: User | None,
    reason: str,
    **changes: object,
) -> None:
    before, engagement.status = engagement.status, status
    changes = {"status": [before, status.value], **changes}
    fields = ("status", "paused_on", "end_date")
    change(engagement, f"engagement_{status.value}", fields, actor, reason, **changes)


def _unbilled_since(engagement: Engagement, last: date) -> date | None:
    """Return the first day up to the last one whose package fee has not been billed."""
    if engagement.pricing_mode not in Engagement.BY_PACKAGE:
        return None
    rates = rates_of([engagement.pk])[engagement.pk]
    claims = claims_of([engagement.pk])[engagement.pk]
    ended = copy(engagement)
    ended.end_date = last
    due = unbilled(ended, claims, today=last + DAY)
    owed = [one.start for one in due if fee_on(engagement, rates, one.start)]
    return owed[0] if owed else None


def _wrong(engagement: Engagement) -> Problem:
    return Problem(f"{engagement} is {engagement.get_status_display().lower()}.")
