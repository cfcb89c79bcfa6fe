"""Rent: what a lease owes for a month, and the invoices for it (spec D17)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from django.db.models import QuerySet, TextChoices

from apps.billing.models import Invoice, InvoiceLine
from apps.billing.services import InvoiceDraft, LineDraft, issue_invoices, lock_numbering
from apps.core import batches, bulk, days, money
from apps.core.days import Clock
from apps.core.problems import BadOption, Problem
from apps.core.reports import Item, Report, Subject, block
from apps.leasing.messages import INVOICE_ISSUED
from apps.leasing.models import (
    Lease,
    LeaseCharge,
    LeaseQuerySet,
    Property,
    PropertyBillingConfig,
    RentPeriod,
    RentStep,
)
from apps.leasing.services import terms
from apps.leasing.services.parties import renters_of
from apps.leasing.services.scope import Scope
from apps.notifications.services import Draft, notify

MONTHS_AHEAD = 12


class RentReason(TextChoices):
    ALREADY_INVOICED = "already_invoiced", "invoice already exists"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return self == RentReason.ALREADY_INVOICED


@dataclass(frozen=True, slots=True)
class LeaseMonth:
    """A lease and the first day of the month to be invoiced."""

    lease: Lease
    month: date

    @property
    def subject(self) -> Subject:
        return Subject.of(self.lease, part=f"{self.month:%Y-%m}")

    @property
    def first(self) -> date:
        """The first day of the month on which the lease is in force."""
        return max(self.lease.start_date, self.month)

    @property
    def last(self) -> date:
        """The last day of the month on which the lease is in force."""
        end = days.last_of_month(self.month)
        return min(self.lease.end_date or end, end)

    @property
    def due(self) -> date:
        """The contractual due date: in the first month not before the move-in."""
        return max(days.day_of_month(self.month, self.lease.due_day), self.lease.start_date)


def generate_monthly_invoices(
    *,
    property: int | None = None,
    month: str = "",
    firm_id: int | None = None,
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Generate the rent invoices of a month for all active leases.

    Without ``month`` (YYYY-MM) it is the month at each property now, and the next one once
    its due date is within the lead time of the terms. A lease is invoiced once per month
    (``RentPeriod``), also after its invoice was voided; forgotten months can be asked for
    and fall due on the day they are issued, so that the landlord's delay costs no late fee.
    Renters are told by e-mail and in-app; account credit is used at once.
    """
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    asked = _asked_month(month, clock)
    scope = Scope.find(property=property, firm_id=firm_id)
    report = Report(dry_run=dry_run, heading="Generating rent invoices...", summary=_summary)
    scope.tell(report)
    for homes, today in scope.by_day(report, clock):
        leases = billable(homes)
        report.expect(leases.count())
        leases = leases.select_related("unit", "account").prefetch_related("unit__property")
        pages = batches.pages(leases)  # prefetched: one instance for a property's many leases
        report.attempt_each(
            _unbilled(report, pages, today=today, clock=clock, asked=asked),
            partial(_invoice_all, clock=clock),
            subject=lambda due: due.subject,
        )
    return report


def billable(homes: "QuerySet[Property]") -> LeaseQuerySet:
    """Return the leases of some properties that owe rent."""
    return Lease.objects.living().filter(unit__property__in=homes)


def why_not_invoiced(lease: Lease, *, today: date, clock: Clock) -> str:
    """Say why a lease that owes rent gets no invoice on a day, or nothing. Two queries."""
    config = terms.effective([lease], clock=clock).get(lease.pk)
    due = list(_months_due(lease, config, today=today, asked=None))
    claimed = _claimed(due)
    if not due:
        return f"it is not in force in {today:%Y-%m}"
    if len(claimed) < len(due):
        return ""
    last = due[-1].month
    following = LeaseMonth(lease, days.add_months(last, 1))
    lead = timedelta(days=config.invoice_lead_days if config else 0)
    on = min(following.due - lead, following.month) if lead else following.month
    return f"{last:%Y-%m} is dealt with already; {following.month:%Y-%m} follows on {on}"


def invoice_rent(due: Sequence[LeaseMonth], *, clock: Clock) -> list[Invoice]:
    """Claim lease months and issue their invoices, in the order given.

    One statement per kind of row, however many months. Raises ``IntegrityError`` when one of
    them has been claimed already. Tells nobody.
    """
    leases = {one.lease.pk for one in due}
    steps, charges = defaultdict(list), defaultdict(list)
    for step in RentStep.objects.filter(lease__in=leases).order_by("effective_from"):
        steps[step.lease_id].append(step)
    for charge in LeaseCharge.objects.filter(lease__in=leases).order_by("pk"):
        charges[charge.lease_id].append(charge)
    drafts = []
    for one in due:
        lines = rent_lines(one, steps=steps[one.lease.pk], charges=charges[one.lease.pk])
        drafts.append(_draft(one, lines, clock))
    invoices = issue_invoices(drafts, now=clock.now)
    bulk.insert(
        RentPeriod,
        ("firm", "lease", "period_start", "period_end", "invoice"),
        (
            (one.lease.firm_id, one.lease.pk, one.month, _following(one.month), invoice.pk)
            for one, invoice in zip(due, invoices, strict=True)
        ),
    )
    return invoices


def rent_lines(
    due: LeaseMonth, *, steps: Sequence[RentStep], charges: Sequence[LeaseCharge]
) -> list[LineDraft]:
    """Return the lines of a lease's month: rent, one per rent step in it, and its charges.

    ``steps`` and ``charges`` are all of the lease's. Amounts are in minor units, each rounded
    once; days are counted with the first and the last (spec A4.5, D17 "Partial months").
    """
    lines = []
    parts = _rent_parts(due, steps)
    for index, (first, last, rent) in enumerate(parts):
        closing = index == len(parts) - 1
        amount = _share(due, rent, first, last, closing=closing)
        lines.append(_line(InvoiceLine.Kind.RENT, "Rent", rent, amount, first, last))
    for charge in charges:
        first = max(due.first, charge.starts_on)
        last = min(due.last, charge.ends_on or due.last)
        if first > last:
            continue
        amount = charge.amount_minor
        if charge.prorated:
            amount = _share(due, amount, first, last)
        kind = InvoiceLine.Kind.RECURRING_CHARGE
        lines.append(_line(kind, charge.kind, charge.amount_minor, amount, first, last))
    return lines


def _asked_month(month: str, clock: Clock) -> date | None:
    if not month:
        return None
    first = days.parse_month(month)
    if days.months_between(clock.now.date(), first) > MONTHS_AHEAD:
        raise BadOption(f"Month {month} is more than {MONTHS_AHEAD} months ahead.")
    return first


def _unbilled(
    report: Report,
    pages: Iterable[Sequence[Lease]],
    *,
    today: date,
    clock: Clock,
    asked: date | None,
) -> Iterator[LeaseMonth]:
    """Yield the lease months that nobody has claimed; report the others as skipped."""
    for page in pages:
        configs = {} if asked else terms.effective(page, clock=clock)
        due = [
            one
            for lease in page
            for one in _months_due(lease, configs.get(lease.pk), today=today, asked=asked)
        ]
        claimed = _claimed(due)
        for one in due:
            if (one.lease.pk, one.month) in claimed:
                report.skip(one.subject, RentReason.ALREADY_INVOICED, _already(one))
            else:
                yield one


def _months_due(
    lease: Lease, config: PropertyBillingConfig | None, *, today: date, asked: date | None
) -> Iterator[LeaseMonth]:
    """Yield the asked or the current month, and the next one when it is within lead time."""
    months = [asked or days.first_of_month(today)]
    if config and config.invoice_lead_days:
        following = LeaseMonth(lease, days.add_months(months[0], 1))
        if following.due - today <= timedelta(days=config.invoice_lead_days):
            months.append(following.month)
    for month in months:
        due = LeaseMonth(lease, month)
        if due.first <= due.last:
            yield due


def _claimed(due: Sequence[LeaseMonth]) -> set[tuple[int, date]]:
    return set(
        RentPeriod.objects.filter(
            lease__in={one.lease.pk for one in due},
            period_start__in={one.month for one in due},
        ).values_list("lease_id", "period_start")
    )


def _invoice_all(items: Sequence[Item[LeaseMonth]], *, clock: Clock) -> None:
    """Issue the invoices of a batch and tell the renters."""
    lock_numbering(item.thing.lease.firm_id for item in items)
    claimed = _claimed([item.thing for item in items])  # again, now behind the lock
    todo = []
    for item in items:
        if (item.thing.lease.pk, item.thing.month) in claimed:
            item.skip(RentReason.ALREADY_INVOICED, _already(item.thing))
        else:
            todo.append(item)
    invoices = invoice_rent([item.thing for item in todo], clock=clock)
    _tell_renters([item.thing for item in todo], invoices)
    for item, invoice in zip(todo, invoices, strict=True):
        words = f"{money.write(invoice.total)} due {invoice.due_date}"
        item.does(f"invoice {item.subject.part}", invoice.total)
        item.says(
            f"{item.subject.label}: {invoice.number} {words}",
            would=f"Would invoice {item.subject.label}: {words}",
        )


def _draft(due: LeaseMonth, lines: Sequence[LineDraft], clock: Clock) -> InvoiceDraft:
    lease, account = due.lease, due.lease.account
    if lease.currency != account.currency:
        raise Problem(f"the lease is in {lease.currency}, its account in {account.currency}")
    zone = lease.unit.property.timezone
    today = clock.today(zone)
    due_date = max(due.due, today)
    at_due = account.autopay_timing == account.AutopayTiming.DUE
    return InvoiceDraft(
        account=account,
        kind=Invoice.Kind.RENT,
        lines=lines,
        issue_date=today,
        due_date=due_date,
        contractual_due_date=due.due,
        period_start=due.first,
        period_end=due.last + days.DAY,
        autopay=account.autopay_enabled,
        autopay_charge_at=days.local_midnight(due_date, zone) if at_due else None,
    )


def _tell_renters(due: Sequence[LeaseMonth], invoices: Sequence[Invoice]) -> None:
    renters = renters_of(one.lease.pk for one in due)
    notify(
        [
            Draft(
                type=INVOICE_ISSUED,
                firm_id=invoice.firm_id,
                recipient=contact,
                dedupe_key=f"invoice-issued:{invoice.pk}",
                about=invoice,
                context={
                    "number": invoice.number,
                    "total": money.write_grouped(invoice.total),
                    "balance": money.write_grouped(invoice.balance),
                    "due": str(invoice.due_date),
                    "month": f"{one.month:%Y-%m}",
                    "home": str(one.lease.unit),
                    "autopay": invoice.autopay_opt_in,
                },
            )
            for one, invoice in zip(due, invoices, strict=True)
            for contact in renters.get(one.lease.pk, ())
        ]
    )


def _following(month: date) -> date:
    return days.add_months(month, 1)


def _rent_parts(due: LeaseMonth, steps: Sequence[RentStep]) -> list[tuple[date, date, int]]:
    """Return (first day, last day, monthly rent) for each rent in force during the month."""
    rent = due.lease.rent_minor
    changes: list[RentStep] = []
    for step in sorted(steps, key=lambda step: step.effective_from):
        if step.effective_from <= due.first:
            rent = step.rent_minor
        elif step.effective_from <= due.last:
            changes.append(step)
    if due.lease.proration == Lease.Proration.NONE:
        return [(due.first, due.last, rent)]
    parts, first = [], due.first
    for step in changes:
        parts.append((first, step.effective_from - days.DAY, rent))
        first, rent = step.effective_from, step.rent_minor
    return [*parts, (first, due.last, rent)]


def _share(
    due: LeaseMonth, minor: int, first: date, last: date, *, closing: bool = False
) -> int:
    """Return what the days from ``first`` to ``last`` cost of a monthly amount.

    ``closing`` marks the last part of a month in several: by thirtieths, it takes the rest.
    """
    covered, length = (last - first).days + 1, days.days_in_month(due.month)
    method = due.lease.proration
    if method == Lease.Proration.NONE or covered == length:
        return minor
    if method == Lease.Proration.ACTUAL:
        return money.prorate(minor, covered=covered, of=length)
    before = (first - due.first).days
    whole = (due.last - due.first).days + 1 == length
    thirtieths = 30 - before if closing and whole else min(covered, 30)
    return money.prorate(minor, covered=max(thirtieths, 0), of=30)


def _line(
    kind: InvoiceLine.Kind, words: str, unit: int, amount: int, first: date, last: date
) -> LineDraft:
    return LineDraft(
        kind,
        words,
        amount,
        unit_minor=unit,
        period_start=first,
        period_end=last + days.DAY,
    )


def _already(due: LeaseMonth) -> str:
    return f"{due.lease}: invoice already exists for {due.month:%Y-%m}"


def _summary(report: Report) -> list[str]:
    generated = report.worded("Invoices generated", would="Invoices that would be generated")
    return block(
        (generated, report.done), ("Leases skipped", report.skipped), ("Errors", report.failed)
    )
