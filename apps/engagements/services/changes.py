"""Changes of what was agreed: the fee, how often it is billed, from which day."""

from datetime import date

from django.db import transaction

from apps.core import days
from apps.core.days import DAY
from apps.core.problems import Problem
from apps.engagements.models import Engagement, EngagementRate
from apps.engagements.services.agreements import change
from apps.engagements.services.claims import claims_of, lock_engagement
from apps.engagements.services.periods import Claim, next_start
from apps.firms.models import User


def change_fee(
    *,
    engagement: Engagement,
    fee_minor: int,
    effective_from: date,
    actor: User | None,
    reason: str,
) -> EngagementRate:
    """Set the package fee for periods that begin on a day or later, in minor units.

    Invoices that exist stay as they are.
    """
    with transaction.atomic():
        engagement = lock_engagement(engagement)
        _check_open(engagement)
        rate, _ = EngagementRate.objects.update_or_create(
            engagement=engagement,
            effective_from=effective_from,
            defaults={"firm_id": engagement.firm_id, "fee_minor": fee_minor},
        )
        what = {"fee_minor": fee_minor, "effective_from": str(effective_from)}
        change(engagement, "engagement_fee_changed", (), actor, reason, **what)
    return rate


def change_interval(
    *,
    engagement: Engagement,
    interval: Engagement.Interval,
    actor: User | None,
    reason: str,
) -> Engagement:
    """Bill an engagement monthly, quarterly or annually from now on.

    Periods are counted from the end of the last one that was claimed, so that they never
    overlap. The fee stays the figure that it is; ``change_fee`` sets another.
    """
    with transaction.atomic():
        engagement = lock_engagement(engagement)
        _check_open(engagement)
        if engagement.billing_interval == interval:
            raise Problem(f"{engagement} is billed {interval.label.lower()} already.")
        before = engagement.billing_interval
        claims = claims_of([engagement.pk])[engagement.pk]
        engagement.billing_interval = interval
        engagement.billing_anchor = _claimed_until(claims) or engagement.anchor
        what = {"interval": [before, interval.value], "anchor": str(engagement.anchor)}
        fields = ("billing_interval", "billing_anchor")
        change(engagement, "engagement_interval_changed", fields, actor, reason, **what)
    return engagement


def move_to_calendar(*, engagement: Engagement, actor: User | None, reason: str) -> Engagement:
    """Bill an engagement from the 1st of a month on.

    The days from what was billed last to the next 1st are a period of their own, which costs
    its share of days.
    """
    with transaction.atomic():
        engagement = lock_engagement(engagement)
        _check_open(engagement)
        claims = claims_of([engagement.pk])[engagement.pk]
        begin = _claimed_until(claims) or next_start(engagement)
        anchor = days.first_of_month(days.add_months(begin - DAY, 1))
        if engagement.anchor.day == 1 and begin.day == 1:
            raise Problem(f"{engagement} is billed from the 1st already.")
        if not claims:
            engagement.bill_from = max(engagement.bill_from, begin)
        before, engagement.billing_anchor = engagement.anchor, anchor
        what = {"anchor": [str(before), str(anchor)]}
        fields = ("billing_anchor", "bill_from")
        change(engagement, "engagement_moved_to_calendar", fields, actor, reason, **what)
    return engagement


def _check_open(engagement: Engagement) -> None:
    if engagement.status in {Engagement.Status.COMPLETED, Engagement.Status.CANCELLED}:
        raise Problem(f"{engagement} is {engagement.get_status_display().lower()}.")


def _claimed_until(claims: list[Claim]) -> date | None:
    return max((claim.end for claim in claims), default=None)
