"""Milestones: named steps before and after a due date, as windows of days (spec D19)."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from apps.core import days
from apps.core.days import read_days
from apps.core.problems import Problem
from apps.leasing.services.terms import DAYS_AFTER, DAYS_BEFORE

# How many days after its first an overdue step is caught up (spec D19: 7-20 and 30-44).
# Beyond that, switching the job on must not mail old debts.
WINDOW, LAST_WINDOW = 13, 14
CATCH_UP = 2  # further days of a step that was asked for by number (C-18)


@dataclass(frozen=True, slots=True, order=True)
class Milestone:
    """A step, by its distance from the due date in days: the greater, the more urgent."""

    distance: int  # negative or zero: before

    @property
    def name(self) -> str:
        """What keys and records call it: ``before_3``, ``after_7``."""
        if self.distance > 0:
            return f"after_{self.distance}"
        return f"before_{-self.distance}"

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the milestone of that name."""
        side, _, count = name.partition("_")
        return cls(int(count) if side == "after" else -int(count))


@dataclass(frozen=True, slots=True)
class Asked:
    """The steps that somebody asked for by number, each instead of its usual list."""

    before: int | None = None
    after: int | None = None

    @classmethod
    def read(cls, *, before: int | None, after: int | None) -> Self:
        """Read the options ``--days-before`` and ``--days-after``."""
        if before is not None:
            days.zero_or_more("--days-before", before)
        if after is not None:
            days.positive("--days-after", after)
        return cls(before, after)


@dataclass(frozen=True, slots=True)
class Steps:
    """The milestones of a lease: days before and days after the due date."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    asked: Asked

    def reached(self, overdue: int) -> Milestone | None:
        """Return the milestone whose window is open so many days after the due date.

        A negative number is days before it. A window ends at the latest where the next one
        begins; those before the due date end with it.
        """
        if overdue <= 0:
            begun = [n for n in self._before if -n <= overdue]
            if not begun or (self.asked.before is not None and overdue > CATCH_UP - begun[0]):
                return None
            return Milestone(-min(begun))
        begun = [n for n in self._after if n <= overdue]
        if not begun:
            return None
        last = max(begun)
        if self.asked.after is not None:
            length = CATCH_UP
        else:
            length = LAST_WINDOW if last == max(self._after) else WINDOW
        return Milestone(last) if overdue <= last + length else None

    def earlier(self, milestone: Milestone) -> list[Milestone]:
        """Return the milestones that a later one makes pointless."""
        every = [*(Milestone(-n) for n in self._before), *(Milestone(n) for n in self._after)]
        return sorted(one for one in every if one < milestone)

    @property
    def _before(self) -> tuple[int, ...]:
        return self.before if self.asked.before is None else (self.asked.before,)

    @property
    def _after(self) -> tuple[int, ...]:
        return self.after if self.asked.after is None else (self.asked.after,)


def furthest(lists: Iterable[tuple[str, str]], asked: Asked) -> tuple[int, int]:
    """Return how many days before and after a due date any window can be open.

    ``lists`` are the days before and after as terms have them. One that cannot be read is
    left out here; it fails when an invoice needs it.
    """
    before, after = set(DAYS_BEFORE), set(DAYS_AFTER)
    for days_before, days_after in lists:
        with suppress(Problem):
            before |= read_days(days_before)
        with suppress(Problem):
            after |= read_days(days_after)
    most_before = max(before) if asked.before is None else asked.before
    most_after = max(after) + LAST_WINDOW if asked.after is None else asked.after + CATCH_UP
    return most_before, most_after
