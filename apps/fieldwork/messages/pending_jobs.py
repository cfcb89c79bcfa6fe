"""The words of the daily digest of jobs that wait for somebody (spec D27)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from apps.fieldwork.messages.freshness import Row, keys_of, overtaken, settled
from apps.fieldwork.messages.office import list_of, page_of
from apps.fieldwork.messages.sections import (
    ALERT,
    QUIET,
    WARN,
    Line,
    Section,
    counted,
    digest,
)
from apps.fieldwork.models import WorkOrder
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

SECTIONS = ("unassigned", "approaching", "overdue")


def write_reminder(facts: Mapping[str, Any]) -> Words:
    """Write the digest of a firm; ``facts`` is the context of its notifications."""
    counts = [f"{facts[name]['count']} {name}" for name in SECTIONS if facts[name]["count"]]
    return digest(
        f"Pending jobs: {', '.join(counts)}",
        [
            _section(facts, "unassigned", "📋 UNASSIGNED JOBS", "unassigned", QUIET),
            _section(facts, "approaching", "⏰ APPROACHING DUE DATE", "soon", WARN),
            _section(facts, "overdue", "🚨 OVERDUE JOBS", "overdue", ALERT),
        ],
    )


def _section(
    facts: Mapping[str, Any], name: str, title: str, waits: str, colour: str
) -> Section:
    today = date.fromisoformat(facts["on"])
    lines = [
        Line(
            number,
            job,
            note="" if name == "unassigned" else _due(due, today),
            page=page_of(WorkOrder(pk=pk)),
        )
        for pk, number, job, due in facts[name]["rows"]
    ]
    page = list_of(WorkOrder, waits=waits)
    return Section(title, facts[name]["count"], lines, colour=colour, page=page)


def _due(iso: str, today: date) -> str:
    days = (date.fromisoformat(iso) - today).days
    if days == 0:
        return "Due today"
    return f"Due in {counted(days, 'day')}" if days > 0 else f"{counted(-days, 'day')} overdue"


def _write(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    return write_reminder(one.context)


def _old(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which are old: all of it was assigned, done or given another date since."""
    open_ = WorkOrder.objects.open().filter(pk__in=keys_of(notifications, *SECTIONS))
    now = {
        pk: (status == WorkOrder.Status.PENDING, str(due))
        for pk, status, due in open_.values_list("pk", "status", "due_date")
    }

    def stands(name: str, row: Row) -> bool:
        pk, _, _, was_due = row
        is_unassigned, is_due = now.get(pk, (False, ""))
        return is_unassigned if name == "unassigned" else is_due == was_due

    return settled(notifications, SECTIONS, stands) | overtaken(notifications)


PENDING_JOBS = NotificationType(
    "pending_jobs",
    Category.OPERATIONAL,
    _write,
    may_opt_out=True,
    still_wanted=_old,
)

TYPES: tuple[NotificationType, ...] = (PENDING_JOBS,)
