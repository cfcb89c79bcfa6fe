"""What an operator may do, each with a right, an audit event and one sentence back.

Pages and the command ``jobs`` call these functions; nothing else of ours changes a run or
a pause. A caller without a user is whoever has a shell on this host: the operating system has
let them in, and it is their account that the audit event names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.models import Model

from apps.audit.services import event
from apps.console.models import Verb
from apps.console.rights import Rights, firm_of
from apps.firms.models import User
from apps.jobs import interventions
from apps.jobs.job import Job, Literal
from apps.jobs.models import JobPause, JobRun


@dataclass(frozen=True)
class Caller:
    """Who acts, and from where: a network address, or the account on this host."""

    user: User | None
    place: str

    @cached_property
    def rights(self) -> Rights | None:
        return Rights(self.user) if self.user else None

    def demand(self, verb: Verb, job: str, firm_id: int | None) -> None:
        """Raise ``PermissionDenied`` unless this caller may do that."""
        if self.rights is not None:
            self.rights.demand(verb, job, firm_id)


def start(job: Job, arguments: Mapping[str, Literal], *, caller: Caller) -> JobRun:
    """Queue a run, or a preview if the arguments ask for a dry run; return it.

    Raises ``BadOption`` for arguments that the job does not take and for a firm that does not
    exist, ``PermissionDenied`` without the right to run (or preview) that job for that firm.
    """
    verb = may_start(job, arguments, caller=caller)
    with transaction.atomic():
        run = interventions.start(job, arguments, by=caller.user)
        _note(f"job_{verb}", run, caller, job=job.name, arguments=run.arguments)
    return run


def may_start(job: Job, arguments: Mapping[str, Literal], *, caller: Caller) -> Verb:
    """Return which verb ``start`` would be, or raise what it would raise; start nothing."""
    bound = job.bind(arguments)
    verb = Verb.PREVIEW if bound.get("dry_run") else Verb.RUN
    caller.demand(verb, job.name, firm_of(bound))
    return verb


def apply(preview: JobRun, *, caller: Caller) -> JobRun:
    """Queue a run that does exactly what a preview showed, and nothing else; return it.

    Raises ``BadOption`` for a preview that must not be applied (any more).
    """
    caller.demand(Verb.APPROVE, preview.job, firm_of(preview.arguments))
    with transaction.atomic():
        run = interventions.apply(preview, by=caller.user)
        _note("job_apply", run, caller, job=run.job, preview=preview.pk)
    return run


def retry(run: JobRun, *, caller: Caller) -> JobRun:
    """Queue a run for what failed in another, and for nothing else; return it.

    Raises ``BadOption`` when there is nothing to retry, or a retry waits already.
    """
    caller.demand(Verb.RUN, run.job, firm_of(run.arguments))
    with transaction.atomic():
        again = interventions.retry(run, by=caller.user)
        _note("job_retry", again, caller, job=run.job, run=run.pk)
    return again


def cancel(run: JobRun, *, caller: Caller) -> bool:
    """Ask a run to stop after its current item; False when it is over, or asked already."""
    caller.demand(Verb.RUN, run.job, firm_of(run.arguments))
    with transaction.atomic():
        asked = interventions.ask_to_cancel(JobRun.objects.filter(pk=run.pk), by=caller.user)
        if asked:
            _note("job_cancel", run, caller, job=run.job)
    return bool(asked)


def acknowledge(run: JobRun, *, note: str, caller: Caller) -> None:
    """Take the trouble of a run on, so that it no longer needs attention.

    Raises ``BadOption`` for a run that is in no trouble, or that somebody has taken on.
    """
    caller.demand(Verb.RUN, run.job, firm_of(run.arguments))
    with transaction.atomic():
        interventions.acknowledge(run, note=note, by=caller.user)
        _note("job_acknowledge", run, caller, reason=note.strip(), job=run.job)


def began_here(run: JobRun, *, caller: Caller) -> None:
    """Write down that a preview, or the application of one, is carried out here at once."""
    if run.preview_id:
        _note("job_apply", run, caller, job=run.job, preview=run.preview_id)
    else:
        _note("job_preview", run, caller, job=run.job, arguments=run.arguments)


def pause(job: Job, *, until: datetime | None, reason: str, caller: Caller) -> JobPause:
    """Let a job's schedules start nothing until a time, or until it is resumed.

    Raises ``BadOption`` without a reason, and for a time that has passed.
    """
    caller.demand(Verb.PAUSE, job.name, None)
    with transaction.atomic():
        pause = interventions.pause(job, until=until, reason=reason, by=caller.user)
        ends = until.isoformat() if until else None
        _note("job_pause", pause, caller, reason=pause.reason, job=job.name, until=ends)
    return pause


def resume(job: Job, *, caller: Caller) -> JobPause:
    """End the pause of a job. Raises ``BadOption`` when it is not paused."""
    caller.demand(Verb.PAUSE, job.name, None)
    with transaction.atomic():
        pause = interventions.resume(job, by=caller.user)
        _note("job_resume", pause, caller, job=job.name)
    return pause


def _note(
    action: str, about: Model, caller: Caller, *, reason: str = "", **changes: Any
) -> None:
    told = event(
        action,
        about,
        actor=caller.user,
        changes={**changes, "from": caller.place},
        reason=reason,
    )
    told.save(force_insert=True)
