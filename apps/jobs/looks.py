"""When a job looks at a firm's things again: its schedules, its local hours, its pause."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Subquery, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext as _
from django_q.models import Schedule

from apps.core.days import Clock, zone
from apps.jobs.job import Job
from apps.jobs.models import JobPause
from apps.jobs.timetable import Timing, next_acting, timings


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
    rows = Schedule.objects.annotate(
        pause=Subquery(pauses.values("reason")[:1]),
        rests_until=Subquery(pauses.values("until")[:1]),
    )
    own: dict[str, list[Timing]] = defaultdict(list)
    for timing in timings(rows.order_by("pk")):
        if timing.reaches(firm_id, slug):
            own[timing.job.name].append(timing)
    return {job.name: _look(own[job.name], zone_name, now=clock.now) for job in jobs}


def _look(own: Sequence[Timing], zone_name: str, *, now: datetime) -> Look:
    """Return the first look of some schedules of one job."""
    if not own:
        return Look()
    row = own[0].row  # a pause is the job's, and so the same of each
    if row.pause and row.rests_until is None:
        return _planned(own[0], None)
    found = next_acting(own, zone_name, after=row.rests_until or now)
    return _planned(found[1], found[0]) if found else Look()


def _planned(timing: Timing, at: datetime | None) -> Look:
    gate = " ".join(filter(None, timing.gate))
    row = timing.row
    return Look(at, gate, row.pause or "", row.rests_until, timing.arguments)
