"""Whether the jobs really run: what was due and did not happen (spec A11).

Everything is judged from rows, outside the cluster: a dead cluster cannot report itself.
The functions here change nothing and return findings. They ask for all jobs at once: a page
and a probe look here, too, and the number of statements must not grow with the jobs.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from cronsim import CronSim
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule

from apps.core.problems import BadOption
from apps.installations.leaving import SENTENCE, is_strange
from apps.jobs.job import Job, registry
from apps.jobs.models import JobPause, JobRun
from apps.jobs.schedules import arguments_of, broken_rules, job_of
from apps.jobs.timetable import with_changes

GRACE = timedelta(minutes=10)  # beyond a job's time-out: the queue may be long
STUCK = timedelta(minutes=2)  # due work that nobody has begun for so long
# A cluster looks at the schedules twice a minute. With one look a minute from outside, what
# nobody has fired is noticed within two minutes.
UNFIRED = timedelta(minutes=1)

# The longest that may lie between two times of a kind that is no cron.
_PERIODS = {
    Schedule.HOURLY: timedelta(hours=1),
    Schedule.DAILY: timedelta(days=1),
    Schedule.WEEKLY: timedelta(weeks=1),
    Schedule.BIWEEKLY: timedelta(weeks=2),
    Schedule.MONTHLY: timedelta(days=31),
    Schedule.BIMONTHLY: timedelta(days=62),
    Schedule.QUARTERLY: timedelta(days=92),
    Schedule.YEARLY: timedelta(days=366),
}
# Local-time gates narrow when a job acts, not whom it acts for.
GATES = {"at", "weekdays"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know. ``alarming`` ones make the check fail."""

    kind: str  # strange, late, missed, broken, missing, misread, stuck; paused, dry
    job: str
    text: str
    alarming: bool = True
    schedule: int | None = None  # the key of the row that it is about
    run: int | None = None  # the newest run that it is about
    since: datetime | None = None  # when it was due, was begun, has waited from
    count: int = 1  # runs, or tasks


@dataclass(frozen=True, slots=True)
class Health:
    """What was found, and how many scheduled jobs were looked at."""

    findings: tuple[Finding, ...]
    scheduled: int

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.alarming]


def examine(
    *,
    now: datetime,
    rows: Sequence[Schedule] | None = None,
    pauses: Sequence[JobPause] | None = None,
) -> Health:
    """Look at every schedule, every job and the queue.

    Who has asked for the schedules (``with_changes``) or the pauses already hands them in.
    """
    if rows is None:
        rows = list(with_changes())
    by_job: dict[str, list[Schedule]] = {}
    findings = [Finding("strange", "", SENTENCE)] if is_strange() else []
    misread: set[int] = set()
    for row in rows:
        if job := job_of(row.func):
            by_job.setdefault(job.name, []).append(row)
        if found := list(_misread(row)):
            misread.add(row.pk)
            findings += found
    judged = [
        Judged(job.name, row, _due(row, _judged_at(now)))
        for job in registry()
        for row in by_job.get(job.name, [])
        if row.pk not in misread and _acts(row)
    ]
    if pauses is None:
        since = min((one.due for one in judged if one.due), default=now)
        pauses = list(JobPause.objects.touching(since, now + STUCK))
    resting: dict[str, list[JobPause]] = defaultdict(list)
    for pause in pauses:
        resting[pause.job].append(pause)
    recent, crashes = _record(judged)
    late, broken = _late(judged, recent, resting, now=now), _broken(crashes)
    missed = _missed(judged, late, now=now)
    for job in registry():
        own = by_job.get(job.name, [])
        if job.cron and not own:
            findings.append(_missing(job))
        held = [pause for pause in resting[job.name] if pause.holds(now)]
        findings += _resting(job, own, held[0] if held else None)
        findings += late.get(job.name, []) + missed.get(job.name, [])
        findings += broken.get(job.name, [])
    findings += _stuck(now=now)
    return Health(tuple(findings), len({one.job for one in judged}))


# ---- schedules ----------------------------------------------------------------------------


def _misread(row: Schedule) -> Iterator[Finding]:
    for field, text in broken_rules(row).items():
        said = f"{_called(row)}, {field}: {text}"
        yield Finding("misread", row.func, said, schedule=row.pk)


def _missing(job: Job) -> Finding:
    text = f"{job.name} has no schedule; run: manage.py sync_schedules"
    return Finding("missing", job.name, text)


def _resting(job: Job, rows: list[Schedule], pause: JobPause | None) -> Iterator[Finding]:
    if pause:
        yield Finding("paused", job.name, f"{pause}.", alarming=False)
    for row in rows:
        if row.repeats == 0 and row.schedule_type != Schedule.ONCE:
            text = f"{job.name} is paused ({_called(row)})."
            yield Finding("paused", job.name, text, alarming=False)
    if rows and all(_arguments(row).get("dry_run") for row in rows):
        text = f"{job.name} is scheduled as a dry run only."
        yield Finding("dry", job.name, text, alarming=False)


def _acts(row: Schedule) -> bool:
    return row.repeats != 0 and not _arguments(row).get("dry_run")


@dataclass(frozen=True, slots=True)
class Judged:
    """A schedule that acts, and the last time at which its job had to begin."""

    job: str
    row: Any  # a Schedule, as ``with_changes`` returns it
    due: datetime | None


def _judged_at(now: datetime) -> datetime:
    """Return the time that is so long ago that what was due then must have ended."""
    return now - GRACE - timedelta(seconds=Conf.TIMEOUT or 0)


def _late(
    judged: Sequence[Judged],
    recent: "Successes",
    pauses: Mapping[str, list[JobPause]],
    *,
    now: datetime,
) -> dict[str, list[Finding]]:
    """Say, by job, when the last success is older than a schedule allows.

    A run must have begun at the last time that is so long ago that, with the time-out and
    ten minutes of grace, it must have ended. A row that has never been fired is first due
    at its ``next_run``; one that a person touched, or whose first run is younger than that
    time, is not late yet; nor is one that was paused then.
    """
    judged_at = _judged_at(now)
    findings: dict[str, list[Finding]] = defaultdict(list)
    overdue = [
        one
        for one in judged
        if one.due is not None
        and (one.row.task or not one.row.next_run or one.row.next_run <= judged_at)
        and not _covered(one, recent, since=one.due)
        and not any(p.touches(one.due, one.due + STUCK) for p in pauses.get(one.job, []))
    ]
    if not overdue:
        return findings
    begun, ever = _begun(overdue), _last_successes(overdue)
    for one in overdue:
        if one.due is None or begun.get(one.row.pk, one.due) > one.due:
            continue
        last = _covered(one, ever)
        seen = f"last success {_written(last)}" if last else "it has never succeeded"
        text = f"{one.job}{_scope(one.row)} is late: due {_written(one.due)}, {seen}."
        late = Finding("late", one.job, text, schedule=one.row.pk, since=one.due)
        findings[one.job].append(late)
    return findings


def _missed(
    judged: Sequence[Judged], late: Mapping[str, list[Finding]], *, now: datetime
) -> dict[str, list[Finding]]:
    """Say, by job, when a time has come and nothing has fired a row, long before it is late."""
    said = {finding.schedule for some in late.values() for finding in some}
    findings: dict[str, list[Finding]] = defaultdict(list)
    for one in judged:
        due = one.row.next_run
        if one.row.pk in said or due is None or due > now - UNFIRED:
            continue
        text = (
            f"{one.job}{_scope(one.row)} was due {_written(due)}, and nothing has started it. "
            "Is a cluster running?"
        )
        missed = Finding("missed", one.job, text, schedule=one.row.pk, since=due)
        findings[one.job].append(missed)
    return findings


Successes = Mapping[str, Sequence[tuple[Mapping[str, Any], datetime]]]
Crashes = Mapping[int, int]  # by the newest run of a job: how many


def _record(judged: Sequence[Judged]) -> tuple[Successes, Crashes]:
    """Ask, in one statement, what succeeded since it was due, and what broke since then."""
    due: dict[str, datetime] = {}
    for one in judged:
        if one.due:
            due[one.job] = min(one.due, due.get(one.job, one.due))
    real = JobRun.objects.real()
    since = real.successful().filter(
        job=OuterRef("job"), started_at__gte=OuterRef("started_at")
    )
    broken = real.filter(~Exists(since), state__in=[JobRun.State.CRASHED, JobRun.State.LOST])
    lately = (Q(job=job, started_at__gte=at) for job, at in due.items())
    done = real.successful().filter(reduce(or_, lately, Q(pk=None)))
    # Each half finds its few runs by an index; with OR, every run was looked at.
    rows = _summed(broken).union(_summed(done), all=True)
    successes: dict[str, list[tuple[Mapping[str, Any], datetime]]] = defaultdict(list)
    crashes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for job, arguments, state, at, newest, n in rows:
        if state == JobRun.State.DONE:
            successes[job].append((arguments, at))
        else:
            crashes[job].append((newest, n))
    counts = {max(found)[0]: sum(n for _, n in found) for found in crashes.values()}
    return successes, counts


def _summed(runs: "QuerySet[JobRun]") -> "QuerySet[JobRun, tuple[Any, ...]]":
    """Return job, arguments, state, newest beginning, newest key and number, by the first."""
    return (
        runs.values_list("job", "arguments", "state")
        .annotate(at=Max("started_at"), newest=Max("pk"), n=Count("pk"))
        .order_by()
    )


def _last_successes(judged: Sequence[Judged]) -> Successes:
    """Return what has ever succeeded, by job and arguments."""
    done = JobRun.objects.real().successful().filter(job__in={one.job for one in judged})
    successes: dict[str, list[tuple[Mapping[str, Any], datetime]]] = defaultdict(list)
    rows = done.values_list("job", "arguments").annotate(at=Max("started_at")).order_by()
    for job, arguments, at in rows:
        successes[job].append((arguments, at))
    return successes


def _covered(
    one: Judged, successes: Successes, *, since: datetime | None = None
) -> datetime | None:
    """Return the last success that did what a row asks for, if it is young enough."""
    wanted = _arguments(one.row)
    times = (at for done, at in successes.get(one.job, ()) if covers(done, wanted))
    last = max(times, default=None)
    return None if last is None or (since and last < since) else last


def _due(row: Schedule, judged_at: datetime) -> datetime | None:
    """Return the last time before ``judged_at`` at which a row's job had to begin."""
    if row.schedule_type == Schedule.CRON:
        times = CronSim(
            row.cron, judged_at.astimezone(UTC) + timedelta(minutes=1), reverse=True
        )
        return next((at for at in times if at <= judged_at), None)
    if row.schedule_type == Schedule.ONCE:  # fired, the row would be gone
        return row.next_run if row.next_run and row.next_run <= judged_at else None
    if row.schedule_type == Schedule.MINUTES:
        return judged_at - timedelta(minutes=row.minutes or 1)
    return judged_at - _PERIODS[row.schedule_type]


def _begun(overdue: Sequence[Judged]) -> dict[int, datetime]:
    """Return since when rows can be judged: their first run, or a person's last change."""
    firsts: list[Any] = [
        Subquery(
            JobRun.objects.of(one.job)
            .filter(schedule_name=one.row.name or str(one.row.pk))
            .order_by("started_at")
            .values("pk")[:1]
        )
        for one in overdue
    ]
    fired = {
        (run.job, run.schedule_name): run.started_at
        for run in JobRun.objects.filter(pk__in=firsts)
    }
    begun: dict[int, datetime] = {}
    for one in overdue:
        named = one.row.name or str(one.row.pk)
        times = [at for at in (fired.get((one.job, named)), one.row.changed_at) if at]
        if times:
            begun[one.row.pk] = max(times)
    return begun


def covers(done: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a run with some arguments did at least what a row's arguments ask for."""
    return all(name in GATES or wanted.get(name) == value for name, value in done.items())


# ---- runs and the queue -------------------------------------------------------------------


def _broken(crashes: "Crashes") -> dict[str, list[Finding]]:
    """Report, by job, real runs that crashed or were lost since the last success."""
    findings: dict[str, list[Finding]] = {}
    for run in JobRun.objects.filter(pk__in=crashes) if crashes else ():
        times = "once" if crashes[run.pk] == 1 else f"{crashes[run.pk]} times"
        text = (
            f"{run.job} was lost or crashed {times} since its last success; "
            f"newest {run} at {_written(run.started_at)}: {run.state}. {run.problem}"
        )
        findings[run.job] = [
            Finding(
                "broken",
                run.job,
                text.strip(),
                run=run.pk,
                since=run.started_at,
                count=crashes[run.pk],
            )
        ]
    return findings


def _stuck(*, now: datetime) -> Iterator[Finding]:
    """Report due work that no worker begins although not all of them are busy."""
    waiting = OrmQ.objects.filter(lock__lte=now - STUCK)
    oldest = waiting.order_by("lock").values_list("lock", flat=True).first()
    if oldest is None:
        return
    carried = JobRun.objects.exclude(task_id="")
    if carried.filter(started_at__gt=max(oldest, now - STUCK)).exists():
        return
    busy = carried.going_on().filter(heartbeat_at__gt=now - STUCK).count()
    if busy >= Conf.WORKERS:
        return
    count = waiting.count()
    text = (
        f"The queue is stuck: {count} tasks are due, the oldest since "
        f"{_written(oldest)}, and nothing has begun for two minutes. Is a cluster running?"
    )
    yield Finding("stuck", "", text, since=oldest, count=count)


def _arguments(row: Schedule) -> dict[str, Any]:
    """Return a row's arguments as runs record them: without empty ones."""
    try:
        arguments = arguments_of(row)
    except BadOption:
        return {}
    return {k: v for k, v in arguments.items() if v not in (None, "", False)}


def _scope(row: Schedule) -> str:
    return f" ({row.kwargs})" if _arguments(row) else ""


def _called(row: Schedule) -> str:
    return f"schedule {row.pk} '{row.name}'" if row.name else f"schedule {row.pk}"


def _written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
