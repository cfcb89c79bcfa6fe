"""Whether the jobs really run: what was due and did not happen (spec A11).

Everything is judged from rows, outside the cluster: a dead cluster cannot report itself.
The functions here change nothing and return findings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cronsim import CronSim
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Max
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule

from apps.core.problems import BadOption
from apps.installations.leaving import SENTENCE, is_strange
from apps.jobs.job import Job, registry
from apps.jobs.models import JobPause, JobRun
from apps.jobs.schedules import arguments_of, broken_rules, job_of

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


def examine(*, now: datetime) -> Health:
    """Look at every schedule, every job and the queue."""
    rows = list(Schedule.objects.order_by("pk"))
    by_job: dict[str, list[Schedule]] = {}
    findings = [Finding("strange", "", SENTENCE)] if is_strange() else []
    for row in rows:
        if job := job_of(row.func):
            by_job.setdefault(job.name, []).append(row)
        findings += _misread(row)
    scheduled = 0
    pauses = {pause.job: pause for pause in JobPause.objects.in_force(now)}
    for job in registry():
        own = by_job.get(job.name, [])
        if job.cron and not own:
            findings.append(_missing(job))
        findings += _resting(job, own, pauses.get(job.name))
        acting = [row for row in own if _acts(row)]
        scheduled += bool(acting)
        for row in acting:
            findings += list(_late(job, row, now=now)) or _missed(job, row, now=now)
        findings += _broken(job)
    findings += _stuck(now=now)
    return Health(tuple(findings), scheduled)


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
    return row.repeats != 0 and not broken_rules(row) and not _arguments(row).get("dry_run")


def _late(job: Job, row: Schedule, *, now: datetime) -> Iterator[Finding]:
    """Say when the last success is older than the schedule allows.

    A run must have begun at the last time that is so long ago that, with the time-out and
    ten minutes of grace, it must have ended. A row that has never been fired is first due
    at its ``next_run``; one that a person touched, or whose first run is younger than that
    time, is not late yet.
    """
    judged_at = now - GRACE - timedelta(seconds=Conf.TIMEOUT or 0)
    due = _due(row, judged_at)
    if due is None or (not row.task and row.next_run and row.next_run > judged_at):
        return
    successes = JobRun.objects.of(job.name).real().successful()
    arguments = _arguments(row)
    recent = successes.filter(started_at__gte=due).values_list("arguments", flat=True)
    if any(covers(done, arguments) for done in recent) or _is_new(job, row, due):
        return
    if JobPause.objects.filter(job=job.name).touching(due, due + STUCK).exists():
        return
    last = max(
        (
            found["at"]
            for found in successes.values("arguments").annotate(at=Max("started_at"))
            if covers(found["arguments"], arguments)
        ),
        default=None,
    )
    seen = f"last success {_written(last)}" if last else "it has never succeeded"
    text = f"{job.name}{_scope(row)} is late: due {_written(due)}, {seen}."
    yield Finding("late", job.name, text, schedule=row.pk, since=due)


def _missed(job: Job, row: Schedule, *, now: datetime) -> Iterator[Finding]:
    """Say when a time has come and nothing has fired the row, long before it is late."""
    due = row.next_run
    if due is None or due > now - UNFIRED:
        return
    text = (
        f"{job.name}{_scope(row)} was missed: due {_written(due)}, and nothing has started it. "
        "Is a cluster running?"
    )
    yield Finding("missed", job.name, text, schedule=row.pk, since=due)


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


def _is_new(job: Job, row: Schedule, due: datetime) -> bool:
    """Whether a row's own history, or a person's change of it, begins after ``due``."""
    touched = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Schedule),
        object_id=str(row.pk),
        action_time__gt=due,
    )
    if touched.exists():
        return True
    name = row.name or str(row.pk)
    fired = JobRun.objects.of(job.name).filter(schedule_name=name).order_by("started_at")
    first = fired.values_list("started_at", flat=True).first()
    return first is not None and first > due


def covers(done: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a run with some arguments did at least what a row's arguments ask for."""
    return all(name in GATES or wanted.get(name) == value for name, value in done.items())


# ---- runs and the queue -------------------------------------------------------------------


def _broken(job: Job) -> Iterator[Finding]:
    """Report real runs that crashed or were lost since the last success."""
    runs = JobRun.objects.of(job.name).real()
    newest = runs.order_by("-started_at")
    last = newest.successful().values_list("started_at", flat=True).first()
    bad = newest.filter(state__in=[JobRun.State.CRASHED, JobRun.State.LOST])
    if last:
        bad = bad.filter(started_at__gt=last)
    run = bad.first()
    if run is None:
        return
    count = bad.count()
    times = "once" if count == 1 else f"{count} times"
    text = (
        f"{job.name} was lost or crashed {times} since its last success; "
        f"newest {run} at {_written(run.started_at)}: {run.state}. {run.problem}"
    )
    yield Finding(
        "broken", job.name, text.strip(), run=run.pk, since=run.started_at, count=count
    )


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
