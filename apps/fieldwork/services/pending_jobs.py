"""The office's digest of jobs that wait for somebody (spec D27)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, TextChoices

from apps.core import batches
from apps.core.days import Clock, check_gate
from apps.core.reports import Item, Report, Subject
from apps.fieldwork.messages.pending_jobs import PENDING_JOBS, SECTIONS, write_reminder
from apps.fieldwork.messages.sections import counted
from apps.fieldwork.models import WorkOrder, WorkOrderQuerySet
from apps.fieldwork.services.scope import Scope
from apps.fieldwork.services.telling import OFFICE
from apps.firms.models import Firm, User
from apps.firms.rights import in_charge
from apps.notifications.services import Draft, notify

SOON = 7  # days before the due date
SHOWN = 10  # jobs of a section; the rest are counted


class PendingReason(TextChoices):
    """Why somebody is not reminded."""

    TOLD_TODAY = "told_today", "reminded today already"
    NOT_WANTED = "not_wanted", "wants no such messages"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


def send_pending_jobs_reminder(
    *,
    firm_id: int | None = None,
    at: str = "",
    weekdays: str = "",
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Remind facility managers and admins of jobs that nobody has, and of due dates.

    One digest for each person and local day, by e-mail and in-app: pending jobs, open ones
    due within 7 days, and overdue ones; up to ten of each, first due first. Where nothing
    waits nobody is told, and nobody is told twice on a day.
    """
    check_gate(at=at, weekdays=weekdays)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    scope = Scope.find(firm_id=firm_id)
    waiting: dict[Firm, dict[str, Any]] = {}
    report = Report(
        dry_run=dry_run,
        heading="Starting pending jobs reminder...",
        summary=lambda report: _summary(report, waiting),
    )
    scope.tell(report)
    for firms, today in scope.by_day(report, clock, at=at, weekdays=weekdays):
        for firm, people in _with_open_jobs(firms):
            facts = _facts(firm, today)
            if not any(facts[name]["count"] for name in SECTIONS):
                continue
            waiting[firm] = facts
            if body := report.worded("", would=write_reminder(facts).text):
                report.says(f"{firm}:\n\n{body}\n\n")
            report.attempt_each(
                people,
                partial(_remind, firm=firm, facts=facts),
                subject=partial(_subject, firm=firm, today=today),
            )
    return report


# ---- which --------------------------------------------------------------------------------


def _with_open_jobs(firms: "QuerySet[Firm]") -> Iterator[tuple[Firm, Sequence[User]]]:
    """Yield the firms that have any, and who is to be told there."""
    open_ = WorkOrder.objects.open().filter(firm=OuterRef("pk"))
    for page in batches.batched(batches.by_key(firms.filter(Exists(open_)))):
        people = in_charge([firm.pk for firm in page], roles=OFFICE)
        for firm in page:
            yield firm, people.get(firm.pk, [])


def _facts(firm: Firm, today: date) -> dict[str, Any]:
    """Return what waits in a firm, as its digest lists it. At most six statements."""
    orders = WorkOrder.objects.for_firm(firm)
    return {
        "on": str(today),
        "unassigned": _section(orders.unassigned()),
        "approaching": _section(orders.approaching(on=today, days=SOON)),
        "overdue": _section(orders.overdue(on=today)),
    }


def in_digest(orders: WorkOrderQuerySet, *, today: date) -> WorkOrderQuerySet:
    """Return what any section of a digest shows on a day."""
    return (
        orders.unassigned() | orders.approaching(on=today, days=SOON) | orders.overdue(on=today)
    )


def _section(orders: WorkOrderQuerySet) -> dict[str, Any]:
    """Return how many orders there are, and the first of them by due date."""
    ordered = orders.order_by(F("due_date").asc(nulls_last=True), "number")
    first = ordered.values_list("pk", "number", "title", "due_date")[: SHOWN + 1]
    rows = [(pk, number, title, str(due or "")) for pk, number, title, due in first]
    count = len(rows) if len(rows) <= SHOWN else orders.count()
    return {"count": count, "rows": rows[:SHOWN]}


# ---- told ---------------------------------------------------------------------------------


def _subject(person: User, *, firm: Firm, today: date) -> Subject:
    part = f"{firm.pk} {today}"  # a person may work for two firms
    return Subject("firms.user", str(person.pk), f"{person} of {firm}", part, firm.pk)


def _remind(items: Sequence[Item[User]], *, firm: Firm, facts: Mapping[str, Any]) -> None:
    """Put the digest of a firm into the outbox for some of its people."""
    drafts = [
        Draft(
            type=PENDING_JOBS,
            firm_id=firm.pk,
            recipient=item.thing,
            dedupe_key=f"pending-jobs:{item.thing.pk}:{facts['on']}",
            about=firm,
            context=facts,
        )
        for item in items
    ]
    planned = {one.draft.recipient: one for one in notify(drafts)}
    for item in items:
        if item.thing not in planned:
            item.skip(PendingReason.TOLD_TODAY)
        elif not planned[item.thing].channels:
            item.decline(PendingReason.NOT_WANTED, "")
        else:
            item.does(f"remind of {_counts(facts)}", tally=_told(firm))


def _told(firm: Firm) -> str:
    return f"told in firm {firm.pk}"  # a tally


def _counts(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{facts[name]['count']} {name}" for name in SECTIONS)


def _summary(report: Report, waiting: Mapping[Firm, Mapping[str, Any]]) -> list[str]:
    """Say it of every firm in which something waits, by its name if there are several."""
    sent = report.worded("Reminder sent to", would="Reminder would be sent to")
    lines = [
        (firm, f"{sent} {counted(report.tallies[_told(firm)], 'user')}: {_counts(facts)}")
        for firm, facts in waiting.items()
    ]
    if len(lines) > 1:
        return [f"{firm}: {line}" for firm, line in lines]
    return [line for _, line in lines] or [
        f"{sent} 0 users: {', '.join(f'0 {name}' for name in SECTIONS)}"
    ]
