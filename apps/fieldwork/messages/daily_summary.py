"""The words of the daily summary, exactly as the source document shows them (spec D28)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from apps.fieldwork.messages.office import list_of
from apps.fieldwork.messages.sections import Row, bold, counted, heading, join, linked, table
from apps.fieldwork.models import WorkOrder
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

_RULE = "=" * 50
_ATTENTION = "⚠️ REQUIRES ATTENTION"
_ACTIVITY = {
    "created": "New Jobs Created",
    "completed": "Jobs Completed",
    "estimates": "New Estimates",
    "payouts": "Payouts Processed",
    "revenue": "Revenue Generated",
}
_CURRENT = {
    "total": "Total Jobs",
    "pending": "Pending Jobs",
    "active": "Active Jobs",
    "estimates": "Pending Estimates",
    "completions": "Pending Completions",
}


def write_summary(facts: Mapping[str, Any]) -> Words:
    """Write the summary of a firm; ``facts`` is the context of its notifications."""
    subject = f"Daily Summary Report - {_day(facts['on'])}"
    yesterday, missed, current = facts["yesterday"], facts["missed"], facts["current"]
    blocks = [(f"📊 YESTERDAY'S ACTIVITY ({_days(yesterday)})", _ACTIVITY, yesterday)]
    if missed:
        blocks.append((f"📅 NOT YET REPORTED ({_days(missed)})", _ACTIVITY, missed))
    blocks.append(("📈 CURRENT STATUS", _CURRENT, current))
    text, html = [f"{subject}\n{_RULE}"], []
    for title, names, known in blocks:
        pairs = [(words, str(known[name])) for name, words in names.items()]
        text.append(_block(title, [f"{words}: {figure}" for words, figure in pairs]))
        html += [heading(title), table(Row(words, bold(figure)) for words, figure in pairs)]
    if attention := _attention(current):
        text.append(_block(_ATTENTION, attention))
        rows = (Row(linked(line, page)) for line, page in attention.items())
        html += [heading(_ATTENTION), table(rows)]
    return Words(subject, "\n\n".join(text), join(html))


def _day(iso: str) -> str:
    """Write a day as the source document does: ``January 15, 2024``."""
    day = date.fromisoformat(iso)
    return f"{day:%B} {day.day}, {day.year}"


def _days(span: Mapping[str, Any]) -> str:
    first, last = _day(span["first"]), _day(span["last"])
    return first if first == last else f"{first} - {last}"


def _block(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{title}:", *(f"  • {line}" for line in lines)])


def _attention(current: Mapping[str, Any]) -> dict[str, str]:
    """Return the lines about what is waiting, each with the list that it leads to."""
    lines = [
        (current["pending"], "unassigned job", "", "unassigned"),
        (current["overdue"], "overdue job", "", "overdue"),
        (current["completions"], "job completion", " awaiting verification", "verification"),
    ]
    return {
        f"{counted(number, what)}{rest}": list_of(WorkOrder, waits=waits)
        for number, what, rest, waits in lines
        if number
    }


def _write(notifications: Sequence[Notification]) -> Words:
    [facts] = [one.context for one in notifications]
    return write_summary(facts)


DAILY_SUMMARY = NotificationType(
    "daily_summary", Category.OPERATIONAL, _write, may_opt_out=True
)

TYPES: tuple[NotificationType, ...] = (DAILY_SUMMARY,)
