"""When a job looks at a firm's things again: its schedules, its local hours, its pause."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.models import F, OuterRef, Subquery, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext as _
from django_q.models import Schedule

from apps.core.days import Clock, zone
from apps.core.problems import BadOption
from apps.jobs.job import Job
from apps.jobs.models import JobPause
from apps.jobs.schedules import arguments_of, job_of, next_times

AHEAD = 24 * 8  # times of a schedule; an hourly one that is let in on one weekday fits


@dataclass(frozen=True)
class Look:
    """When a job will look again, and what its schedule passes."""

    at: datetime | None = None
    gate: str = ""  # the local hours in which it acts: "from 09:00 on mon,thu"
    pause: str = ""  # why it rests
    rests_until: datetime | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def words(self, zone_name: str) -> str:
        """Say when, as a clock in that zone shows it."""
        if self.at is None and self.pause:
            return _("It rests until somebody resumes it: %(why)s") % {"why": self.pause}
        if self.at is None:
            return _("It looks only when somebody starts it.")
        at = f"{self.at.astimezone(zone(zone_name)):%Y-%m-%d %H:%M}"
        words = _("It looks again on %(at)s (%(zone)s).") % {"at": at, "zone": zone_name}
        if self.pause:
            words += " " + _("Until then it rests: %(why)s") % {"why": self.pause}
        return words


def next_looks(
    jobs: Sequence[Job],
    *,
    firm_id: int | None,
    slug: str,
    zone_name: str,
    clock: Clock,
) -> dict[str, Look]:
    """Return when each of these jobs will look again at things of a firm; one query.

    ``slug`` is the firm's; without a firm every schedule counts.
    Schedules for other firms, previews, and those that are switched off do not count.
    """
    pauses = (
        JobPause.objects.in_force(clock.now)
        .annotate(func=Cast(OuterRef("func"), TextField()))
        .filter(func__endswith=Concat(Value("."), F("job")))
    )
    rows = Schedule.objects.exclude(repeats=0).annotate(
        pause=Subquery(pauses.values("reason")[:1]),
        rests_until=Subquery(pauses.values("until")[:1]),
    )
    by_job: dict[str, list[Look]] = {job.name: [] for job in jobs}
    for row in rows:
        job = job_of(row.func or "")
        if job is not None and job.name in by_job:
            by_job[job.name] += _looks(row, (firm_id, slug), zone_name, clock)
    return {name: _first(looks) for name, looks in by_job.items()}


def _first(looks: Sequence[Look]) -> Look:
    planned = [(one.at, place, one) for place, one in enumerate(looks) if one.at]
    return min(planned)[2] if planned else next(iter(looks), Look())


def _looks(
    row: Any, firm: tuple[int | None, str], zone_name: str, clock: Clock
) -> Iterator[Look]:
    """Yield when a schedule's row makes its job look at a firm, if it does."""
    try:
        arguments = arguments_of(row)
    except BadOption:
        return
    firm_id, slug = firm
    elsewhere = firm_id is not None and (
        arguments.get("firm_id") not in {None, firm_id}
        or arguments.get("tenant") not in {None, slug}
    )
    if elsewhere or arguments.get("dry_run"):
        return
    at, weekdays = str(arguments.get("at", "")), str(arguments.get("weekdays", ""))
    gate = " ".join(word for word in (at, weekdays) if word)
    rests = bool(row.pause)
    start = clock.now
    if rests:
        if row.rests_until is None:
            yield Look(None, gate, row.pause, None, arguments)
            return
        start = row.rests_until
    for time in islice(_times(row, start), AHEAD):
        if Clock(time).open_at(zone_name, at=at, weekdays=weekdays):
            yield Look(time, gate, row.pause or "", row.rests_until, arguments)
            return


def _times(row: Any, start: datetime) -> Iterator[datetime]:
    """Yield the times of a schedule's row from a moment on."""
    if row.schedule_type == Schedule.CRON:
        yield from next_times(row.cron, count=AHEAD, after=start)
    elif row.next_run:
        yield max(row.next_run, start)
