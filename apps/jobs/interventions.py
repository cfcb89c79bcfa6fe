"""What a person may do: start, apply, repeat and stop runs, let a job rest, free a lock."""

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_q.tasks import async_task

from apps.core.problems import BadOption
from apps.jobs.job import Job, Literal, find
from apps.jobs.models import JobPause, JobRun, RunLock
from apps.jobs.previews import to_apply

REASON = 300  # characters


def start(
    job: Job,
    arguments: Mapping[str, Literal],
    *,
    by: AbstractBaseUser | None,
    preview: JobRun | None = None,
    retry_of: JobRun | None = None,
) -> JobRun:
    """Queue a run of a job, on the record from now on, and return it.

    The task and the run are committed together, so no worker gets the one without the other.
    Raises ``BadOption`` for arguments that the job does not take.
    """
    bound = job.bind(arguments)
    with transaction.atomic():
        task = async_task(job.path, **bound)
        return JobRun.objects.create(
            job=job.name,
            arguments=bound,
            dry_run=bool(bound.get("dry_run")),
            preview=preview,
            retry_of=retry_of,
            source=JobRun.Source.CONSOLE,
            started_by_id=by.pk if by else None,
            task_id=task,
            state=JobRun.State.QUEUED,
            queued_at=timezone.now(),
        )


def apply(preview: JobRun, *, by: AbstractBaseUser | None) -> JobRun:
    """Queue a run that does exactly what a preview showed, and return it.

    Raises ``BadOption`` for a preview that must not be applied, and for one whose application
    waits or runs already: two people may press at the same time.
    """
    with transaction.atomic():
        preview = JobRun.objects.select_for_update().get(pk=preview.pk)
        job, arguments = to_apply(preview)
        return start(job, arguments, by=by, preview=preview)


def retry(run: JobRun, *, by: AbstractBaseUser | None) -> JobRun:
    """Queue a run for the items of another that failed, and for nothing else; return it.

    What is no longer due does not come up, and nothing is done twice: the job itself decides,
    as ever. Raises ``BadOption`` for a run without failed items, one that is still going on,
    a preview, and one whose retry waits or runs already.
    """
    with transaction.atomic():
        run = JobRun.objects.select_for_update().get(pk=run.pk)
        if run.dry_run:
            raise BadOption(f"Run {run.pk} is a preview: nothing failed for good.")
        if run.ended_at is None:
            raise BadOption(f"Run {run.pk} has not ended yet.")
        if not run.failed:
            raise BadOption(f"Run {run.pk} has no failed items.")
        if open_one := run.retries.under_way().first():
            raise BadOption(f"Run {run.pk} is being retried already (run {open_one.pk}).")
        job = find(run.job)
        return start(job, job.bind(run.arguments), by=by, retry_of=run)


def pause(
    job: Job, *, until: datetime | None, reason: str, by: AbstractBaseUser | None
) -> JobPause:
    """Let a job's schedules start nothing until a time, or until somebody resumes it.

    A pause that holds already is replaced. Raises ``BadOption`` without a reason, and for a
    time that has passed.
    """
    now = timezone.now()
    if not (reason := reason.strip()):
        raise BadOption("Say why the job is to rest.")
    if len(reason) > REASON:
        raise BadOption(f"The reason has at most {REASON} characters.")
    if until and until <= now:
        raise BadOption("The pause must end in the future.")
    with transaction.atomic():
        _end_pauses(job, at=now, by=by)
        return JobPause.objects.create(
            job=job.name,
            since=now,
            until=until,
            reason=reason,
            paused_by_id=by.pk if by else None,
        )


def resume(job: Job, *, by: AbstractBaseUser | None) -> JobPause:
    """End the pause of a job and return it. Raises ``BadOption`` when the job is not paused.

    What was due meanwhile comes up at its next time: a job takes what is due and not done.
    """
    now = timezone.now()
    with transaction.atomic():
        held = JobPause.objects.in_force(now).filter(job=job.name).first()
        if held is None or not _end_pauses(job, at=now, by=by):
            raise BadOption(f"{job.name} is not paused.")
        held.refresh_from_db()
        return held


def acknowledge(run: JobRun, *, note: str, by: AbstractBaseUser | None) -> None:
    """Say that somebody has taken a run's trouble on: it no longer needs attention.

    Raises ``BadOption`` for a run that is in no trouble, or that somebody has taken on.
    """
    note = note.strip()
    if len(note) > REASON:
        raise BadOption(f"The note has at most {REASON} characters.")
    taken = JobRun.objects.needing_attention().filter(pk=run.pk)
    if not taken.update(
        acknowledged_at=timezone.now(),
        acknowledged_by=by,
        acknowledgement=note,
    ):
        raise BadOption(f"Run {run.pk} needs no attention (any more).")


def _end_pauses(job: Job, *, at: datetime, by: AbstractBaseUser | None) -> int:
    """Close what is open of a job's pauses, also one whose time has come by itself."""
    unended = JobPause.objects.filter(job=job.name, resumed_at=None)
    return unended.update(resumed_at=at, resumed_by=by)


def ask_to_cancel(runs: "QuerySet[JobRun]", *, by: AbstractBaseUser | None) -> int:
    """Ask runs that wait or run to stop between two items; return how many were asked."""
    stoppable = runs.filter(state__in=JobRun.UNDER_WAY, cancel_requested_at=None)
    return stoppable.update(cancel_requested_at=timezone.now(), cancel_requested_by=by)


def release_expired(locks: "QuerySet[RunLock]") -> int:
    """Free locks whose holder gave no sign of life for a lease; return how many.

    A holder that lives after all finds its next heartbeat refused only when somebody else
    took the lock meanwhile.
    """
    return locks.filter(expires_at__lte=timezone.now()).update(run=None, expires_at=None)
