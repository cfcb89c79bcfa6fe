"""When jobs were due, whether they ran then, and how long they usually take.

What was missed is found from the gaps between runs: each run notes, as it begins, when nothing
had run for longer than the job ever rests (``silence_before``), and only there are the times
of its cron worked out. So a month of jobs that run each minute costs one statement and a
handful of rows.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import islice, pairwise
from statistics import median, quantiles
from typing import Any

from cronsim import CronSim
from django.contrib.admin.models import LogEntry
from django.db.models import (
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
)
from django.db.models.functions import Cast
from django_q.models import Schedule

from apps.core.batches import EACH, for_each
from apps.core.days import Clock
from apps.core.problems import BadOption
from apps.jobs.job import Job, registry
from apps.jobs.models import JobPause, JobRun
from apps.jobs.schedules import arguments_of, broken_rules, cron_in_words, job_of, paths_of

HOUR = timedelta(hours=1)
YEAR = timedelta(days=367)  # and a day: so far ahead a next time is looked for
OPENS = timedelta(days=9)  # a gate of one weekday opens within a week
FAR = datetime.max.replace(tzinfo=UTC)
SETTLES = timedelta(minutes=5)  # what was due so shortly ago may still be about to begin
JITTER = timedelta(minutes=1)  # the scheduler looks twice a minute
SHORTEST = timedelta(minutes=1.5)  # a silence that says nothing, whatever the cron
MEASURED = 30  # how many runs say what is usual
FEWEST = 5  # fewer say nothing

_STEPS = {
    Schedule.HOURLY: HOUR,
    Schedule.DAILY: timedelta(days=1),
    Schedule.WEEKLY: timedelta(weeks=1),
    Schedule.BIWEEKLY: timedelta(weeks=2),
}
_ACTED = ~Q(state__in=[JobRun.State.DUPLICATE, JobRun.State.QUEUED])


@dataclass(frozen=True)
class Timing:
    """One schedule of a job, as far as it can be read and starts anything at all."""

    job: Job
    row: Any  # a Schedule, as ``with_changes`` returns it

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        try:
            return arguments_of(self.row)
        except BadOption:
            return {}

    @property
    def regular(self) -> timedelta | None:
        """The time between two dues, when it is always the same and at most an hour."""
        if not self.is_cron or (self.row.cron or "").split()[1:] != ["*"] * 4:
            return None
        steps = _steps(self.row.cron, 60)
        return min(steps) if len(steps) == 1 else None

    @property
    def shortest(self) -> timedelta:
        """The least that lies between two dues."""
        return self.regular or min(_steps(self.row.cron, 9), default=HOUR * 24)

    @property
    def rests(self) -> timedelta:
        """The longest silence between two runs that says nothing was missed."""
        return self.shortest * 1.5 if self.dense else self.shortest + JITTER

    @property
    def for_all(self) -> bool:
        """Whether it is a cron that is confined to no firm: then any run of its job counts."""
        return self.is_cron and not self.arguments.keys() & {"firm_id", "tenant"}

    @property
    def dense(self) -> bool:
        """Whether it is due several times an hour: too often to show each time."""
        return self.is_cron and self.shortest < HOUR

    @property
    def in_words(self) -> str:
        """When it starts its job, in UTC: ``At 20 minutes past the hour``."""
        if self.is_cron:
            return cron_in_words(self.row.cron)
        if self.row.schedule_type == Schedule.MINUTES:
            return f"Every {self.row.minutes or 1} minutes"
        return str(self.row.get_schedule_type_display())

    @property
    def is_cron(self) -> bool:
        return bool(self.row.schedule_type == Schedule.CRON)

    @property
    def gate(self) -> tuple[str, str]:
        """From which local time of day, and on which local weekdays, its job acts."""
        given = self.arguments
        return str(given.get("at") or ""), str(given.get("weekdays") or "")

    def reaches(self, firm_id: int | None, slug: str) -> bool:
        """Tell whether it makes its job act for a firm; without one, for anybody at all."""
        given = self.arguments
        if given.get("dry_run"):
            return False
        tenant = given.get("tenant")  # of some jobs a renter's number
        of_slug = not isinstance(tenant, str) or tenant == slug
        return firm_id is None or (given.get("firm_id") in {None, firm_id} and of_slug)

    def times(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield when it is due between two times, in UTC."""
        if self.is_cron:
            due = iter(CronSim(self.row.cron, after.astimezone(UTC) - timedelta(seconds=1)))
            step = self.regular
            at = next(due, None)
            while at is not None and at < until:
                if at >= after:
                    yield at
                at = at + step if step else next(due, None)
            return
        at, step = self.row.next_run, self._step
        while at is not None and at < until:
            if at >= after:
                yield at
            at = at + step if step else None

    @property
    def _step(self) -> timedelta | None:
        if self.row.schedule_type == Schedule.MINUTES:
            return timedelta(minutes=self.row.minutes or 1)
        return _STEPS.get(self.row.schedule_type)


@lru_cache(maxsize=1024)
def _steps(cron: str, count: int) -> frozenset[timedelta]:
    """Return what lies between the times of a cron, looking at its first few."""
    times = islice(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)), count + 1)
    return frozenset(later - earlier for earlier, later in pairwise(times))


@dataclass(frozen=True, slots=True)
class Missed:
    """A time at which a job was due, not paused, and did not run; or a row of them."""

    job: str
    first: datetime
    last: datetime
    count: int


def with_changes() -> "QuerySet[Schedule]":
    """Return every schedule, each with the time at which a person last changed it."""
    changes = LogEntry.objects.filter(
        content_type__app_label="django_q",
        content_type__model="schedule",
        object_id=Cast(OuterRef("pk"), TextField()),
    )
    last = changes.order_by("-action_time").values("action_time")[:1]
    rows: QuerySet[Schedule] = Schedule.objects.annotate(changed_at=Subquery(last))
    return rows.order_by("pk")


def timings(rows: Iterable[Schedule] | None = None) -> list[Timing]:
    """Return the schedules (or some) that start something, in the order of the jobs."""
    if rows is None:
        rows = with_changes()
    found: dict[str, list[Timing]] = defaultdict(list)
    for row in rows:
        job = job_of(row.func)
        if job is not None and row.repeats != 0 and not broken_rules(row):
            found[job.name].append(Timing(job, row))
    return [timing for job in registry() for timing in found[job.name]]


def next_due(
    own: Iterable[Timing], pause: JobPause | None, *, after: datetime
) -> datetime | None:
    """Return when some schedules start their job next; nothing while it rests for good."""
    if pause:
        if pause.ended_at is None:
            return None
        after = pause.ended_at
    firsts = (next(timing.times(after, after + YEAR), None) for timing in own)
    return min(filter(None, firsts), default=None)


def next_acting(
    own: Iterable[Timing], zone_name: str, *, after: datetime
) -> tuple[datetime, Timing] | None:
    """Return when one of some schedules next finds its local-time gate open in a zone."""
    firsts: list[tuple[datetime, int, Timing]] = []
    for place, timing in enumerate(own):
        at, weekdays = timing.gate
        until = after + (OPENS if at or weekdays else YEAR)
        dues = timing.times(after, until)
        opens = (d for d in dues if Clock(d).open_at(zone_name, at=at, weekdays=weekdays))
        if (due := next(opens, None)) is not None:
            firsts.append((due, place, timing))
    if not firsts:
        return None
    due, _, timing = min(firsts)
    return due, timing


def missed(
    timings: Sequence[Timing],
    pauses: Collection[JobPause],
    *,
    since: datetime,
    now: datetime,
) -> list[Missed]:
    """Return what was due since a time and did not run, by job and oldest first.

    Any run of the job counts, whoever started it. A schedule is judged from its job's first
    run or a person's last change of it. Of schedules that are confined to a firm nothing is
    said.
    """
    judged = [timing for timing in timings if timing.for_all]
    until = now - SETTLES
    if not judged or since >= until:
        return []
    silences = _silences({timing.job.name for timing in judged}, since=since)
    found: list[Missed] = []
    for timing in judged:
        row, name = timing.row, timing.job.name
        held = [pause for pause in pauses if pause.job == name]
        for before, after in silences.get(name, ()):
            start = max(before, since, row.changed_at or since)
            found += _missed_within(timing, start, after, held, until=until)
    return found


def _missed_within(
    timing: Timing,
    before: datetime,
    after: datetime,
    pauses: Collection[JobPause],
    *,
    until: datetime,
) -> Iterator[Missed]:
    """Yield what was due while nothing ran; of a dense job the rows of times between pauses."""
    name = timing.job.name
    dues = timing.times(before + timedelta(microseconds=1), FAR)
    row: list[datetime] = []
    for due, following in pairwise(dues):
        if following > after or due > until:
            break  # a run came, late, but before the job was due again
        if any(pause.touches(due, due + JITTER) for pause in pauses):
            if row:
                yield Missed(name, row[0], row[-1], len(row))
            row = []
        elif timing.dense:
            row.append(due)
        else:
            yield Missed(name, due, due, 1)
    if row:
        yield Missed(name, row[0], row[-1], len(row))


def silence_before(run: JobRun, job: Job) -> datetime | None:
    """Return when the run before this one began, if no schedule lets the job rest so long.

    What a run notes as it begins. The gaps of a month are then found by an index; to compare
    a hundred thousand runs with the one before took half a second.
    """
    before = JobRun.objects.filter(_ACTED, job=job.name, started_at__lt=run.started_at)
    before = before.exclude(pk=run.pk)  # which may begin for the second time
    last = before.order_by("-started_at").values_list("started_at", flat=True).first()
    if last is None or run.started_at - last <= SHORTEST:
        return None
    own = timings(Schedule.objects.filter(func__in=paths_of(job)))
    rests = min((timing.rests for timing in own if timing.for_all), default=None)
    return last if rests and run.started_at - last > rests else None


def _silences(
    names: Collection[str], *, since: datetime
) -> dict[str, list[tuple[datetime, datetime]]]:
    """Return, by job, the times in which nothing ran for longer than between two dues.

    The last one goes on: it begins with the last run. Of a job that never ran there is none.
    """
    acted = JobRun.objects.filter(_ACTED).only("job", "silent_since", "started_at")
    newest = acted.of(EACH).order_by("-started_at")[:1]
    silent = acted.filter(job__in=names, silent_since__isnull=False, started_at__gte=since)
    last: dict[str, datetime] = {}
    ended: dict[str, set[tuple[datetime, datetime]]] = defaultdict(set)
    for run in for_each(names, newest, silent):
        last[run.job] = max(run.started_at, last.get(run.job, run.started_at))
        if run.silent_since and run.started_at >= since:
            ended[run.job].add((run.silent_since, run.started_at))
    return {job: [*sorted(ended[job]), (at, FAR)] for job, at in last.items()}


# ---- how long runs take ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usual:
    """How long the last real runs of a job took; eight in ten lie between low and high."""

    low: timedelta
    middle: timedelta
    high: timedelta


def usual_lengths(jobs: Collection[str], *, before: datetime | None = None) -> dict[str, Usual]:
    """Return how long each of some jobs usually takes, by its last thirty real runs.

    Those that began before a time, if one is named; too few say nothing.
    """
    ended = (
        JobRun.objects.of(EACH)
        .real()
        .filter(state__in=[JobRun.State.DONE, JobRun.State.PARTIAL], ended_at__isnull=False)
    )
    if before is not None:
        ended = ended.filter(started_at__lt=before)
    newest = ended.order_by("-started_at").only("job", "started_at", "ended_at")[:MEASURED]
    lengths: dict[str, list[float]] = defaultdict(list)
    for run in for_each(jobs, newest):
        if run.took is not None:
            lengths[run.job].append(run.took.total_seconds())
    return {job: _usual(took) for job, took in lengths.items() if len(took) >= FEWEST}


def _usual(seconds: list[float]) -> Usual:
    tenths = quantiles(seconds, n=10, method="inclusive")
    low, middle, high = tenths[0], median(seconds), tenths[-1]
    return Usual(*(timedelta(seconds=part) for part in (low, middle, high)))
