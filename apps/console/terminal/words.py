"""How the command writes a state, a time and a line of a run or an item."""

from datetime import datetime
from typing import Any

from apps.console.comparing import Difference
from apps.console.reasons import explain
from apps.console.signs import OUTCOMES, STATES
from apps.core import money
from apps.core.reports import Outcome
from apps.jobs.models import JobRun, JobRunItem

SIGNS = {Difference.NEW: "+", Difference.CHANGED: "~", Difference.GONE: "-"}


def state_of(run: JobRun) -> str:
    """Return ``✓ done``, and of a preview that it is one."""
    sign, _tone, word = STATES[JobRun.State(run.state)]
    return f"{sign} {word}" + (" (preview)" if run.dry_run else "")


def at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "–"


def counts_of(run: JobRun) -> str:
    """Return ``3 done, 1 failed, $12.50``."""
    said = [
        f"{getattr(run, outcome)} {OUTCOMES[outcome][2]}"
        for outcome in Outcome
        if getattr(run, outcome)
    ]
    return ", ".join([*said, *map(money.write_grouped, run.totals)]) or "nothing"


def starter_of(run: JobRun) -> str:
    """Return who or what started a run."""
    if run.started_by:
        return str(run.started_by)
    named = f" “{run.schedule_name}”" if run.schedule_name else ""
    return run.get_source_display() + named


def run_line(run: JobRun) -> str:
    return (
        f"{run.pk:>7}  {at(run.started_at)}  {state_of(run)}  {run.job}: {counts_of(run)}"
        f"  ({starter_of(run)})"
    )


def item_line(item: JobRunItem, run: JobRun) -> str:
    sign = OUTCOMES[Outcome(item.outcome)][0]
    return f"  {sign} {item_words(item)}: {effect(item, run)}"


def item_words(item: JobRunItem) -> str:
    part = f" ({item.subject_part})" if item.subject_part else ""
    return item.subject_label + part


def effect(item: JobRunItem, run: JobRun) -> str:
    """Return what came of an item: outcome, action, amount and why."""
    amount = money.write_grouped(item.amount) if item.amount is not None else ""
    said = [str(OUTCOMES[Outcome(item.outcome)][2]), item.action, amount, explain(item, run)]
    return ", ".join(filter(None, said))


def run_document(run: JobRun) -> dict[str, Any]:
    """Return a run as the command's JSON has it."""
    return {
        "run": run.pk,
        "job": run.job,
        "state": run.state,
        "dry_run": run.dry_run,
        "source": run.source,
        "schedule": run.schedule_name,
        "started_by": run.started_by.get_username() if run.started_by else None,
        "arguments": run.arguments,
        "queued_at": _iso(run.queued_at),
        "started_at": _iso(run.started_at),
        "ended_at": _iso(run.ended_at),
        "counts": {str(outcome): getattr(run, outcome) for outcome in Outcome},
        "money": run.money,
        "problem": run.problem,
        "preview": run.preview_id,
        "retry_of": run.retry_of_id,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
