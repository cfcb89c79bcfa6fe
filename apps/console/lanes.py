"""What the calendar draws: for each job its runs, what was missed, its pauses, the future.

Runs are counted by the database, by job, cell and state; a lane has one mark for each of
those at most, however many runs there were.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Min, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.console.signs import TONES
from apps.core import days
from apps.core.buckets import Bucket
from apps.jobs.job import Job
from apps.jobs.models import JobPause, JobRun
from apps.jobs.timetable import YEAR, Missed, Timing

WIDTH = 960  # of the picture, in pixels
TICK = 4  # the width of a mark for a moment
TOO_MANY = 500  # times in the future that are counted for one mark

State = JobRun.State
WORST_FIRST = ("bad", "warn", "going", "good", "quiet")


@dataclass(frozen=True)
class Span:
    """The days that are shown, in somebody's zone, and how they are divided."""

    zone_name: str
    first: date
    days: int
    hours: int  # of one cell; 24: a whole day

    @property
    def zone(self) -> ZoneInfo:
        return days.zone(self.zone_name)

    @cached_property
    def start(self) -> datetime:
        return self.midnight(0)

    @cached_property
    def end(self) -> datetime:
        return self.midnight(self.days)

    def midnight(self, number: int) -> datetime:
        """Return when a day of the span begins: local days have 23 to 25 hours."""
        return days.local_midnight(self.first + number * days.DAY, self.zone_name)

    def x(self, at: datetime) -> float:
        """Return where a time is, from 0 to ``WIDTH``."""
        share = (at - self.start) / (self.end - self.start)
        return round(min(max(share, 0.0), 1.0) * WIDTH, 1)

    def hours_of(self, number: int) -> int:
        """Return how many hours a day has: not 24 when the clocks change."""
        return round((self.midnight(number + 1) - self.midnight(number)) / timedelta(hours=1))

    @cached_property
    def edges(self) -> list[datetime]:
        """Where cells begin, and the end: the same local hours of every day.

        Of a single day its hours, as many as it has.
        """
        if self.days == 1:
            hours = range(self.hours_of(0))
            return [*(self.start + timedelta(hours=hour) for hour in hours), self.end]
        edges = {
            days.local_instant(self.first + number * days.DAY, time(hour), self.zone_name)
            for number in range(self.days)
            for hour in range(0, 24, self.hours)
        }
        return [*sorted(edges), self.end]

    @cached_property
    def edges_in_words(self) -> list[str]:
        """Where cells begin, as their marks say it: written once for all lanes."""
        return [_local(edge, self) for edge in self.edges]

    def labels(self) -> Iterator["Label"]:
        """Yield what stands above the lanes: hours of one day, or dates."""
        if self.days == 1:
            at = self.start
            while at < self.end:
                local = at.astimezone(self.zone)
                if local.hour % 3 == 0 and local.minute == 0 and not local.fold:
                    yield Label(self.x(at), f"{local:%H:%M}")
                at += timedelta(minutes=15)
            return
        for number in range(self.days):
            day = self.first + number * days.DAY
            text = f"{day:%a} {day.day}" if self.days <= 7 else str(day.day)
            yield Label(self.x(self.midnight(number)), text)

    @cached_property
    def odd_days(self) -> list[int]:
        """The days that have not 24 hours, since the clocks change."""
        return [number for number in range(self.days) if self.hours_of(number) != 24]

    def changes(self) -> Iterator["Mark"]:
        """Yield the days on which the clocks change."""
        for number in self.odd_days:
            day = self.first + number * days.DAY
            left, right = self.midnight(number), self.midnight(number + 1)
            text = _("%(day)s has %(hours)d hours: the clocks change.")
            words = text % {"day": days.write_day(day), "hours": self.hours_of(number)}
            yield Mark(self.x(left), self.x(right) - self.x(left), "clocks", words)


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle of a lane, and the words for it. ``run`` or ``to_job``: where it leads."""

    x: float
    width: float
    tone: str
    words: str
    run: int | None = None
    to_job: bool = False
    y: int = 5
    height: int = 16


# What went wrong in a cell of which most went well, and what was missed in it.
FOOT: Mapping[str, Any] = {"y": 14, "height": 7}
HEAD: Mapping[str, Any] = {"y": 5, "height": 7}


@dataclass
class Lane:
    """One job, as a row of marks and in words."""

    job: Job
    marks: list[Mark] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # runs by state
    missed: int = 0
    missed_at: list[datetime] = field(default_factory=list)  # the first few
    next_at: datetime | None = None
    pauses: list[JobPause] = field(default_factory=list)
    newest_bad: int | None = None

    @property
    def in_words(self) -> str:
        parts = [
            f"{n:,} {State(state).label.lower()}" for state, n in self.counts.most_common()
        ]
        return ", ".join(parts) or _("no runs")


@dataclass(frozen=True, slots=True)
class Tally:
    """So many runs of a job that began within a cell of the span and ended in one way."""

    cell: int
    state: str
    runs: int
    first: datetime
    newest: int  # the key of one of them: the newest


def tallies(runs: "QuerySet[JobRun]", span: Span) -> dict[str, list[Tally]]:
    """Count the runs of a span by job, cell and state, in one statement."""
    within = runs.filter(dry_run=False, started_at__gte=span.start, started_at__lt=span.end)
    rows = (
        within.annotate(bucket=Bucket("started_at", span.edges))
        .values_list("job", "bucket", "state")
        .annotate(runs=Count("pk"), first=Min("started_at"), newest=Max("pk"))
        .order_by("job", "bucket")
    )
    found: dict[str, list[Tally]] = defaultdict(list)
    for job, bucket, *counted in rows:
        found[job].append(Tally(bucket - 1, *counted))
    return found


def draw(
    jobs: Iterable[Job],
    span: Span,
    *,
    runs: Mapping[str, Sequence[Tally]],
    timings: Sequence[Timing],
    missed: Sequence[Missed],
    pauses: Sequence[JobPause],
    now: datetime,
) -> list[Lane]:
    """Return the lanes of the jobs that ran, were due, or rest within a span."""
    by_job: dict[str, list[Timing]] = defaultdict(list)
    for timing in timings:
        by_job[timing.job.name].append(timing)
    lost: dict[str, list[Missed]] = defaultdict(list)
    for one in missed:
        lost[one.job].append(one)
    lanes = []
    for job in jobs:
        own = by_job[job.name]
        if not own and job.name not in runs:
            continue
        lane = Lane(job, pauses=[pause for pause in pauses if pause.job == job.name])
        _draw_pauses(lane, span)
        by_cell = span.days > 1 or any(timing.dense for timing in own)
        _draw_runs(lane, span, runs.get(job.name, ()), by_cell=by_cell)
        _draw_missed(lane, span, lost[job.name], by_cell=by_cell)
        _draw_future(lane, span, own, now=now, by_cell=by_cell)
        lanes.append(lane)
    return lanes


# ---- inside ---------------------------------------------------------------------------------


def _draw_pauses(lane: Lane, span: Span) -> None:
    for pause in lane.pauses:
        left, right = span.x(pause.since), span.x(pause.ended_at or span.end)
        words = _("Paused: %(reason)s") % {"reason": pause.reason}
        lane.marks.append(Mark(left, max(right - left, TICK), "pause", words))


def _draw_runs(lane: Lane, span: Span, found: Sequence[Tally], *, by_cell: bool) -> None:
    for tally in found:
        lane.counts[tally.state] += tally.runs
        if TONES[tally.state] == "bad":
            lane.newest_bad = max(tally.newest, lane.newest_bad or 0)
    if not by_cell:
        order = [*reversed(WORST_FIRST)]  # what is worst is drawn last, on top
        for tally in sorted(found, key=lambda t: order.index(TONES[t.state])):
            tone = TONES[tally.state]
            words = (
                f"{_local(tally.first, span)}: {_counted(Counter({tally.state: tally.runs}))}"
            )
            run = tally.newest if tone in {"bad", "warn"} else None
            lane.marks.append(Mark(span.x(tally.first), TICK, tone, words, run=run))
        return
    edges = span.edges
    cells: dict[int, list[Tally]] = defaultdict(list)
    for tally in found:
        cells[tally.cell].append(tally)
    for number, within in sorted(cells.items()):
        states: Counter[str] = Counter()
        tones: Counter[str] = Counter()
        for tally in within:
            states[tally.state] += tally.runs
            tones[TONES[tally.state]] += tally.runs
        words = f"{span.edges_in_words[number]}: {_counted(states)}"
        worst = next(tone for tone in WORST_FIRST if tone in tones)
        newest = max(t.newest for t in within if TONES[t.state] == worst)
        run = newest if worst in {"bad", "warn"} else None
        shape: Mapping[str, Any] = {}
        if run and tones["good"] > tones[worst]:
            lane.marks.append(_cell(span, edges, number, "good", words))
            shape = FOOT
        lane.marks.append(_cell(span, edges, number, worst, words, run=run, **shape))


def _draw_missed(lane: Lane, span: Span, lost: Sequence[Missed], *, by_cell: bool) -> None:
    within = [one for one in lost if one.last >= span.start and one.first < span.end]
    lane.missed = sum(one.count for one in within)
    lane.missed_at = [one.first for one in within[:5]]
    if not by_cell:
        for one in within:
            words = _("%(at)s: missed") % {"at": _local(one.first, span)}
            lane.marks.append(Mark(span.x(one.first), TICK + 2, "missed", words, to_job=True))
        return
    edges = span.edges
    cells: Counter[int] = Counter()
    for one in within:
        start = max(bisect_right(edges, one.first) - 1, 0)
        end = min(bisect_right(edges, one.last) - 1, len(edges) - 2)
        each = max(one.count // (end - start + 1), 1)
        for number in range(start, end + 1):
            cells[number] += each
    drawn = {mark.x for mark in lane.marks if mark.tone in TONES.values()}
    for number, count in sorted(cells.items()):
        shape = HEAD if span.x(edges[number]) in drawn else {}
        text = ngettext("%(at)s: missed once", "%(at)s: missed %(n)d times", count)
        words = text % {"at": span.edges_in_words[number], "n": count}
        lane.marks.append(_cell(span, edges, number, "missed", words, to_job=True, **shape))


def _draw_future(
    lane: Lane, span: Span, timings: Sequence[Timing], *, now: datetime, by_cell: bool
) -> None:
    edges = span.edges
    cells: Counter[int] = Counter()
    for timing in timings:
        for number, at in enumerate(timing.times(max(now, span.start), now + YEAR)):
            if lane.pauses and any(pause.touches(at, at) for pause in lane.pauses):
                continue
            if lane.next_at is None or at < lane.next_at:
                lane.next_at = at
            if at >= span.end or number >= TOO_MANY:
                break
            if by_cell:
                cells[bisect_right(edges, at) - 1] += 1
            else:
                lane.marks.append(Mark(span.x(at), TICK, "future", _local(at, span)))
    for number, count in sorted(cells.items()):
        text = ngettext("%(at)s: due once", "%(at)s: due %(n)d times", count)
        words = text % {"at": span.edges_in_words[number], "n": count}
        lane.marks.append(_cell(span, edges, number, "future", words, after=now))


def _cell(
    span: Span,
    edges: Sequence[datetime],
    number: int,
    tone: str,
    words: str,
    *,
    after: datetime | None = None,
    **leads: Any,
) -> Mark:
    left, right = edges[max(number, 0)], edges[max(number, 0) + 1]
    if after is not None:
        left = max(left, after)
    x = span.x(left)
    return Mark(x, round(max(span.x(right) - x - 1, 1), 1), tone, words, **leads)


def _local(at: datetime, span: Span) -> str:
    """Write a time in the zone; with its offset on a day that has an hour twice."""
    local = at.astimezone(span.zone)
    twice = (local.date() - span.first).days in span.odd_days
    return f"{local:%a %d %b %H:%M}" + (f" ({local:%z})" if twice else "")


def _counted(states: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {State(state).label.lower()}" for state, n in states.items())
