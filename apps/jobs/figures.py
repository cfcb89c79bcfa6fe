"""What can be counted of runs and the queue: a few statements, however long the history."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, QuerySet, Sum
from django_q.models import OrmQ
from django_q.status import Stat

from apps.core.batches import EACH, for_each
from apps.core.reports import Outcome
from apps.jobs.job import Job, registry
from apps.jobs.models import ClusterSign, JobRun

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Clusters:
    """What says at this moment that it lives."""

    clusters: int
    workers: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is due in the queue and has not been begun."""

    tasks: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Lately:
    """What the runs of a job that began within a day, and ended in one way, amount to."""

    job: str
    state: str
    runs: int
    items: dict[Outcome, int]


def clusters() -> Clusters:
    """Return how many clusters and workers have shown themselves within three seconds."""
    seen = Stat.get_all()
    return Clusters(len(seen), sum(len(stat.workers) for stat in seen))


def last_sign() -> datetime | None:
    """Return when a cluster last began something, or showed that a run of its goes on."""
    began = ClusterSign.objects.aggregate(at=Max("canary_at"))["at"]
    carried = JobRun.objects.going_on().exclude(task_id="")
    beat = carried.aggregate(at=Max("heartbeat_at"))["at"]
    return max((at for at in (began, beat) if at), default=None)


def waiting(*, now: datetime) -> Waiting:
    """Return what is due in the queue."""
    found = OrmQ.objects.filter(lock__lte=now).aggregate(tasks=Count("pk"), oldest=Min("lock"))
    return Waiting(found["tasks"], found["oldest"])


def lately(*, now: datetime) -> list[Lately]:
    """Return what real runs of the last day did; items are added up from their runs."""
    rows: Any = (  # django-stubs does not know sums by computed names
        JobRun.objects.real()
        .filter(started_at__gt=now - DAY)
        .values("job", "state")
        .annotate(runs=Count("pk"), **{f"sum_{o}": Sum(o.value) for o in Outcome})
        .order_by("job", "state")
    )
    return [
        Lately(
            row["job"],
            row["state"],
            row["runs"],
            {outcome: row[f"sum_{outcome}"] or 0 for outcome in Outcome},
        )
        for row in rows
    ]


def last_ended() -> dict[str, JobRun]:
    """Return the newest real run of each job that has ended."""
    return newest_runs(registry(), among=JobRun.objects.real().filter(ended_at__isnull=False))


def last_successes() -> dict[str, JobRun]:
    """Return the newest real run of each job that did all it had to."""
    return newest_runs(registry(), among=JobRun.objects.real().successful())


def newest_runs(jobs: Iterable[Job], *, among: "QuerySet[JobRun]") -> dict[str, JobRun]:
    """Return the newest of some runs of each job, by its name.

    The index of each job's history is asked for its first row, all in one statement.
    """
    newest = among.filter(job=EACH).order_by("-started_at")[:1]
    found = for_each([job.name for job in jobs], newest)
    return {run.job: run for run in found}
