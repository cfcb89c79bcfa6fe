"""How the platform is, in one sentence and a list of findings: for whoever sees all of it."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.jobs.health import Finding, examine
from apps.jobs.models import ClusterSign, JobPause
from apps.jobs.timetable import Missed, missed, timings, with_changes

LOOKED_BACK = timedelta(days=30)
LOOKED_AHEAD = timedelta(minutes=2)
ALIVE = timedelta(minutes=3)  # a guard sends a canary when a cluster was quiet for one


@dataclass(frozen=True, slots=True)
class Condition:
    """What one look at the platform found."""

    findings: tuple[Finding, ...]
    missed: tuple[Missed, ...]
    scheduled: int
    clusters: int

    @property
    def late(self) -> int:
        """How many jobs are late; of those whose schedule cannot be told, we do not know."""
        return len({f.job for f in self.findings if f.kind in {"late", "missed"}})

    @property
    def times_missed(self) -> int:
        return sum(one.count for one in self.missed)

    @property
    def tone(self) -> str:
        if any(finding.alarming for finding in self.findings) or not self.clusters:
            return "bad"
        return "warn" if self.missed else "good"

    def parts(self) -> list[str]:
        """Say it: how many jobs are on time and late, what was missed, what is up."""
        figures = {"good": self.scheduled - self.late, "all": self.scheduled}
        on_time = ngettext(
            "%(good)d of %(all)d job on time",
            "%(good)d of %(all)d jobs on time",
            self.scheduled,
        )
        up = ngettext("%(n)d cluster up", "%(n)d clusters up", self.clusters)
        return [
            on_time % figures,
            _("%(n)d late") % {"n": self.late},
            _("%(n)d missed in 30 days") % {"n": self.times_missed},
            up % {"n": self.clusters} if self.clusters else _("no cluster up"),
        ]

    def most_missed(self) -> list[tuple[str, int]]:
        """Return which jobs have missed times, the most first."""
        counts: Counter[str] = Counter()
        for one in self.missed:
            counts[one.job] += one.count
        return counts.most_common()


def look(*, now: datetime) -> Condition:
    """Look at the schedules, the record of runs, the queue and the clusters."""
    since = now - LOOKED_BACK
    rows = list(with_changes())
    pauses = list(JobPause.objects.touching(since, now + LOOKED_AHEAD))
    found = examine(now=now, rows=rows, pauses=pauses)
    lost = missed(timings(rows), pauses, since=since, now=now)
    up = ClusterSign.objects.filter(canary_at__gt=now - ALIVE).count()
    return Condition(found.findings, tuple(lost), found.scheduled, up)
