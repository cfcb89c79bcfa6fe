"""How far a run has got, and how long it may take yet."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.reports import Outcome
from apps.jobs.models import JobRun


@dataclass(frozen=True, slots=True)
class Progress:
    handled: int
    expected: int | None
    left: timedelta | None  # at the rate so far; nothing while that is unknown

    @property
    def percent(self) -> int | None:
        if not self.expected:
            return None
        return min(100, self.handled * 100 // self.expected)


def progress_of(run: JobRun, *, now: datetime) -> Progress:
    """Return how far a run has got by its last sign of life."""
    handled = sum(getattr(run, outcome) for outcome in Outcome)
    expected = run.expected if run.expected and run.expected >= handled else None
    spent = min(run.heartbeat_at, now) - run.started_at
    left = None
    if expected and handled and spent > timedelta(0):
        left = spent * (expected - handled) / handled
    return Progress(handled, expected, left)
