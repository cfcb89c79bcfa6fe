"""What a person may do to runs and locks while they are going on."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.utils import timezone

from apps.jobs.models import JobRun, RunLock


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
