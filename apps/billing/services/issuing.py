"""Issue invoices: number, lines, credit and status, many at once.

The number of statements depends on the number of calls, not of invoices. An invoice may be
held back as a draft: it has its lines, but no number, no credit and no say until a person
issues it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter

from django.db import transaction

from apps.audit.services import record
from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    InvoiceLine,
    NumberSequence,
)
from apps.billing.services.credits import CreditDraft, Purse, grant_credits
from apps.billing.services.statuses import lock_invoice, save_settled
from apps.core import bulk, days
from apps.core.problems import Problem
from apps.firms.models import FirmSettings, User

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class LineDraft:
    """A line to be written; ``amount_minor`` is rounded already, once."""

    kind: InvoiceLine.Kind
    description: str
    amount_minor: int
    unit_minor: int | None = None  # None: the amount, times one
    quantity: Decimal = ONE
    period_start: date | None = None
    period_end: date | None = None


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """An invoice to be issued to an account, in the account's currency."""

    account: BillingAccount
    kind: Invoice.Kind
    lines: Sequence[LineDraft]
    issue_date: date
    due_date: date
    contractual_due_date: date | None = None
    period_start: date | None = None
    period_end: date | None = None
    autopay: bool = False
    autopay_charge_at: datetime | None = None  # None: with the next charging run
    held_back: bool = False  # as a draft, until ``issue_draft``


def lock_numbering(firm_ids: Iterable[int]) -> None:
    """Let one run at a time issue for these firms, until the transaction ends.

    Only an optimisation (spec A5.2): a second run waits here and then sees what the first
    has written, instead of failing on a unique constraint and doing its batch again.
    """
    rows = NumberSequence.objects.select_for_update().filter(firm__in=set(firm_ids))
    list(rows.order_by("pk").values_list("pk"))


def issue_invoices(drafts: Sequence[InvoiceDraft], *, now: datetime) -> list[Invoice]:
    """Issue invoices in the given order and return them.

    Each gets the next number of its firm's series for the year of its issue date, from a
    locked row in this transaction: no gaps, no doubles, and a rollback returns the numbers.
    Account credit is used at once, oldest first. A total of zero is ``paid`` at once; a
    concession larger than the charges becomes account credit (spec A3.7). One that is held
    back stays a draft, whose dates are only a plan, and uses nothing of all this.
    """
    issued = [draft for draft in drafts if not draft.held_back]
    numbers = iter(_next_numbers([(one.account.firm_id, one.issue_date) for one in issued]))
    purse = Purse(draft.account.pk for draft in issued)
    invoices, lines, concessions = [], [], []
    for draft in drafts:
        drafted = list(draft.lines)
        total = sum(line.amount_minor for line in drafted)
        if draft.held_back:
            invoices.append(_held_back(draft, total))
            lines.append(drafted)
            continue
        if total < 0:
            concession = AccountCredit.Kind.CONCESSION
            credit = CreditDraft(draft.account, -total, concession, draft.issue_date)
            concessions.append(credit)
            drafted.append(
                LineDraft(InvoiceLine.Kind.CREDIT, "Carried over to account credit", -total)
            )
            total = 0
        invoice = _unsaved(draft, total)
        invoice.number, invoice.sent_at = next(numbers), now
        invoice.credited_minor = purse.spend(invoice, total)
        _settle(invoice, draft, now)
        invoices.append(invoice)
        lines.append(drafted)
    _save(invoices)
    bulk.insert(
        InvoiceLine,
        LINE_COLUMNS,
        (
            line_row(invoice, draft)
            for invoice, drafted in zip(invoices, lines, strict=True)
            for draft in drafted
        ),
    )
    purse.write()
    grant_credits(concessions)
    return invoices


def issue_draft(*, invoice: Invoice, today: date, now: datetime, actor: User | None) -> Invoice:
    """Issue an invoice that was held back as a draft, on a local day, and return it.

    It is due as many days later as was planned. Raises ``Problem`` for any but a draft.
    """
    with transaction.atomic():
        lock_numbering([invoice.firm_id])  # first, as whoever issues many does
        invoice = lock_invoice(invoice)
        if invoice.status != Invoice.Status.DRAFT:
            raise Problem(f"{invoice} is {invoice.get_status_display().lower()}, no draft.")
        purse = Purse([invoice.account_id])
        invoice.credited_minor = purse.spend(invoice, invoice.total_minor)
        _begin(invoice, today)
        [invoice.number] = _next_numbers([(invoice.firm_id, today)])
        invoice.status, invoice.sent_at = Invoice.Status.SENT, now
        save_settled([invoice], today=today, now=now, also=_ISSUED)
        purse.write()
        changes = {"number": invoice.number, "total_minor": invoice.total_minor}
        record("invoice_issued", invoice, actor=actor, changes=changes)
    return invoice


_ISSUED = (
    "number", "sent_at", "issue_date", "due_date", "contractual_due_date", "autopay_opt_in",
    "autopay_status", "autopay_next_charge_at",
)  # fmt: skip


def _begin(draft: Invoice, today: date) -> None:
    """Let a draft's plan, of dates and of charging a card, begin today."""
    if draft.issue_date and draft.due_date:
        draft.due_date = draft.contractual_due_date = today + (
            draft.due_date - draft.issue_date
        )
    draft.issue_date = today
    if draft.open_minor == 0:
        draft.autopay_opt_in, draft.autopay_next_charge_at = False, None
    if draft.autopay_opt_in:
        draft.autopay_status = Invoice.Autopay.SCHEDULED
        if draft.autopay_next_charge_at and draft.due_date:
            zone = draft.firm.timezone
            draft.autopay_next_charge_at = days.local_midnight(draft.due_date, zone)


def _next_numbers(wanted_for: Sequence[tuple[int, date]]) -> list[str]:
    """Return the next number for each firm and issue date, in the order given."""
    prefixes = dict(
        FirmSettings.objects.filter(firm__in={firm for firm, _ in wanted_for}).values_list(
            "firm_id", "invoice_prefix"
        )
    )
    keys = [(firm, prefixes.get(firm, "INV"), on.year) for firm, on in wanted_for]
    wanted = Counter(keys)
    NumberSequence.objects.bulk_create(
        (NumberSequence(firm_id=f, series=s, year=y) for f, s, y in sorted(wanted)),
        ignore_conflicts=True,
    )
    locked = (
        NumberSequence.objects.select_for_update()
        .filter(
            firm__in={key[0] for key in wanted},
            series__in={key[1] for key in wanted},
            year__in={key[2] for key in wanted},
        )
        .order_by("pk")
    )
    sequences = {(row.firm_id, row.series, row.year): row for row in locked}
    numbers = []
    for key in keys:
        row = sequences[key]
        numbers.append(f"{row.series}-{row.year}-{row.next_number:03d}")
        row.next_number += 1
    NumberSequence.objects.bulk_update([sequences[key] for key in wanted], ["next_number"])
    return numbers


def _held_back(draft: InvoiceDraft, total: int) -> Invoice:
    if total < 0:
        raise Problem("An invoice that is held back cannot be below zero.")
    invoice = _unsaved(draft, total)
    invoice.status = Invoice.Status.DRAFT
    if draft.autopay:
        invoice.autopay_opt_in = True
        invoice.autopay_next_charge_at = draft.autopay_charge_at
    return invoice


def _unsaved(draft: InvoiceDraft, total: int) -> Invoice:
    account = draft.account
    tax = sum(one.amount_minor for one in draft.lines if one.kind == InvoiceLine.Kind.TAX)
    return Invoice(
        firm_id=account.firm_id,
        account=account,
        kind=draft.kind,
        period_start=draft.period_start,
        period_end=draft.period_end,
        currency=account.currency,
        subtotal_minor=total - tax,
        tax_minor=tax,
        total_minor=total,
        late_fees_minor=sum(
            line.amount_minor for line in draft.lines if line.kind == InvoiceLine.Kind.LATE_FEE
        ),
        status=Invoice.Status.SENT,
        issue_date=draft.issue_date,
        due_date=draft.due_date,
        contractual_due_date=draft.contractual_due_date or draft.due_date,
    )


_COLUMNS = (
    "firm", "account", "number", "kind", "period_start", "period_end", "currency",
    "subtotal_minor", "tax_minor", "total_minor", "late_fees_minor", "credited_minor",
    "status", "issue_date", "due_date", "contractual_due_date", "sent_at", "paid_at",
    "autopay_opt_in", "autopay_status", "autopay_next_charge_at",
)  # fmt: skip
_read = attrgetter(*("firm_id", "account_id", *_COLUMNS[2:]))


def _save(invoices: Sequence[Invoice]) -> None:
    """Insert the invoices and let the instances know their keys."""
    keys = bulk.insert(Invoice, _COLUMNS, map(_read, invoices))
    for invoice, key in zip(invoices, keys, strict=True):
        invoice.pk, invoice._state.adding = key, False


def _settle(invoice: Invoice, draft: InvoiceDraft, now: datetime) -> None:
    """Set what follows from the figures: status, and the plan to charge a card."""
    invoice.status = invoice.status_on(draft.issue_date)
    if invoice.status == Invoice.Status.PAID:
        invoice.paid_at = now
    elif draft.autopay:
        invoice.autopay_opt_in = True
        invoice.autopay_status = Invoice.Autopay.SCHEDULED
        invoice.autopay_next_charge_at = draft.autopay_charge_at


LINE_COLUMNS = (
    "firm", "invoice", "kind", "description", "quantity", "unit_minor", "amount_minor",
    "period_start", "period_end",
)  # fmt: skip


def line_row(invoice: Invoice, draft: LineDraft) -> tuple[object, ...]:
    """Return a line as a row of ``LINE_COLUMNS``."""
    unit = draft.amount_minor if draft.unit_minor is None else draft.unit_minor
    return (
        invoice.firm_id, invoice.pk, draft.kind, draft.description, draft.quantity, unit,
        draft.amount_minor, draft.period_start, draft.period_end,
    )  # fmt: skip
