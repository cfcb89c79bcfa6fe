"""What one look sees: everything that is wrong at an instant, as signs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import Any

from django.utils import timezone

from apps.jobs.health import GATES, Finding, Health, covers
from apps.jobs.models import JobRun, JobRunQuerySet
from apps.jobs.timetable import usual_lengths
from apps.monitoring import words
from apps.monitoring.models import Alert, Watch

Kind = Alert.Kind

# With a look each minute, a dead cluster is noticed within two.
SILENT = timedelta(minutes=1)
LONGEST = timedelta(days=1)  # a run that began earlier and ends now is judged by its state only

# A run is unusually slow beyond three times the median of its job's last runs, and by half a
# minute at least; ``usual_lengths`` says how many there must be.
TIMES = 3
AT_LEAST = timedelta(seconds=30)

_ENDED_BADLY = {
    JobRun.State.FAILED: Kind.FAILED,
    JobRun.State.BLOCKED: Kind.FAILED,
    JobRun.State.PARTIAL: Kind.PARTIAL,
}


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that is wrong."""

    kind: Kind
    text: str
    job: str = ""
    scope: str = ""
    run: int | None = None
    schedule: int | None = None
    since: datetime | None = None
    count: int = 0  # known times; otherwise they are counted as they are seen

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.kind, self.job, self.scope)


# ---- what is so now ---------------------------------------------------------------------


def of_health(health: Health) -> Iterator[Sign]:
    """Yield what ``apps.jobs.health`` found, in words that quote nobody's arguments."""
    for finding in health.problems:
        if finding.kind != "strange":  # nobody is told from there
            yield _of_finding(finding)


def _of_finding(found: Finding) -> Sign:
    job, since = found.job, found.since
    row = f"schedule {found.schedule}" if found.schedule else ""
    if found.kind == "missed":
        text = words.of_missed(job, since)
        return Sign(Kind.MISSED, text, job, row, schedule=found.schedule, since=since)
    if found.kind == "late":
        text = words.of_late(job, since)
        return Sign(Kind.LATE, text, job, row, schedule=found.schedule, since=since)
    if found.kind == "broken":
        text = words.of_broken(job, found.run, since, found.count)
        return Sign(Kind.BROKEN, text, job, run=found.run, since=since, count=found.count)
    if found.kind == "stuck":
        return Sign(Kind.STUCK, words.of_stuck(found.count, since), since=since)
    if found.kind == "missing":
        return Sign(Kind.UNSCHEDULED, words.of_unscheduled(job), job)
    # The row's own words are not repeated: whoever may write there may write anything.
    text = words.of_misread(found.schedule)
    return Sign(Kind.MISREAD, text, scope=row, schedule=found.schedule)


def of_clusters(watch: Watch, *, now: datetime) -> Iterator[Sign]:
    """Yield a sign when no cluster has shown itself for a minute."""
    if now - watch.cluster_seen_at >= SILENT:
        seen = watch.cluster_seen_at
        yield Sign(Kind.NO_CLUSTER, words.of_no_cluster(seen), since=seen)


# ---- what has happened since the last look ----------------------------------------------


def of_ended(*, after: datetime, now: datetime) -> Iterator[Sign]:
    """Yield the runs that ended badly, oldest first."""
    for run in _ended(after, now).filter(state__in=list(_ENDED_BADLY)).order_by("pk"):
        yield Sign(
            _ENDED_BADLY[JobRun.State(run.state)],
            words.of_ended_badly(run),
            run.job,
            scope_of(run.arguments),
            run=run.pk,
            since=run.started_at,
        )


def of_slow(*, after: datetime, now: datetime) -> Iterator[Sign]:
    """Yield the runs that took, or are taking, unusually long."""
    ended = _ended(after, now).successful().order_by("pk")
    going_on = JobRun.objects.real().going_on().order_by("pk")
    for run in chain(ended, going_on):
        if usually := slower_than(run, now=now):
            took = (run.ended_at or now) - run.started_at
            text = words.of_slow(run, took, usually)
            yield Sign(Kind.SLOW, text, run.job, run=run.pk, since=run.started_at)


def slower_than(run: JobRun, *, now: datetime) -> timedelta | None:
    """Return what a run of the job usually takes, if this one takes unusually long."""
    took = (run.ended_at or now) - run.started_at
    if took < AT_LEAST:  # most runs: nothing to ask
        return None
    usual = usual_lengths([run.job], before=run.started_at).get(run.job)
    if usual is None:
        return None
    usually = usual.middle
    return usually if took > TIMES * usually and took >= usually + AT_LEAST else None


def _ended(after: datetime, now: datetime) -> JobRunQuerySet:
    runs = JobRun.objects.real().filter(started_at__gt=after - LONGEST)
    return runs.filter(ended_at__gt=after, ended_at__lte=now)


# ---- what is over -----------------------------------------------------------------------


def has_succeeded_since(alert: Alert) -> bool:
    """Tell whether a later run has done at least what the failed one was asked to do."""
    failed = JobRun.objects.filter(pk=alert.run_number or 0)
    wanted = failed.values_list("arguments", flat=True).first() or {}
    later = (
        JobRun.objects.of(alert.job)
        .real()
        .successful()
        .filter(started_at__gt=alert.since or alert.opened_at)
    )
    done = later.values_list("arguments", flat=True).distinct()
    return any(covers(arguments, wanted) for arguments in done)


def is_quick_again(alert: Alert) -> bool:
    """Tell whether a later run was as quick as usual, or the slow one has come to no good."""
    slow = JobRun.objects.filter(pk=alert.run_number or 0).first()
    if slow and slow.state not in {JobRun.State.RUNNING, JobRun.State.DONE}:
        return True
    later = JobRun.objects.of(alert.job).real().successful()
    newest = (
        later.filter(started_at__gt=alert.since or alert.opened_at)
        .order_by("-started_at")
        .first()
    )
    return newest is not None and slower_than(newest, now=timezone.now()) is None


def scope_of(arguments: Mapping[str, Any]) -> str:
    """Return one short word for what a run was asked to do, which does not tell it."""
    asked = {name: value for name, value in sorted(arguments.items()) if name not in GATES}
    if not asked:
        return ""
    return "arguments " + sha256(json.dumps(asked, default=str).encode()).hexdigest()[:12]
