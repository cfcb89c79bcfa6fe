"""Which periods an engagement has, which of them are due, and what each costs (spec A4, D1).

Pure functions of dates. Periods are cells of a grid that hangs from the billing anchor in
both directions, each counted from the anchor so that 31 January never drifts to the 28th.
A cell is cut short where the engagement, or its billing, begins or ends inside it, and by
time that was paused; what is left is billed by days.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from apps.core import days, money
from apps.core.days import DAY
from apps.engagements.models import Engagement, EngagementRate


class Claim(NamedTuple):
    """Days that have been dealt with; ``paused`` ones were skipped and never cost anything."""

    start: date
    end: date  # first day after it
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """What is billed at once: from ``start`` to the day before ``end``."""

    start: date
    end: date
    charged_days: int
    of_days: int  # as many as the whole cell has

    @property
    def last(self) -> date:
        """The inclusive end, as people are shown it (spec A4.3)."""
        return self.end - DAY

    def price(self, fee_minor: int) -> int:
        """Return what the period costs of the fee for a whole one, rounded once."""
        return money.prorate(fee_minor, covered=self.charged_days, of=self.of_days)

    def due_on(self, timing: str) -> date:
        """Return the local date from which the period is to be billed."""
        return self.end if timing == Engagement.Timing.ARREARS else self.start


def unbilled(engagement: Engagement, claims: Sequence[Claim], *, today: date) -> list[Period]:
    """Return the periods that are due on a local day and not dealt with, oldest first.

    ``claims`` are all of the engagement's. A period of which anything but paused time has
    been claimed is done with, whatever came of its invoice.
    """
    taken = sorted(claim for claim in claims if not claim.paused)
    starts = [claim.start for claim in taken]
    ends = [claim.end for claim in taken]

    def is_taken(period: Period) -> bool:
        before = bisect_left(starts, period.end)  # claims never overlap one another
        return before > 0 and ends[before - 1] > period.start

    return [
        period
        for period in _periods(engagement, claims, until=today)
        if period.due_on(engagement.billing_timing) <= today
        and period.start >= engagement.bill_from
        and not is_taken(period)
    ]


def paused_days(
    engagement: Engagement, claims: Sequence[Claim], *, since: date, until: date
) -> list[tuple[date, date]]:
    """Return the half-open stretches between two days that nobody has claimed, cell by cell.

    They are what a pause from ``since`` to the day before ``until`` takes away.
    """
    found: list[tuple[date, date]] = []
    for cell_start, cell_end in _cells(engagement, since=since, until=until - DAY):
        start, end = max(cell_start, since), min(cell_end, until)
        found += _gaps(start, end, sorted(claims))
    return found


def next_start(engagement: Engagement) -> date:
    """Return the first day to be billed of an engagement of which nothing is claimed yet."""
    periods = _periods(engagement, (), until=engagement.end_date or date.max)
    starts = (period.start for period in periods)
    return next((one for one in starts if one >= engagement.bill_from), engagement.anchor)


def fee_on(engagement: Engagement, rates: Sequence[EngagementRate], day: date) -> int:
    """Return the fee in force on a day, in minor units; ``rates`` are in order of time."""
    for rate in reversed(rates):
        if rate.effective_from <= day:
            return rate.fee_minor
    return engagement.package_fee_minor


# ---- the grid -----------------------------------------------------------------------------


def _periods(
    engagement: Engagement, claims: Sequence[Claim], *, until: date
) -> Iterator[Period]:
    """Yield what there is to bill of the cells that have begun, paid for or not."""
    begin = _begin(engagement, claims)
    pauses = sorted(claim for claim in claims if claim.paused)
    over = engagement.end_date + DAY if engagement.end_date else date.max
    in_full = engagement.proration == Engagement.Proration.NONE
    for cell_start, cell_end in _cells(engagement, since=begin, until=until):
        for start, end in _gaps(max(cell_start, begin), min(cell_end, over), pauses):
            charged_to = cell_end if in_full and end == over else end
            yield Period(start, end, (charged_to - start).days, (cell_end - cell_start).days)


def _begin(engagement: Engagement, claims: Sequence[Claim]) -> date:
    """Return the first day that may be billed.

    An anchor that lies ahead (billing was moved to the 1st) leaves days before it: from the
    last claim, or while there is none from the start of the engagement or of its billing.
    """
    anchor = engagement.anchor
    before = [claim.end for claim in claims if claim.start < anchor]
    begin = max(before, default=engagement.start_date)
    return max(begin, engagement.bill_from) if engagement.bill_from < anchor else begin


def _cells(engagement: Engagement, *, since: date, until: date) -> Iterator[tuple[date, date]]:
    """Yield the cells that end after ``since`` and begin no later than ``until``."""
    anchor = engagement.anchor
    step = Engagement.Interval(engagement.billing_interval).months
    number = days.months_between(anchor, since) // step - 1
    while (start := days.add_months(anchor, number * step)) <= until:
        number += 1
        end = days.add_months(anchor, number * step)
        if end > since:
            yield start, end


def _gaps(start: date, end: date, taken: Sequence[Claim]) -> Iterator[tuple[date, date]]:
    """Yield what is left of ``[start, end)`` beside the given claims, which are in order."""
    for claim in taken:
        if claim.end <= start or claim.start >= end:
            continue
        if start < claim.start:
            yield start, claim.start
        start = claim.end
    if start < end:
        yield start, end
