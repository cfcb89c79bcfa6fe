"""What keeps the record true, and short; and Django-Q2's history too."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef, TextChoices
from django.utils import timezone
from django_q.models import OrmQ, Task

from apps.core.batches import by_key, key_pages
from apps.core.days import Clock, positive
from apps.core.reports import Item, Report, Skip, Subject
from apps.jobs import workers
from apps.jobs.models import (
    APPLICABLE,
    LEASE,
    JobRun,
    JobRunItem,
    JobRunLog,
    JobRunQuerySet,
    RunLock,
)
from apps.jobs.recording import close_lost

PAGE = 1000  # task rows deleted in one transaction
RUNS, ITEMS = 100, 5000  # rows of the record deleted in one transaction
UNDELIVERED = timedelta(minutes=5)  # a queued run may be so old before its row must exist


class LostReason(TextChoices):
    ENDED_MEANWHILE = "ended_meanwhile", "it has ended meanwhile"


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some ended tasks of Django-Q2: keys and outcomes, without their pickles."""

    keys: Sequence[str]
    outcomes: Counter[str]

    @property
    def subject(self) -> Subject:
        label = f"{len(self.keys)} tasks from {self.keys[0][:8]} to {self.keys[-1][:8]}"
        return Subject("django_q.task", self.keys[0], label)


def cleanup_old_tasks(
    *, days: int = 30, failures_only: bool = False, dry_run: bool = False
) -> Report:
    """Delete what Django-Q2 remembers of tasks that ended long ago.

    Takes tasks that stopped more than ``days`` times 24 hours ago; with ``failures_only``
    just the failed ones. Queued work and schedules are not touched. Rows go by primary key
    in pages and their pickles are never read, so that neither a broken one nor their number
    matters (spec D23). Each page is one item on the record. Running it again finds nothing.
    """
    ended_before = Clock.read().now - timedelta(days=positive("--days", days))

    def summary(report: Report) -> list[str]:
        successful, failed = report.tallies["successful"], report.tallies["failed"]
        verb = report.worded("Deleted", would="Would delete")
        return [
            f"{verb} {successful + failed} tasks older than {days} days "
            f"({successful} successful, {failed} failed)."
        ]

    report = Report(dry_run=dry_run, summary=summary)
    for page in _pages(ended_before, failures_only):
        with report.attempt(page.subject) as item:
            # Past the collector: it would load every row, pickles included.
            Task.objects.filter(pk__in=page.keys)._raw_delete(Task.objects.db)
            item.does(f"delete {len(page.keys)} tasks")
            item.tallies += page.outcomes.elements()
    return report


def cleanup_old_runs(*, days: int = 400, dry_run: bool = False) -> Report:
    """Delete what is on record of runs that ended long ago.

    Takes runs that ended more than ``days`` times 24 hours ago, with what they decided about
    each item and what they logged. Never one that is still open; nor a preview that may yet
    be applied (for 30 days) or that a run on record has applied; nor the last success of a
    job, by each of its schedules and by hand: ``check_job_health`` tells the time by it. Items
    go before their run, by primary key in pages, each one item on the record of this run.
    Whatever stops it, the next run does what is left.
    """
    now = Clock.read().now
    before = now - timedelta(days=positive("--days", days))

    def summary(report: Report) -> list[str]:
        verb = report.worded("Deleted", would="Would delete")
        return [f"{verb} {report.tallies['runs']} runs older than {days} days."]

    report = Report(dry_run=dry_run, summary=summary)
    applied = JobRun.objects.filter(preview=OuterRef("pk"))
    for runs in (
        _forgotten(before).real(),  # first: what they have applied can go after them
        _forgotten(min(before, now - APPLICABLE)).previews().exclude(Exists(applied)),
    ):
        for page in key_pages(runs, size=RUNS):
            _delete_items(report, page)
            with report.attempt(_these("jobs.jobrun", "runs", page)) as item:
                RunLock.objects.filter(run__in=page).update(run=None)
                JobRun.objects.filter(retry_of__in=page).update(retry_of=None)
                logs = JobRunLog.objects.filter(run__in=page)
                logs._raw_delete(logs.db)
                old = JobRun.objects.filter(pk__in=page)
                item.does(f"delete {old._raw_delete(old.db)} runs")
                item.tallies += ["runs"] * len(page)
    return report


def close_lost_runs(*, dry_run: bool = False) -> Report:
    """Mark runs whose worker died, or whose delivery left the queue, as lost.

    A running run is lost when its process on this host is gone, or when it has shown no
    sign of life for a lease (15 minutes); its lock is freed and the next run does what is
    left. A queued run is lost when no queued package carries it any more: the queue was
    flushed, or the signing key changed. Each change is conditional on the state that was
    seen, so it is safe to repeat and to race with the run itself.
    """

    def summary(report: Report) -> list[str]:
        verb = report.worded("Marked", would="Would mark")
        return [f"{verb} {report.done} runs as lost."]

    report = Report(dry_run=dry_run, summary=summary)
    for run in by_key(JobRun.objects.going_on()):
        if why := _why_lost(run):
            with report.attempt(run) as item:
                if not close_lost(run):
                    raise Skip(LostReason.ENDED_MEANWHILE)
                _say(item, why)
    for run in _undelivered():
        with report.attempt(run) as item:
            _close_undelivered(run)
            _say(item, "its package has left the queue")
    return report


def _forgotten(before: datetime) -> JobRunQuerySet:
    """Return the runs that ended before an instant and that no check of health needs."""
    successes = JobRun.objects.real().successful()
    last = successes.values("job", "schedule_name").annotate(last=Max("pk")).values("last")
    # Whatever has ended had begun; the index knows when.
    ended = JobRun.objects.filter(started_at__lt=before, ended_at__lt=before)
    return ended.exclude(pk__in=last)


def _delete_items(report: Report, runs: Sequence[int]) -> None:
    items = JobRunItem.objects.filter(run__in=runs)
    for page in key_pages(items, size=ITEMS):
        with report.attempt(_these("jobs.jobrunitem", "items of runs", page)) as item:
            items.filter(pk__in=page)._raw_delete(items.db)
            item.does(f"delete {len(page)} items of runs")


def _these(kind: str, noun: str, page: Sequence[int]) -> Subject:
    return Subject(kind, str(page[0]), f"{len(page)} {noun} from {page[0]} to {page[-1]}")


def _pages(ended_before: datetime, failures_only: bool) -> Iterator[TaskPage]:
    tasks = Task.objects.filter(stopped__lt=ended_before)
    if failures_only:
        tasks = tasks.filter(success=False)
    rows = tasks.order_by("pk").values_list("pk", "success")
    last = ""
    while page := list(rows.filter(pk__gt=last)[:PAGE]):
        outcomes = Counter("successful" if success else "failed" for _, success in page)
        yield TaskPage([key for key, _ in page], outcomes)
        last = page[-1][0]


def _say(item: Item[JobRun], why: str) -> None:
    item.does("mark as lost")
    text = f"{item.thing} as lost: {why}"
    item.says(f"Marked {text}", would=f"Would mark {text}")


def _why_lost(run: JobRun) -> str:
    if workers.is_dead(run.worker):
        return "its worker died"
    if run.heartbeat_at < timezone.now() - LEASE:
        minutes = int(LEASE.total_seconds()) // 60
        return f"no sign of life for {minutes} minutes"
    return ""


def _undelivered() -> list[JobRun]:
    """Return queued runs that no row of the broker carries.

    A package tells its task only when it is unpacked, so the queue is read once and only if
    some run has been waiting.
    """
    waiting = {
        run.task_id: run
        for run in JobRun.objects.filter(
            state=JobRun.State.QUEUED, queued_at__lt=timezone.now() - UNDELIVERED
        )
    }
    if waiting:
        for row in by_key(OrmQ.objects.all()):
            waiting.pop(row.task_id(), None)
            if not waiting:
                break
    return list(waiting.values())


def _close_undelivered(run: JobRun) -> None:
    closed = JobRun.objects.filter(pk=run.pk, state=JobRun.State.QUEUED).update(
        state=JobRun.State.LOST,
        ended_at=timezone.now(),
        problem="Its package left the queue before it was run; start it again.",
    )
    if not closed:
        raise Skip(LostReason.ENDED_MEANWHILE)
