"""The items of a run as files: CSV and JSON, streamed, however many there are."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from apps.console.items import Items, walk
from apps.console.reasons import reason_in_words
from apps.core import money
from apps.jobs.models import JobRun, JobRunItem

COLUMNS = (
    *("position", "subject", "part", "label", "outcome", "action", "reason", "reason_words"),
    *("detail", "amount", "currency", "firm"),
)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would work out such a cell


class _Echo:
    """A file for ``csv`` that hands each line back."""

    def write(self, line: str) -> str:
        return line


def as_csv(run: JobRun, items: Items) -> Iterator[str]:
    """Yield the lines of a CSV file; no cell is a formula, whatever a label says."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(COLUMNS)  # the mark by which Excel knows UTF-8
    for item in walk(items):
        entry = entry_of(run, item)
        amount = "" if item.amount is None else f"{item.amount.amount:f}"
        cells = [entry.get(column, "") for column in COLUMNS]
        safe = [amount if c == "amount" else _safe(cells[n]) for n, c in enumerate(COLUMNS)]
        yield writer.writerow(safe)


def as_json(run: JobRun, items: Items) -> Iterator[str]:
    """Yield a JSON document, a line for each item."""
    head = {"run": run.pk, "job": run.job, "dry_run": run.dry_run, "state": run.state}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "items": ['
    comma = "\n"
    for item in walk(items):
        yield comma + json.dumps(entry_of(run, item), ensure_ascii=False)
        comma = ",\n"
    yield "\n]}\n"


def entry_of(run: JobRun, item: JobRunItem) -> dict[str, Any]:
    """Return an item as files and the command give it."""
    entry: dict[str, Any] = {
        "position": item.position,
        "subject": f"{item.subject_kind}:{item.subject_key}",
        "part": item.subject_part,
        "label": item.subject_label,
        "outcome": item.outcome,
        "action": item.action,
        "reason": item.reason,
        "reason_words": reason_in_words(item.reason, run.job) if item.reason else "",
        "detail": item.detail,
        "firm": item.firm_id,
    }
    if item.amount is not None:
        entry["amount_minor"] = money.to_minor(item.amount)
        entry["currency"] = item.currency
    return entry


def _safe(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULAS) else text
