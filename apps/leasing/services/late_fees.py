"""Late fees: which rent is late, and what a run says about it (spec D18)."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet

from apps.billing.models import Invoice
from apps.core import batches, days, money
from apps.core.days import Clock
from apps.core.reports import Report, block
from apps.leasing.models import LateFeeAssessment, Lease, Property, PropertyBillingConfig
from apps.leasing.services import terms
from apps.leasing.services.charging import (
    APPLIED,
    LateFeeReason,
    Overdue,
    assessed,
    charge_late_fees,
)
from apps.leasing.services.fees import INITIAL, daily_days
from apps.leasing.services.scope import Scope
from apps.leasing.services.waivers import PAID_IN_TIME, paid_since, reverse_late_fee

REVERSED = "reversed"  # a tally
MISSED = 31  # days of outage after which daily fees are not caught up any more

Once = PropertyBillingConfig.Frequency.ONCE
NoFee = PropertyBillingConfig.LateFee.NONE


def apply_late_fees(
    *,
    property: int | None = None,
    firm_id: int | None = None,
    at: str = "",
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Apply the configured late fees to overdue rent invoices.

    Rent that is unpaid when the grace days have passed at the property costs the fee of the
    lease's terms, once (``LateFeeAssessment``), and where they say so a fee for each day
    after that. Not while an invoice is disputed, on a payment plan, or about to be paid by a
    bank payment begun in time. Never on late fees. A fee that a payment recorded since
    proves wrong is reversed first; a waived or reversed one never comes back. Renters are
    told by e-mail and in-app.
    """
    days.check_gate(at=at)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    scope = Scope.find(property=property, firm_id=firm_id)
    report = Report(dry_run=dry_run, heading="Applying late fees...", summary=_summary)
    scope.tell(report)
    for homes, today in scope.by_day(report, clock, at=at):
        _reverse(report, homes, today=today, clock=clock)
        for overdue in (_first_fees, _daily_fees):
            report.attempt_each(
                overdue(report, homes, today),
                partial(charge_late_fees, clock=clock),
                subject=lambda late: late.subject,
            )
    return report


# ---- which --------------------------------------------------------------------------------


def _first_fees(report: Report, homes: "QuerySet[Property]", today: date) -> Iterator[Overdue]:
    """Yield the invoices whose grace days have passed and that were never assessed."""
    charging = _configs(homes).exclude(late_fee_type=NoFee)
    shortest: int | None = charging.aggregate(days=Min("grace_days"))["days"]
    if shortest is None:
        return
    late = unassessed(homes, today).filter(due_date__lt=today - timedelta(days=shortest))
    report.expect(late.count())
    for page in batches.pages(late):
        known = terms.of_leases([_lease(invoice) for invoice in page])
        for invoice in page:
            config = known[_lease(invoice).pk].on(today)
            if config is None or why_not_yet(invoice, config, today=today):
                continue
            if _owes(report, invoice, config):
                grace_end = _grace_end(invoice, config)
                yield Overdue(invoice, _lease(invoice), today, grace_end, [(INITIAL, config)])


def _daily_fees(report: Report, homes: "QuerySet[Property]", today: date) -> Iterator[Overdue]:
    """Yield the invoices that cost a fee for each day since their first one.

    Missed days are caught up, each by the terms of that day.
    """
    daily = _configs(homes).exclude(fee_frequency=Once).exclude(late_fee_type=NoFee)
    longest: int | None = daily.aggregate(days=Max("daily_max_days"))["days"]
    if not longest:
        return
    of_invoice = LateFeeAssessment.objects.filter(invoice=OuterRef("pk"))
    first = of_invoice.filter(
        assessment_key=INITIAL,
        state=LateFeeAssessment.State.APPLIED,
        assessed_on__lt=today,
        assessed_on__gte=today - timedelta(days=longest + MISSED),
    )
    late = _late(homes, today).filter(
        Q(rent_period__lease__in=daily.filter(lease__isnull=False).values("lease"))
        | Q(rent_period__lease__unit__property__in=daily.filter(lease=None).values("property"))
        | Q(firm__in=daily.filter(lease=None, property=None).values("firm")),
        Exists(first),
    )
    late = late.exclude(Exists(of_invoice.filter(assessment_key=today.isoformat())))
    report.expect(late.count())
    for page in batches.pages(late):
        known = terms.of_leases([_lease(invoice) for invoice in page])
        charged = assessed(page)
        for invoice in page:
            before, lease_terms = charged[invoice.pk], known[_lease(invoice).pk]
            config = lease_terms.on(today)
            if config is None or config.late_fee_type == NoFee:
                continue
            keys = [
                (day.isoformat(), of_day)
                for day in daily_days(before[INITIAL].assessed_on, config, today=today)
                if day.isoformat() not in before
                and (of_day := lease_terms.on(day)) is not None
                and of_day.fee_frequency != Once
            ]
            if keys and _owes(report, invoice, config):
                grace_end = _grace_end(invoice, config)
                yield Overdue(invoice, _lease(invoice), today, grace_end, keys)


def unassessed(homes: "QuerySet[Property]", today: date) -> "QuerySet[Invoice]":
    """Return the rent that is late on a local day and was never assessed."""
    known_late = LateFeeAssessment.objects.filter(invoice=OuterRef("pk"))
    return _late(homes, today).exclude(Exists(known_late))


def why_no_fee(invoice: Invoice, config: PropertyBillingConfig | None, *, today: date) -> str:
    """Say why rent that is late and was never assessed costs no fee on a day, or nothing."""
    if config is None:
        return "its lease has no terms for late fees"
    return why_not_yet(invoice, config, today=today) or _too_little(invoice, config)


def why_not_yet(invoice: Invoice, config: PropertyBillingConfig, *, today: date) -> str:
    """Say why its terms ask for no first fee on a day, whatever is owed, or nothing."""
    if config.late_fee_type == NoFee:
        return "its terms know no late fee"
    grace_end = _grace_end(invoice, config)
    return "" if today > grace_end else f"it can be paid without a fee until {grace_end}"


def _late(homes: "QuerySet[Property]", today: date) -> "QuerySet[Invoice]":
    return (
        Invoice.objects.collectable()
        .undisputed(on=today)
        .filter(due_date__lt=today, rent_period__lease__unit__property__in=homes)
        .select_related("rent_period__lease__unit__property__jurisdiction", "firm__settings")
    )


def _configs(homes: "QuerySet[Property]") -> "QuerySet[PropertyBillingConfig]":
    return PropertyBillingConfig.objects.filter(firm__in=homes.values("firm"))


def _lease(invoice: Invoice) -> Lease:
    return invoice.rent_period.lease


def _grace_end(invoice: Invoice, config: PropertyBillingConfig) -> date:
    assert invoice.due_date is not None
    country = invoice.firm.country
    return terms.grace_end(config, due_date=invoice.due_date, country=country)


def _owes(report: Report, invoice: Invoice, config: PropertyBillingConfig) -> bool:
    """Tell whether enough principal is unpaid; report a small balance as skipped."""
    too_little = _too_little(invoice, config)
    if too_little and invoice.principal_open_minor > 0:
        report.skip(invoice, LateFeeReason.SMALL_BALANCE, f"{invoice}: {too_little}")
    return not too_little


def _too_little(invoice: Invoice, config: PropertyBillingConfig) -> str:
    """Say that what is owed costs no fee, if so."""
    principal = invoice.principal_open_minor
    if principal > config.min_balance_minor:
        return ""
    left = money.write_minor(principal, invoice.currency)
    return f"only {left} unpaid, below the minimum for a late fee"


def _reverse(report: Report, homes: "QuerySet[Property]", *, today: date, clock: Clock) -> None:
    """Take back the fees that payments recorded since prove wrong."""
    for assessment in paid_since(homes, today):
        with report.attempt(assessment) as item:
            reverse_late_fee(
                assessment=assessment,
                actor=None,
                reason=PAID_IN_TIME,
                today=today,
                now=clock.now,
            )
            invoice = assessment.invoice
            fee = money.write_minor(assessment.fee_minor, invoice.currency)
            item.does(f"reverse late fee of {fee}", tally=REVERSED)
            item.says(
                f"{invoice}: {fee} late fee reversed (paid in time)",
                would=f"Would reverse on {invoice}: {fee} late fee (paid in time)",
            )


def _summary(report: Report) -> list[str]:
    figures: list[tuple[str, object]] = [
        (
            report.worded("Late fees applied", would="Late fees that would be applied"),
            report.tallies[APPLIED],
        ),
        ("Total late fees", money.write_totals(report.money)),
        ("Invoices skipped", report.skipped),
    ]
    if report.tallies[REVERSED]:
        figures.append(("Late fees reversed", report.tallies[REVERSED]))
    return block(*figures, ("Errors", report.failed))
