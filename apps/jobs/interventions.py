"""What a person may do: start a run, and act on runs and locks while they are going on."""

from collections.abc import Mapping

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_q.tasks import async_task

from apps.jobs.job import Job, Literal
from apps.jobs.models import JobRun, RunLock


def start(job: Job, arguments: Mapping[str, Literal], *, by: AbstractBaseUser) -> JobRun:
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
            source=JobRun.Source.CONSOLE,
            started_by_id=by.pk,
            task_id=task,
            state=JobRun.State.QUEUED,
            queued_at=timezone.now(),
        )


def ask_to_cancel(runs: "QuerySet[JobRun]", *, by: AbstractBaseUser) -> int:
    """Ask runs that wait or run to stop between two items; return how many were asked."""
    stoppable = runs.filter(
        state__in=[JobRun.State.QUEUED, JobRun.State.RUNNING], cancel_requested_at=None
    )
    return stoppable.update(cancel_requested_at=timezone.now(), cancel_requested_by=by)


def release_expired(locks: "QuerySet[RunLock]") -> int:
    """Free locks whose holder gave no sign of life for a lease; return how many.

    A holder that lives after all finds its next heartbeat refused only when somebody else
    took the lock meanwhile.
    """
    return locks.filter(expires_at__lte=timezone.now()).update(run=None, expires_at=None)
