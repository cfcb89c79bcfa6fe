"""The words about papers that run out: to contractors, and to the office (spec D26)."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import chain, islice
from typing import Any

from apps.core.days import write_day
from apps.fieldwork.messages.freshness import Row, keys_of, overtaken, settled
from apps.fieldwork.messages.letters import Points, letter
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
from apps.fieldwork.models import ComplianceDocument
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

Status = ComplianceDocument.Status


# ---- to a contractor ----------------------------------------------------------------------


def _warning(notifications: Sequence[Notification]) -> Words:
    papers = sorted((one.context for one in notifications), key=lambda facts: facts["until"])
    firm = papers[0]["firm"]
    please = f"Please send {firm} the renewal in time."
    if any(facts["days"] < 0 for facts in papers):
        please = f"Please send {firm} the renewal as soon as you can."
    if len(papers) > 1:
        return letter(
            f"{len(papers)} of your documents need to be renewed",
            f"These documents of yours for {firm} need to be renewed:",
            Points([f"{_named(facts)} {_when(facts)} ({_until(facts)})" for facts in papers]),
            _consequence(papers),
            please,
        )
    [facts] = papers
    return letter(
        f"{facts['type']} {_when(facts)}",
        f"Your {_named(facts)} for {firm} {_when(facts)} ({_until(facts)}).",
        _consequence(papers),
        please,
    )


def _named(facts: Mapping[str, Any]) -> str:
    return f"{facts['type']}, number {facts['number']}," if facts["number"] else facts["type"]


def _when(facts: Mapping[str, Any]) -> str:
    days = facts["days"]
    if days < 0:
        return "has expired"
    return f"expires in {counted(days, 'day')}" if days else "expires today"


def _until(facts: Mapping[str, Any]) -> str:
    return f"valid until {write_day(date.fromisoformat(facts['until']))}"


def _consequence(papers: Sequence[Mapping[str, Any]]) -> str:
    """Say what hangs on the papers that the firm insists on, if any of these is one."""
    mandatory = [facts["days"] for facts in papers if facts["mandatory"]]
    if not mandatory:
        return ""
    if min(mandatory) < 0:
        return "Until it is renewed you get no new jobs, and your payouts are on hold."
    return "Once it has expired you get no new jobs, and your payouts are on hold."


def _renewed(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which are old: the paper was renewed or corrected, or the next step is here."""
    papers = ComplianceDocument.objects.current().filter(contractor__is_active=True)
    papers = papers.filter(pk__in=[one.subject_id for one in notifications])
    until = {str(pk): str(on) for pk, on in papers.values_list("pk", "expires_on")}
    return {
        one.pk: "renewed meanwhile"
        for one in notifications
        if until.get(one.subject_id) != one.context["until"]
    } | overtaken(notifications)


# ---- to the office ------------------------------------------------------------------------

SECTIONS = {
    "expired": Status.EXPIRED,
    "expiring soon": Status.EXPIRING_SOON,
    "valid again": Status.VALID,
}
SHOWN = 50  # papers of a section in one message; the rest are counted


def _changed(notifications: Sequence[Notification]) -> Words:
    """Say what has changed, in one message also when it was written down in several."""
    changes = [one.context for one in notifications]
    sections = [
        _section(changes, "expired", "🚨 EXPIRED", ALERT, todo="expired"),
        _section(changes, "expiring soon", "⚠️ EXPIRING SOON", WARN, todo="expiring"),
        _section(changes, "valid again", "✓ VALID AGAIN"),
    ]
    counts = [
        f"{one.count} {name}" for one, name in zip(sections, SECTIONS, strict=True) if one.count
    ]
    closing = (
        "Whoever lacks a mandatory document gets no new jobs, and their payouts are on hold, "
        "until you have approved a renewal."
    )
    return digest(
        f"Compliance documents: {', '.join(counts)}",
        sections,
        closing=closing if any(facts["blocks"] for facts in changes) else "",
    )


def _section(
    changes: Sequence[Mapping[str, Any]],
    name: str,
    title: str,
    colour: str = QUIET,
    **filters: str,
) -> Section:
    rows = chain.from_iterable(facts[name]["rows"] for facts in changes)
    verb = "expired on" if name == "expired" else "valid until"
    lines = [
        Line(
            contractor,
            doc_type,
            note=f"{verb} {write_day(date.fromisoformat(until))}",
            page=page_of(ComplianceDocument(pk=pk)),
        )
        for pk, contractor, doc_type, until in islice(rows, SHOWN)
    ]
    return Section(
        title,
        sum(facts[name]["count"] for facts in changes),
        lines,
        colour=colour,
        page=list_of(ComplianceDocument, **filters) if filters else "",
    )


def _changed_since(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which are old: every paper was renewed or corrected since."""
    papers = ComplianceDocument.objects.filter(pk__in=keys_of(notifications, *SECTIONS))
    now = dict(papers.values_list("pk", "status"))

    def stands(name: str, row: Row) -> bool:
        return now.get(row[0]) == SECTIONS[name]

    return settled(notifications, list(SECTIONS), stands)


COMPLIANCE_WARNING = NotificationType(
    "compliance_warning",
    Category.TRANSACTIONAL,
    _warning,
    digestable=True,
    still_wanted=_renewed,
)
COMPLIANCE_CHANGED = NotificationType(
    "compliance_changed",
    Category.OPERATIONAL,
    _changed,
    may_opt_out=True,
    digestable=True,
    still_wanted=_changed_since,
)

TYPES: tuple[NotificationType, ...] = (COMPLIANCE_WARNING, COMPLIANCE_CHANGED)
