"""Package invoices: the recurring fee of engagements, period by period (spec D1)."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from django.db.models import Exists, OuterRef, QuerySet, TextChoices

from apps.billing.models import Invoice
from apps.core import batches, money
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Item, Report, Subject, block
from apps.engagements.models import Engagement, EngagementRate
from apps.engagements.services.claims import claims_of, rates_of
from apps.engagements.services.invoicing import (
    Desk,
    Fee,
    accounts_with_card,
    invoice_fees,
    make_fee,
    tell_clients,
)
from apps.engagements.services.periods import Claim, Period, fee_on, unbilled
from apps.firms.models import Firm
from apps.firms.services import find_firm, why_not_served

logger = logging.getLogger(__name__)

MOST_PERIODS = 12  # of one engagement in one run; more is a mistake in its dates
FIRMS = "firms processed"  # a tally


class PackageReason(TextChoices):
    ALREADY_INVOICED = "already_invoiced", "Invoice already exists for this period"
    NOT_DUE = "not_due", "No period due yet"
    ZERO_FEE = "zero_fee", "Package fee is zero"
    CHANGED = "changed", "Engagement was changed meanwhile"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return self != PackageReason.CHANGED


@dataclass(frozen=True, slots=True)
class Finding:
    """An engagement with a period to be invoiced, or why there is none."""

    engagement: Engagement
    fee: Fee | None = None
    reason: PackageReason | None = None
    problem: Exception | None = None

    @property
    def subject(self) -> Subject:
        name = f"engagement {self.engagement.pk}"
        about = Subject.of(
            self.engagement,
            part=str(self.fee.period.start) if self.fee else "",
            label=f"{name} ({self.engagement})",
        )
        return replace(about, failing=f"Error for {name}")


def generate_package_invoices(
    *, firm_id: int | None = None, dry_run: bool = False, as_of: str = ""
) -> Report:
    """Generate the invoices for the package fees of consulting engagements.

    Every period that is due on the firm's local date and has not been dealt with, oldest
    first, so that a missed run is caught up; never one that began before the engagement was
    put under billing. A period is claimed once (``EngagementPeriod``), also when its invoice
    is voided. More than 12 at once are a mistake in an engagement's dates: that engagement
    fails and nothing of it is invoiced. Clients are told by e-mail and in-app; firms that do
    not issue by themselves get drafts.
    """
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    report = Report(dry_run=dry_run, summary=_summary)
    for firm in batches.by_key(_firms(report, firm_id)):
        report.tallies[FIRMS] += 1
        report.says(f"Processing firm: {firm} (ID: {firm.pk})")
        try:
            today = firm.today(clock)
        except Problem as problem:
            report.fail(firm, problem)
            continue
        engagements = Engagement.objects.for_firm(firm).billed_by_package()
        report.expect(engagements.count())
        pages = batches.pages(engagements.select_related("account__contact"))
        report.attempt_each(
            (one for page in pages for one in _findings(page, firm=firm, today=today)),
            partial(_invoice_all, firm=firm, clock=clock),
            subject=lambda finding: finding.subject,
        )
    return report


def _firms(report: Report, firm_id: int | None) -> "QuerySet[Firm]":
    """Return the served firms that have engagements to look at, and say which is left out."""
    candidates = Engagement.objects.billed_by_package().filter(firm=OuterRef("pk"))
    firms = Firm.objects.served().filter(Exists(candidates)).select_related("settings")
    if firm_id is None:
        return firms
    firm = find_firm(firm_id)
    if left_out := why_not_served(firm):
        report.says(left_out)
    return firms.filter(pk=firm.pk)


# ---- what is to be billed -----------------------------------------------------------------


def _findings(page: Sequence[Engagement], *, firm: Firm, today: date) -> Iterator[Finding]:
    """Yield what is to be invoiced of some engagements of a firm, or why nothing is."""
    keys = [engagement.pk for engagement in page]
    claims, rates = claims_of(keys), rates_of(keys)
    desk = Desk(firm, today, accounts_with_card(one.account_id for one in page))
    for engagement in page:
        try:
            yield from _look_at(engagement, claims[engagement.pk], rates[engagement.pk], desk)
        except Exception as error:
            # The neighbours of this engagement are to be looked at all the same.
            logger.error("engagement %d cannot be billed", engagement.pk, exc_info=error)
            yield Finding(engagement, problem=error)


def _look_at(
    engagement: Engagement,
    claims: Sequence[Claim],
    rates: Sequence[EngagementRate],
    desk: Desk,
) -> list[Finding]:
    due = unbilled(engagement, claims, today=desk.today)
    fees = [(period, fee_on(engagement, rates, period.start)) for period in due]
    owed = [(period, fee) for period, fee in fees if fee]
    if len(owed) > MOST_PERIODS:
        raise Problem(f"{len(owed)} unbilled periods exceed the safety limit of {MOST_PERIODS}")
    if not owed:
        return [Finding(engagement, reason=_why_none(due, claims))]
    return [
        Finding(engagement, make_fee(engagement, period, fee_minor=fee, desk=desk))
        for period, fee in owed
    ]


def look_at(engagement: Engagement, *, today: date) -> list[Finding]:
    """Return what is to be invoiced of one engagement on a day, or why nothing is."""
    key = engagement.pk
    desk = Desk(engagement.firm, today, set())  # whether a card is there changes no decision
    return _look_at(engagement, claims_of([key])[key], rates_of([key])[key], desk)


def _why_none(due: Sequence[Period], claims: Sequence[Claim]) -> PackageReason:
    if due:
        return PackageReason.ZERO_FEE
    if claims and not claims[-1].paused:
        return PackageReason.ALREADY_INVOICED
    return PackageReason.NOT_DUE


# ---- billing it ---------------------------------------------------------------------------


def _invoice_all(items: Sequence[Item[Finding]], *, firm: Firm, clock: Clock) -> None:
    """Invoice the fees of a batch and tell the clients."""
    wanted = {item.thing.engagement.pk for item in items if item.thing.fee}
    standing = _standing(wanted)
    claims = claims_of(wanted)  # again, now behind the locks
    todo: list[tuple[Item[Finding], Fee]] = []
    for item in items:
        found, key = item.thing, item.thing.engagement.pk
        if found.problem:
            item.fail(found.problem)
        elif found.reason:
            _skip(item, found.reason)
        elif found.fee and _is_claimed(found.fee.period, claims[key]):
            _skip(item, PackageReason.ALREADY_INVOICED)
        elif standing.get(key) != found.engagement.updated_at:
            _skip(item, PackageReason.CHANGED)
        elif found.fee:
            todo.append((item, found.fee))
    invoices = invoice_fees([fee for _, fee in todo], now=clock.now)
    told = [(fee.engagement, made) for (_, fee), made in zip(todo, invoices, strict=True)]
    tell_clients(told, firm=firm)
    for (item, fee), invoice in zip(todo, invoices, strict=True):
        _announce(item, fee, invoice)


def _standing(keys: set[int]) -> dict[int, object]:
    """Lock engagements and return when each was changed last, if it is billed at all.

    Whoever changes an engagement's days holds the same lock, so that no period is claimed
    by a plan that no longer holds.
    """
    if not keys:
        return {}
    rows = Engagement.objects.billed_by_package().filter(pk__in=keys).order_by("pk")
    return dict(rows.select_for_update(no_key=True).values_list("pk", "updated_at"))


def _is_claimed(period: Period, claims: Sequence[Claim]) -> bool:
    return any(claim.start < period.end and period.start < claim.end for claim in claims)


def _skip(item: Item[Finding], reason: PackageReason) -> None:
    item.skip(reason, f"Skipped engagement {item.thing.engagement.pk}: {reason.label}")


def _announce(item: Item[Finding], fee: Fee, invoice: Invoice) -> None:
    key, span = fee.engagement.pk, f"{fee.period.start} to {fee.period.last}"
    amount = money.write(invoice.total)
    item.does(f"invoice {span}", invoice.total)
    item.says(
        f"Generated invoice for engagement {key}: {invoice} ({amount})",
        would=f"Would generate invoice for engagement {key}: {span} ({amount})",
    )


def _summary(report: Report) -> list[str]:
    generated = report.worded("Invoices generated", would="Invoices that would be generated")
    lines = block(
        ("Firms processed", report.tallies[FIRMS]),
        (generated, report.done),
        ("Engagements skipped", report.skipped),
        ("Errors", report.failed),
    )
    closing = report.worded(f"Successfully generated {report.done} invoices.", would="")
    if closing and not report.failed:
        lines.append(closing)
    return lines
