"""What only time changes: an open invoice becomes overdue when its due date has passed."""

from datetime import timedelta

from django.db.models import QuerySet, TextChoices

from apps.billing.models import Invoice, InvoiceQuerySet
from apps.billing.services.statuses import mark_overdue, newly_overdue
from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Report, Skip, block
from apps.firms.models import Firm
from apps.firms.services import find_firm

MARKED = "marked"  # a tally
FARTHEST_EAST = timedelta(hours=14)  # no calendar on Earth is further ahead of UTC


class OverdueReason(TextChoices):
    NOT_YET = "not_yet", "it is still the due date there"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


def mark_overdue_invoices(
    *, firm_id: int | None = None, dry_run: bool = False, as_of: str = ""
) -> Report:
    """Mark open invoices as overdue once their due date has passed.

    By the firm's own date, of every firm, also suspended and closed ones: a debt does not
    wait. Rent goes by the property's date and is marked by the jobs that know it. Partly
    paid invoices are marked too (spec B3). One statement for each firm; running it again
    changes nothing. Tells nobody.
    """
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    only = find_firm(firm_id) if firm_id is not None else None
    report = Report(dry_run=dry_run, summary=_summary)
    for firm in batches.by_key(_firms(clock, only)):
        try:
            today = firm.today(clock)
        except Problem as problem:
            report.fail(firm, problem)
            continue
        with report.attempt(firm) as item:
            count = mark_overdue(invoices=of_firm_date().for_firm(firm), today=today)
            if not count:
                raise Skip(OverdueReason.NOT_YET)
            item.does(f"mark {count} as overdue")
            item.tallies = [MARKED] * count
            item.says(
                f"{firm}: {count} overdue since the due date passed",
                would=f"Would mark {count} invoices of {firm} as overdue",
            )
    return report


def of_firm_date() -> InvoiceQuerySet:
    """Return the invoices that go by the date of their firm: all but rent."""
    return Invoice.objects.exclude(kind=Invoice.Kind.RENT)


def _firms(clock: Clock, only: Firm | None) -> "QuerySet[Firm]":
    """Return the firms that may have something to mark: it is over somewhere on Earth."""
    latest = clock.as_of or (clock.now + FARTHEST_EAST).date()
    fresh = newly_overdue(of_firm_date(), on=latest)
    firms = Firm.objects.filter(pk__in=fresh.values("firm"))
    return firms.filter(pk=only.pk) if only else firms


def _summary(report: Report) -> list[str]:
    marked = report.worded("Invoices marked overdue", would="Invoices to mark overdue")
    return block((marked, report.tallies[MARKED]), ("Errors", report.failed))
