"""Let every scheduled job go once, in order, from its schedule through the cluster."""

import ast
import io
import time
from collections.abc import Iterable

from django.utils import timezone
from django_q.models import Schedule
from django_q.scheduler import scheduler
from rich.console import Console
from rich.table import Table

from apps.core import money
from apps.core.items import Outcome
from apps.jobs.job import Job, registry
from apps.jobs.models import JobRun

PATIENCE = 120.0  # seconds a job may take on demo data
CHARGING = ("process_recurring_charges", "process_recurring_payments")
LAST = ("process_webhook_events", "deliver_notifications")
# Of one of the demo's mailboxes somebody has typed the wrong password.
MEANT_TO_FAIL = {"sync_emails": 1}
_GATES = ("at", "weekdays")  # a night by day must not wait for the morning


def play() -> list[JobRun]:
    """Run the scheduled jobs one after the other and return their runs.

    What the others cause comes last: the banks' callbacks, then the outbox.
    """
    jobs = [job for job in registry() if job.cron]
    jobs.sort(key=lambda job: LAST.index(job.name) if job.name in LAST else -1)
    return [_fire(job) for job in jobs]


def went_as_meant(run: JobRun) -> bool:
    """Tell whether a run ended well, but for what the demo shows to be going wrong."""
    return run.ended_well or run.failed == MEANT_TO_FAIL.get(run.job)


def outcome_table(runs: Iterable[JobRun]) -> str:
    """Draw what happened, a line for each run."""
    table = Table(title="The night", title_justify="left")
    for column in ("", "Job", "Outcome"):
        table.add_column(column)
    for column in ("Done", "Skipped", "Declined", "Failed", "Money", "Took"):
        table.add_column(column, justify="right")
    for run in runs:
        table.add_row(
            "✓" if run.ended_well else "✗",
            run.job,
            run.get_state_display() + (f": {run.problem}" if run.problem else ""),
            str(run.done),
            str(run.skipped),
            str(run.declined),
            str(run.failed),
            ", ".join(money.write(total) for total in run.totals),
            f"{run.took.total_seconds():.2f} s" if run.took else "",
        )
    return _drawn(table)


def card_table(runs: Iterable[JobRun]) -> str:
    """Draw whose card was charged, and what the bank said to it."""
    table = Table(title="The cards", title_justify="left")
    for column in ("", "Job", "Whose"):
        table.add_column(column)
    table.add_column("Amount", justify="right")
    table.add_column("Outcome")
    for run in runs:
        if run.job in CHARGING:
            for item in run.items.order_by("position"):
                outcome = Outcome(item.outcome)
                table.add_row(
                    outcome.sign,
                    run.job,
                    item.subject_label,
                    money.write(item.amount) if item.amount else "",
                    item.detail or outcome.label,
                )
    return _drawn(table)


def _drawn(table: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=118).print(table)
    return out.getvalue()


def _fire(job: Job) -> JobRun:
    """Make a job's schedule due, let Django-Q2's scheduler take it, and wait for the run."""
    row = Schedule.objects.filter(func=job.path).order_by("pk")[0]
    kwargs = {k: v for k, v in job.kwargs.items() if k not in _GATES}
    assert ast.literal_eval(repr(kwargs)) == kwargs  # what Django-Q2 will read
    Schedule.objects.filter(pk=row.pk).update(next_run=timezone.now(), kwargs=repr(kwargs))
    scheduler()
    Schedule.objects.filter(pk=row.pk).update(kwargs=row.kwargs)
    row.refresh_from_db()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        run = JobRun.objects.filter(task_id=row.task, ended_at__isnull=False).first()
        if run:
            return run
        time.sleep(0.05)
    raise TimeoutError(f"{job.name} did not end within {PATIENCE:.0f} s; is the cluster alive?")
