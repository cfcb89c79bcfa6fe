"""Charging late fees: locks, amounts, lines, assessments and words, for a batch at a time.

The number of statements depends on batches, not on invoices.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from operator import attrgetter

from django.db.models import TextChoices
from moneyed import Money

from apps.audit import services as audit
from apps.billing.models import BillingAccount, Invoice, InvoiceLine
from apps.billing.services import (
    InvoiceDraft,
    LineAddition,
    LineDraft,
    add_lines,
    issue_invoices,
    lock_numbering,
    mark_overdue,
)
from apps.billing.services.statuses import lock_invoices
from apps.core import bulk, money
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Item, Subject
from apps.firms.models import FirmSettings
from apps.leasing.messages import LATE_FEE_APPLIED
from apps.leasing.models import LateFeeAssessment, Lease, PropertyBillingConfig, RentStep
from apps.leasing.services import terms
from apps.leasing.services.fees import INITIAL, Fee, Limits, daily_fees, initial_fee
from apps.leasing.services.parties import renters_of
from apps.leasing.services.underway import Underway, under_way
from apps.notifications.services import Draft, notify

APPLIED = "applied"  # a tally

State = LateFeeAssessment.State


class LateFeeReason(TextChoices):
    """Why an overdue invoice costs no late fee now."""

    BANK_PAYMENT = "bank_payment", "a bank payment is under way"
    SMALL_BALANCE = "small_balance", "the balance is below the minimum"
    NO_FEE = "no_fee", "the fee comes to nothing"
    MEANWHILE = "meanwhile", "changed meanwhile"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


@dataclass(frozen=True, slots=True)
class Overdue:
    """A rent invoice after its grace days, and the terms for each day that costs a fee."""

    invoice: Invoice
    lease: Lease
    today: date
    grace_end: date
    days: Sequence[tuple[str, PropertyBillingConfig]]  # by assessment key

    @property
    def subject(self) -> Subject:
        return Subject.of(self.invoice, part=self.days[-1][0])

    @property
    def late(self) -> str:
        """How late it is: ``6 days overdue``."""
        assert self.invoice.due_date is not None
        count = (self.today - self.invoice.due_date).days
        return f"{count} day{'s' * (count != 1)} overdue"


# ---- how much, and written down --------------------------------------------------------------


@dataclass(slots=True)
class _Charge:
    """The fees of one invoice on their way into the database."""

    item: Item[Overdue]
    invoice: Invoice  # locked, as it is now
    fees: list[Fee]
    assessments: list[LateFeeAssessment] = field(default_factory=list)
    fee_invoice: Invoice | None = None

    @property
    def minor(self) -> int:
        return sum(fee.fee_minor for fee in self.fees)

    @property
    def amount(self) -> Money:
        return money.from_minor(self.minor, self.invoice.currency)

    def how(self, write: Callable[[Money], str]) -> str:
        code = self.invoice.currency
        if self.fees[0].key == INITIAL:
            return self.fees[0].how(code, write)
        count = len(self.fees)
        each = write(money.from_minor(self.fees[0].config.daily_minor, code))
        words = f"{count} day{'s' * (count != 1)} at {each}"
        if cap := next((fee for fee in self.fees if fee.cap_applied), None):
            words += f", capped at {write(money.from_minor(cap.cap_minor, code))}"
        return words


def charge_late_fees(items: Sequence[Item[Overdue]], *, clock: Clock) -> None:
    """Charge the fees of a batch of invoices, all of the same local day."""
    today = items[0].thing.today
    apart = {item.thing.invoice.pk for item in items if _stands_apart(item.thing)}
    _lock_for_issuing([item.thing for item in items if item.thing.invoice.pk in apart])
    pks = [item.thing.invoice.pk for item in items]
    open_ = Invoice.objects.collectable().undisputed(on=today).filter(pk__in=pks)
    locked = {invoice.pk: invoice for invoice in lock_invoices(open_)}
    known = assessed(locked.values())
    coming = under_way(list(locked.values()))
    rents = _rents([item.thing for item in items])
    charges = []
    for item in items:
        invoice = locked.get(item.thing.invoice.pk)
        if invoice is None:
            item.skip(LateFeeReason.MEANWHILE)
            continue
        before = known[invoice.pk]
        fees = _fees(item, invoice, before, coming[invoice.pk], rents)
        if fees:
            charges.append(_Charge(item, invoice, fees))
    balances = {charge.invoice.pk: charge.invoice.open_minor for charge in charges}
    _issue_apart([one for one in charges if one.invoice.pk in apart], today, clock)
    _add_to_invoices([one for one in charges if one.invoice.pk not in apart], today, clock)
    _write_assessments(charges, today)
    _tell_renters(charges, balances)
    for charge in charges:
        _announce(charge)


def _fees(
    item: Item[Overdue],
    invoice: Invoice,
    before: dict[str, LateFeeAssessment],
    coming: Sequence[Underway],
    rents: dict[int, int],
) -> list[Fee]:
    """Return the fees to charge now, or mark the item as skipped."""
    late = item.thing
    due = [(key, config) for key, config in late.days if key not in before]
    first = before.get(INITIAL)
    if not due or (late.days[0][0] != INITIAL and (not first or first.state != State.APPLIED)):
        item.skip(LateFeeReason.MEANWHILE)
        return []
    principal = invoice.principal_open_minor
    home = late.lease.unit.property
    if principal <= due[-1][1].min_balance_minor:
        item.skip(LateFeeReason.MEANWHILE)
        return []
    promised = sum(
        one.amount_minor for one in coming if one.started_by(late.grace_end, home.timezone)
    )
    if promised >= principal:
        words = f"{invoice}: a bank payment begun in time is under way, no late fee yet"
        item.skip(LateFeeReason.BANK_PAYMENT, words)
        return []
    if invoice.currency != home.currency:
        raise Problem(f"the invoice is in {invoice.currency}, the terms in {home.currency}")
    limits = Limits(home.jurisdiction, invoice.currency, rents[invoice.pk])
    if due[0][0] == INITIAL:
        fee = initial_fee(
            due[0][1], principal=principal, limits=limits, grace_end=late.grace_end
        )
        fees = [fee] if fee.fee_minor > 0 else []
    else:
        charged = sum(one.fee_minor for one in before.values() if one.state == State.APPLIED)
        dated = [(date.fromisoformat(key), config) for key, config in due]
        fees = daily_fees(dated, principal=principal, limits=limits, charged=charged)
    if not fees:
        item.skip(LateFeeReason.NO_FEE)
    return fees


def assessed(invoices: Iterable[Invoice]) -> dict[int, dict[str, LateFeeAssessment]]:
    """Return what has been assessed, by invoice and key."""
    found: dict[int, dict[str, LateFeeAssessment]] = defaultdict(dict)
    pks = [invoice.pk for invoice in invoices]
    for row in LateFeeAssessment.objects.filter(invoice__in=pks).defer("config"):
        found[row.invoice_id][row.assessment_key] = row
    return found


def _rents(late: Sequence[Overdue]) -> dict[int, int]:
    """Return the monthly rent at the beginning of each invoice's period, by invoice."""
    steps = defaultdict(list)
    rows = RentStep.objects.filter(lease__in={one.lease.pk for one in late})
    for step in rows.order_by("effective_from"):
        steps[step.lease_id].append(step)
    rents = {}
    for one in late:
        first = one.invoice.period_start or one.invoice.rent_period.period_start
        begun = [step for step in steps[one.lease.pk] if step.effective_from <= first]
        rents[one.invoice.pk] = begun[-1].rent_minor if begun else one.lease.rent_minor
    return rents


def _add_to_invoices(charges: Sequence[_Charge], today: date, clock: Clock) -> None:
    additions = [
        LineAddition(charge.invoice, _line(charge, fee), today)
        for charge in charges
        for fee in charge.fees
    ]
    add_lines(additions=additions, now=clock.now)


def _line(charge: _Charge, fee: Fee) -> LineDraft:
    how = fee.how(charge.invoice.currency, money.write)
    return LineDraft(InvoiceLine.Kind.LATE_FEE, f"Late fee ({how})", fee.fee_minor)


def _stands_apart(late: Overdue) -> bool:
    """Tell whether the fee goes on an invoice of its own (C-15)."""
    settings: FirmSettings | None = getattr(late.invoice.firm, "settings", None)
    return settings is not None and settings.late_fee_on_separate_invoice


def _lock_for_issuing(late: Sequence[Overdue]) -> None:
    """Lock what issuing will lock, before the rent invoices: the order is always the same."""
    if late:
        lock_numbering(one.invoice.firm_id for one in late)
        accounts = BillingAccount.objects.select_for_update(no_key=True).order_by("pk")
        list(accounts.filter(pk__in={one.invoice.account_id for one in late}))


def _issue_apart(charges: Sequence[_Charge], today: date, clock: Clock) -> None:
    """Issue the fees on invoices of their own, payable within the firm's usual time."""
    if not charges:
        return
    accounts = BillingAccount.objects.in_bulk({one.invoice.account_id for one in charges})
    drafts = [
        InvoiceDraft(
            account=accounts[charge.invoice.account_id],
            kind=Invoice.Kind.MANUAL,
            lines=[_apart_line(charge, fee) for fee in charge.fees],
            issue_date=today,
            due_date=today + timedelta(days=charge.item.thing.invoice.firm.settings.net_days),
        )
        for charge in charges
    ]
    issued = issue_invoices(drafts, now=clock.now)
    for charge, invoice in zip(charges, issued, strict=True):
        charge.fee_invoice = invoice
    rent = Invoice.objects.filter(pk__in=[charge.invoice.pk for charge in charges])
    mark_overdue(invoices=rent, today=today)


def _apart_line(charge: _Charge, fee: Fee) -> LineDraft:
    how = fee.how(charge.invoice.currency, money.write)
    words = f"Late fee on {charge.invoice} ({how})"
    return LineDraft(InvoiceLine.Kind.LATE_FEE, words, fee.fee_minor)


_COLUMNS = (
    "firm", "invoice", "fee_invoice", "assessment_key", "assessed_on", "base_minor", "rate",
    "fee_minor", "cap_applied", "config",
)  # fmt: skip
_KEYS = {"firm", "invoice", "fee_invoice"}
_read = attrgetter(*(f"{name}_id" if name in _KEYS else name for name in _COLUMNS))


def _write_assessments(charges: Sequence[_Charge], today: date) -> None:
    for charge in charges:
        charge.assessments = [
            LateFeeAssessment(
                firm_id=charge.invoice.firm_id,
                invoice=charge.invoice,
                fee_invoice=charge.fee_invoice,
                assessment_key=fee.key,
                assessed_on=today if fee.key == INITIAL else date.fromisoformat(fee.key),
                base_minor=fee.base_minor,
                rate=fee.rate,
                fee_minor=fee.fee_minor,
                cap_applied=fee.cap_applied,
                config=terms.snapshot(fee.config)
                | {"in_time_until": fee.in_time_until.isoformat()},
            )
            for fee in charge.fees
        ]
    written = [one for charge in charges for one in charge.assessments]
    keys = bulk.insert(LateFeeAssessment, _COLUMNS, map(_read, written))
    for assessment, key in zip(written, keys, strict=True):
        assessment.pk = key
    audit.record_all(
        audit.event(
            "late_fee_applied",
            one,
            changes={
                "invoice": one.invoice_id,
                "fee_minor": one.fee_minor,
                "base_minor": one.base_minor,
                "cap": one.cap_applied,
            },
        )
        for one in written
    )


# ---- what people read ------------------------------------------------------------------------


def _tell_renters(charges: Sequence[_Charge], balances: dict[int, int]) -> None:
    renters = renters_of([charge.item.thing.lease.pk for charge in charges])
    drafts = []
    for charge in charges:
        late, code = charge.item.thing, charge.invoice.currency
        owed = balances[charge.invoice.pk]
        if charge.fee_invoice is None:
            owed += charge.minor
        for assessment, fee in zip(charge.assessments, charge.fees, strict=True):
            context = {
                "number": charge.invoice.number,
                "home": str(late.lease.unit),
                "due": str(charge.invoice.due_date),
                "fee": money.write_grouped(money.from_minor(fee.fee_minor, code)),
                "how": fee.how(code, money.write_grouped),
                "day": "" if fee.key == INITIAL else fee.key,
                "balance": money.write_grouped(money.from_minor(owed, code)),
                "fee_number": charge.fee_invoice.number if charge.fee_invoice else "",
                "fee_due": str(charge.fee_invoice.due_date) if charge.fee_invoice else "",
            }
            drafts += [
                Draft(
                    type=LATE_FEE_APPLIED,
                    firm_id=charge.invoice.firm_id,
                    recipient=contact,
                    dedupe_key=f"late-fee:{assessment.pk}",
                    about=assessment,
                    context=context,
                )
                for contact in renters[late.lease.pk]
            ]
    notify(drafts)


def _announce(charge: _Charge) -> None:
    item, fee = charge.item, money.write(charge.amount)
    words = f"{fee} late fee ({charge.how(money.write)}, {item.thing.late})"
    item.does(f"late fee {charge.how(money.write)}", charge.amount, tally=APPLIED)
    item.says(f"{charge.invoice}: {words}", would=f"Would apply to {charge.invoice}: {words}")
