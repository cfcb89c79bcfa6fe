"""On which days somebody is reminded of files (spec D10). Nothing here asks anybody anything.

The days are counted from the due date or from the asking, never from a reminder: a day that
was missed is caught up by one reminder, and moves none of those after it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from apps.core.days import read_days
from apps.documents.models import MOST_REMINDERS, FileRequest
from apps.firms.models import Firm, FirmSettings

PATIENCE = 3  # days from the last reminder until the requester is told, without a rule


@dataclass(frozen=True, slots=True)
class Cadence:
    """How a firm reminds of files."""

    before: frozenset[int]  # days before the due date, zero for the day itself
    overdue: int  # days between reminders after it; zero: none
    after_asking: frozenset[int]  # days, where there is no due date

    @classmethod
    def of(cls, firm: Firm) -> Self:
        """Return a firm's own; raises ``Problem`` for a list that cannot be read."""
        settings: FirmSettings = getattr(firm, "settings", None) or FirmSettings()
        return cls(
            frozenset(read_days(settings.file_request_days_before)),
            settings.file_request_reminder_days,
            frozenset(read_days(settings.file_request_days_after_asking)),
        )

    def next_step(self, request: FileRequest, *, after: date) -> date | None:
        """Return the first day after ``after``, and after the asking, to remind on."""
        later, due = max(after, request.asked_on), request.due_date
        if request.remind_every_days is not None:
            return _every(request.remind_every_days, request.asked_on, later)
        if due is None:
            steps = {request.asked_on + timedelta(days=days) for days in self.after_asking}
        else:
            steps = {due - timedelta(days=days) for days in self.before}
        coming = min((day for day in steps if day > later), default=None)
        if coming is None and due is not None:
            return _every(self.overdue, due, later)
        return coming

    def plan(self, request: FileRequest, *, after: date) -> date | None:
        """Return when a request is looked at again: to remind, or to give up reminding."""
        step = self.next_step(request, after=after)
        if request.reminder_count >= MOST_REMINDERS or step is None:
            patience = timedelta(days=self.overdue or PATIENCE)
            return after + patience if request.reminder_count else None
        return step

    def is_over(self, request: FileRequest) -> bool:
        """Tell whether the last reminder has been sent: somebody should know of it."""
        if request.reminder_count >= MOST_REMINDERS:
            return True
        told = request.last_reminder_on
        return told is not None and self.next_step(request, after=told) is None


def _every(days: int, start: date, later: date) -> date | None:
    if not days:
        return None
    passed = max(0, (later - start).days // days)
    return start + timedelta(days=days * (passed + 1))
