"""The run lock: a lease with a fence, per job and scope (spec A5.5)."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.jobs.models import LEASE, JobRun, RunLock

_SCOPING = ("firm_id", "property", "tenant")


def scope_of(arguments: Mapping[str, Any]) -> str:
    """Return what a run is confined to, ``firm_id=3``; empty for everything."""
    confined = (f"{k}={arguments[k]}" for k in _SCOPING if arguments.get(k) is not None)
    return ",".join(confined)[:100]


def take(run: JobRun) -> RunLock | None:
    """Take the lock for a run, or return nothing while another run holds it."""
    job, scope, now = run.job, scope_of(run.arguments), timezone.now()
    RunLock.objects.get_or_create(job=job, scope=scope)
    taken = (
        RunLock.objects.filter(job=job, scope=scope)
        .filter(Q(expires_at=None) | Q(expires_at__lte=now))
        .update(run=run, fence=F("fence") + 1, taken_at=now, expires_at=now + LEASE)
    )
    return RunLock.objects.get(job=job, scope=scope) if taken else None


def holder(run: JobRun) -> JobRun | None:
    """Return the run that holds the lock which ``run`` would need."""
    lock = (
        RunLock.objects.filter(job=run.job, scope=scope_of(run.arguments))
        .select_related("run")
        .first()
    )
    return lock.run if lock else None


def renew(lock: RunLock) -> bool:
    """Extend the lease. False: the run was given up as lost, and the lock has moved on."""
    return bool(_held(lock).update(expires_at=timezone.now() + LEASE))


def release(lock: RunLock) -> None:
    """Let the lock go, unless it has moved on already."""
    _held(lock).update(run=None, expires_at=None)


def release_all_of(run: JobRun) -> None:
    """Free whatever a run that died was holding."""
    RunLock.objects.filter(run=run).update(run=None, expires_at=None)


def _held(lock: RunLock) -> QuerySet[RunLock]:
    # The fence tells who took the lock last, the run whether it was freed since.
    return RunLock.objects.filter(pk=lock.pk, fence=lock.fence, run=lock.run_id)
