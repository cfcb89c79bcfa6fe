"""Runs on the record, while they are going on.

All ways in meet at two functions, ``open_run`` and ``close_run``. Commands and the console
wrap the call (``recorded``); for what the cluster runs, two signal receivers do
(``apps.jobs.worker``). Between them a ``Recorder`` watches (``apps.jobs.recorder``): it
writes items in batches outside the items' transactions, keeps the heartbeat, and stops the
run between items.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from apps.core.later import after_commit
from apps.core.problems import BadOption, sentence
from apps.core.reports import Outcome
from apps.core.watching import Blocked, Identity, Stop, Together, Watcher, watched_by
from apps.installations.leaving import Strange, is_strange
from apps.jobs import locks, workers
from apps.jobs.job import Job
from apps.jobs.models import JobPause, JobRun
from apps.jobs.previews import Plan
from apps.jobs.recorder import Busy, Cancelled, Duplicate, Interrupted, Paused, Recorder
from apps.jobs.timetable import silence_before

__all__ = [
    "Busy",
    "Cancelled",
    "Duplicate",
    "Interrupted",
    "Paused",
    "Recorder",
    "close_lost",
    "close_run",
    "open_run",
    "recorded",
]

logger = logging.getLogger(__name__)

QUARANTINE = 3  # a run that lost its worker so often is not started again


def open_run(
    job: Job,
    arguments: Mapping[str, Any],
    *,
    source: JobRun.Source,
    started_by: AbstractBaseUser | None = None,
    task: Mapping[str, Any] | None = None,
    schedule_name: str = "",
    preview: JobRun | None = None,
) -> Recorder:
    """Put a run on the record as running and return its recorder.

    With ``task`` (a delivery of Django-Q2) the run may exist already: queued by a person, or
    left behind by a worker that died. A delivery of a run that is going on or over, and a
    run whose lock is held, come back with a ``refusal`` that their report will raise.
    """
    known, refusal = _run_of_task(task) if task else (None, None)
    run = known or JobRun(job=job.name, source=source)
    run.arguments = _telling(job, arguments)
    run.dry_run = bool(arguments.get("dry_run"))
    run.preview = preview or run.preview
    run.started_by_id = started_by.pk if started_by else run.started_by_id
    run.schedule_name = schedule_name[:100]
    run.worker = workers.this_process()
    run.started_at = run.heartbeat_at = timezone.now()
    run.silent_since = None if refusal else silence_before(run, job)
    run.state = JobRun.State.DUPLICATE if refusal else JobRun.State.RUNNING
    if task:
        run.task_id, run.queued_at = task["id"], task["started"]
    try:
        with transaction.atomic():
            run.save(update_fields=_OPENED if known else None)
    except IntegrityError:  # another worker has just been given the same delivery
        refusal, run.state = Duplicate("This task has just been started."), run.State.DUPLICATE
        run.save()
    recorder = Recorder(run, job, plan=_plan_of(run), only=_failed_before(run))
    recorder.refusal = refusal or _not_to_start(recorder)
    return recorder


def close_run(recorder: Recorder, error: BaseException | None = None) -> JobRun:
    """Close a run according to how its call ended, and return it."""
    with watched_by(recorder):  # the last of its log
        if error is None and recorder.stopped is None:
            recorder.finish_plan()
        state, problem = _state_after(recorder, error)
        if recorder.would_block:
            problem = f"{problem} Would be blocked: {recorder.would_block}.".strip()
        if state == JobRun.State.CRASHED:
            logger.error("%s crashed", recorder.run, exc_info=error)
        recorder.end(state, problem)
    return recorder.run


@contextmanager
def recorded(
    job: Job,
    arguments: Mapping[str, Any],
    *,
    audience: Watcher | None = None,
    **how: Any,
) -> Iterator[Recorder]:
    """Record whatever the block runs as a run of ``job``; errors go on to the caller.

    ``audience`` watches too; the other keywords are those of ``open_run``.
    """
    recorder = open_run(job, arguments, **how)
    try:
        with watched_by(Together(recorder, audience or Watcher())):
            yield recorder
    except BaseException as error:
        close_run(recorder, error)
        raise
    close_run(recorder)


def close_lost(run: JobRun) -> bool:
    """Mark a running run as lost and free its lock; False when it ended meanwhile."""
    marked = JobRun.objects.filter(
        pk=run.pk, state=JobRun.State.RUNNING, heartbeat_at=run.heartbeat_at
    ).update(
        state=JobRun.State.LOST,
        ended_at=timezone.now(),
        problem="Its worker died or was cut off; the next run does what is left.",
    )
    if marked:
        locks.release_all_of(run)
        sentence = f"{run} is lost: its worker {run.worker} gives no sign of life"
        after_commit(lambda: logger.error(sentence))  # and not at all in a dry run
    return bool(marked)


_OPENED = (
    "arguments",
    "dry_run",
    "preview",
    "started_by",
    "schedule_name",
    "worker",
    "started_at",
    "silent_since",
    "heartbeat_at",
    "state",
    "task_id",
    "queued_at",
)


def _telling(job: Job, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for the record: no empty defaults, nothing but literals."""
    defaults = {option.name: option.default for option in job.options}
    return {
        name: value if isinstance(value, (int, str, type(None))) else type(value).__name__
        for name, value in arguments.items()
        if value or value != defaults.get(name)
    }


def _run_of_task(task: Mapping[str, Any]) -> tuple[JobRun | None, Stop | None]:
    """Find what is known of a delivery: the run to use, and why not to start it.

    A run that is to be used has been claimed by a conditional update, because the queue may
    hand the same task to two workers.
    """
    of_task = JobRun.objects.filter(task_id=task["id"]).exclude(state=JobRun.State.DUPLICATE)
    run = of_task.first()
    if run is None:
        return None, None
    if run.state == JobRun.State.RUNNING and workers.is_dead(run.worker):
        close_lost(run)
        run.refresh_from_db()
    seen = JobRun.objects.filter(pk=run.pk, state=run.state, starts=run.starts)
    claimed = 0
    if run.state == JobRun.State.QUEUED:
        claimed = seen.update(state=JobRun.State.RUNNING, **_sign_of_life())
    elif run.state == JobRun.State.LOST and run.starts >= QUARANTINE:
        lost = f"{run} lost its worker {run.starts} times"
        logger.critical("%s and is not started again", lost)
        return None, Duplicate(f"{lost}; not started again.")
    elif run.state == JobRun.State.LOST:
        claimed = seen.update(
            state=JobRun.State.RUNNING,
            starts=F("starts") + 1,
            ended_at=None,
            problem="",
            **_sign_of_life(),
        )
    if not claimed:
        return None, Duplicate(f"This task is already on the record as {run}.")
    run.refresh_from_db()
    return run, None


def _sign_of_life() -> dict[str, Any]:
    """Name the worker at once: the row must not go on naming one that is dead."""
    return {"heartbeat_at": timezone.now(), "worker": workers.this_process()}


def _plan_of(run: JobRun) -> Plan | None:
    if run.preview is None:
        return None
    plan = Plan(run.preview)
    for identity in run.items.values_list("subject_kind", "subject_key", "subject_part"):
        plan.ended(identity)  # before the run lost its worker
    return plan


def _failed_before(run: JobRun) -> frozenset[Identity] | None:
    """Return the items that a retry takes up again; nothing for a run that is none."""
    if run.retry_of is None:
        return None
    failed = run.retry_of.items.filter(outcome=Outcome.FAILED)
    return frozenset(failed.values_list("subject_kind", "subject_key", "subject_part"))


def _not_to_start(recorder: Recorder) -> Stop | None:
    """Say why an opened run must not do anything; takes the run lock if it may go on."""
    run, job = recorder.run, recorder.job
    if run.cancel_requested_at:
        return Cancelled("Cancelled")
    if run.source == JobRun.Source.SCHEDULE:
        pause = JobPause.objects.in_force(run.started_at).filter(job=job.name).first()
        if pause:
            return Paused(f"{pause}; nothing done.")
    if job.touches and is_strange():
        return Strange()
    if run.dry_run or not job.locked:
        return None
    recorder.lock = locks.take(run)
    holder = None if recorder.lock else locks.holder(run)
    if holder and _has_let_go(holder, run):
        locks.release_all_of(holder)
        recorder.lock = locks.take(run)
    if recorder.lock:
        return None
    since = f"{holder.started_at:%Y-%m-%dT%H:%M:%SZ}" if holder else "just now"
    return Busy(f"Another run of {job.name} is in progress (started {since}); nothing done.")


def _has_let_go(holder: JobRun, run: JobRun) -> bool:
    if holder == run or holder.state != JobRun.State.RUNNING:
        return True  # it died between its last write and the release
    return workers.is_dead(holder.worker) and close_lost(holder)


def _state_after(recorder: Recorder, error: BaseException | None) -> tuple[str, str]:
    states = JobRun.State
    if stop := recorder.stopped or (error if isinstance(error, Stop) else None):
        kinds = {
            Cancelled: states.CANCELLED,
            Busy: states.BUSY,
            Blocked: states.BLOCKED,
            Strange: states.BLOCKED,
            Duplicate: states.DUPLICATE,
            Paused: states.PAUSED,
        }
        return kinds.get(type(stop), states.INTERRUPTED), str(stop)
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return states.INTERRUPTED, "Interrupted"
    if isinstance(error, BadOption):
        return states.FAILED, sentence(error)
    if error is not None:
        return states.CRASHED, sentence(error)
    failed, done = recorder.counts[Outcome.FAILED], recorder.counts[Outcome.DONE]
    if failed:
        problem = f"{failed} item(s) failed; see the log."
        return (states.PARTIAL if done else states.FAILED), problem
    return states.DONE, ""
