"""The office's summary of every day (spec D28, C-24)."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Exists, Min, OuterRef, QuerySet, TextChoices
from django.utils import timezone

from apps.core import batches
from apps.core.days import DAY, Clock, check_gate, zone
from apps.core.reports import Item, Report, Skip
from apps.fieldwork.messages.daily_summary import DAILY_SUMMARY, write_summary
from apps.fieldwork.messages.sections import counted
from apps.fieldwork.models import SummaryMark, WorkOrder
from apps.fieldwork.services.daily_figures import Span, activity, standing
from apps.fieldwork.services.scope import Scope
from apps.fieldwork.services.telling import OFFICE
from apps.firms.models import Firm
from apps.firms.rights import in_charge
from apps.notifications.services import Draft, notify

MOST_MISSED = timedelta(days=7)  # that are caught up
TOLD = "told"  # a tally of people


class SummaryReason(TextChoices):
    """Why a firm gets no summary."""

    NOBODY = "nobody", "nobody to tell"
    REPORTED = "reported", "another run was first"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


def send_daily_summary(
    *,
    firm_id: int | None = None,
    at: str = "",
    weekdays: str = "",
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Send facility managers and admins the summary of yesterday.

    What happened on the firm's local day before, what happened on up to seven days before
    that were never reported (a weekend), and how things stand. Also when nothing happened,
    but not to firms that never had a job. How far a firm's summaries have got is written down
    with them (``SummaryMark``), so that no day is reported twice or left out.
    """
    check_gate(at=at, weekdays=weekdays)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    scope = Scope.find(firm_id=firm_id)
    report = Report(dry_run=dry_run, heading="Generating daily summary...", summary=_summary)
    scope.tell(report)
    for firms, today in scope.by_day(report, clock, at=at, weekdays=weekdays):
        for firm in batches.by_key(_unreported(firms, today)):
            with report.attempt(firm, part=str(today)) as item:
                _report(item, firm, today)
    return report


def _unreported(firms: "QuerySet[Firm]", today: date) -> "QuerySet[Firm]":
    """Return the firms with jobs whose yesterday has not been reported."""
    jobs = WorkOrder.objects.filter(firm=OuterRef("pk"))
    return firms.filter(Exists(jobs)).exclude(summary_mark__reported_through__gte=today - DAY)


def _report(item: Item[Firm], firm: Firm, today: date) -> None:
    """Write down that a firm's days are reported, and put the summary into the outbox."""
    people = in_charge([firm.pk], roles=OFFICE).get(firm.pk, [])
    if not people:
        raise Skip(SummaryReason.NOBODY)
    missed = _missed(firm, today)
    _move_mark(firm, today - DAY)
    facts: dict[str, Any] = {
        "on": str(today),
        "yesterday": activity(Span(firm, today - DAY, today - DAY)),
        "missed": activity(missed) if missed else None,
        "current": standing(firm, today),
    }
    drafts = [
        Draft(
            type=DAILY_SUMMARY,
            firm_id=firm.pk,
            recipient=person,
            dedupe_key=f"daily-summary:{person.pk}:{today}",
            about=firm,
            context=facts,
        )
        for person in people
    ]
    told = [one for one in notify(drafts) if one.channels]
    item.does(f"report {today - DAY}")
    item.tallies = [TOLD] * len(told)
    words = write_summary(facts)
    item.says(
        "", would=f"Would send to {counted(len(told), 'user')} of {firm}:\n\n{words.text}\n\n"
    )


def _missed(firm: Firm, today: date) -> Span | None:
    """Return the days before yesterday that were never reported, if there are any.

    Never more than a week, and none from before the firm's first job.
    """
    last = today - 2 * DAY
    first_job: datetime = WorkOrder.objects.for_firm(firm).aggregate(at=Min("created_at"))["at"]
    first = max(last - MOST_MISSED + DAY, first_job.astimezone(zone(firm.timezone)).date())
    if mark := SummaryMark.objects.filter(firm=firm).first():
        first = max(first, mark.reported_through + DAY)
    return Span(firm, first, last) if first <= last else None


def _move_mark(firm: Firm, through: date) -> None:
    """Write down how far a firm's summaries have got; another run may have been first."""
    marks = SummaryMark.objects.filter(firm=firm)
    moved = marks.filter(reported_through__lt=through).update(
        reported_through=through, updated_at=timezone.now()
    )
    if not moved:
        _, moved = SummaryMark.objects.get_or_create(
            firm=firm, defaults={"reported_through": through}
        )
    if not moved:
        raise Skip(SummaryReason.REPORTED)


def _summary(report: Report) -> list[str]:
    sent = report.worded("Daily summary sent to", would="Daily summary would be sent to")
    return [f"{sent} {counted(report.tallies[TOLD], 'user')}"]
