"""Corrections: an issued invoice keeps its lines; what changes is appended (spec C-15).

Amounts are in minor units of the invoice's currency. ``today`` is the local day where the
invoice is. Functions about one invoice lock it and its account and return it as it is now;
the instance passed in is not brought up to date.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, F, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from apps.audit.services import record
from apps.billing.models import Invoice, InvoiceLine, PaymentAttempt
from apps.billing.services.credits import return_to_account
from apps.billing.services.issuing import LINE_COLUMNS, LineDraft, line_row
from apps.billing.services.statuses import lock_invoice, save_settled, settle
from apps.core import batches, bulk, money
from apps.core.problems import Problem
from apps.firms.models import User

Status = Invoice.Status
Autopay = Invoice.Autopay


@dataclass(frozen=True, slots=True)
class LineAddition:
    """A line to be appended to an issued invoice on a local day."""

    invoice: Invoice
    line: LineDraft
    today: date


# ---- lines ----------------------------------------------------------------------------


def add_lines(*, additions: Sequence[LineAddition], now: datetime) -> list[int]:
    """Append lines to issued invoices and return the lines' keys, in the same order.

    Two statements for every 500 lines. The caller has locked the invoices
    (``select_for_update``) and passes them as read behind the lock; they are brought up to
    date in memory. Amounts must be positive: ``credit_line`` takes away. Writes no audit
    event: the caller knows why.
    """
    for addition in additions:
        if addition.line.amount_minor <= 0:
            raise Problem("An added line must be more than zero.")
        _check_issued(addition.invoice)
    keys: list[int] = []
    with transaction.atomic(savepoint=False):
        for batch in batches.batched(additions):
            keys += bulk.insert(
                InvoiceLine,
                (*LINE_COLUMNS, "added_after_issue"),
                ((*line_row(added.invoice, added.line), True) for added in batch),
            )
            by_status: dict[str, list[int]] = defaultdict(list)
            for invoice in _grown(batch, now=now):
                by_status[invoice.status].append(invoice.pk)
            for status, pks in by_status.items():
                _rewrite(pks, status, now=now)
    return keys


def credit_line(
    *,
    invoice: Invoice,
    amount_minor: int,
    description: str,
    today: date,
    now: datetime,
    kind: InvoiceLine.Kind = InvoiceLine.Kind.CREDIT,
    actor: User | None = None,
    reason: str = "",
) -> InvoiceLine:
    """Append a line that takes ``amount_minor`` (positive) off an invoice, and return it.

    With ``kind=LATE_FEE`` a late fee is waived: it comes off the late fees, any other kind
    off the principal, neither below zero. What was paid too much by now becomes account
    credit, the newest money first.
    """
    with transaction.atomic():
        invoice = lock_invoice(invoice)
        _check_issued(invoice)
        waives = kind == InvoiceLine.Kind.LATE_FEE
        principal = invoice.total_minor - invoice.late_fees_minor
        most = invoice.late_fees_minor if waives else principal
        if not 0 < amount_minor <= most:
            written = money.write_minor(most, invoice.currency)
            raise Problem(f"Only {written} of {invoice} can be credited.")
        line = InvoiceLine.objects.create(
            firm_id=invoice.firm_id,
            invoice=invoice,
            kind=kind,
            description=description,
            unit_minor=-amount_minor,
            amount_minor=-amount_minor,
            added_after_issue=True,
        )
        _grow(invoice, line)
        invoice.revision += 1
        surplus = -invoice.open_minor
        if surplus > 0:
            return_to_account(invoice, surplus)
        save_settled([invoice], today=today, now=now, also=LINE_FIGURES)
        record(
            "invoice_credited",
            invoice,
            actor=actor,
            changes={"amount_minor": amount_minor, "line": line.pk, "kind": kind.value},
            reason=reason,
        )
    return line


# ---- the whole invoice ------------------------------------------------------------------


def void_invoice(
    *, invoice: Invoice, actor: User | None, reason: str, today: date, now: datetime
) -> Invoice:
    """Void an invoice; what was paid on it becomes account credit.

    Its number and its billing claim stay, so that no job ever bills the same again (spec
    D1). Raises ``Problem`` for one that is void already, or is being charged.
    """
    with transaction.atomic():
        invoice = lock_invoice(invoice)
        if invoice.status == Status.VOID:
            raise Problem(f"{invoice} is void already.")
        _check_not_being_charged(invoice)
        returned = invoice.paid_minor + invoice.credited_minor
        return_to_account(invoice, returned)
        _close(invoice, Status.VOID, actor, reason, today, now, returned_minor=returned)
    return invoice


def write_off(
    *, invoice: Invoice, actor: User | None, reason: str, today: date, now: datetime
) -> Invoice:
    """Give up what is owed on an invoice; what was paid on it stays paid.

    Raises ``Problem`` when nothing is owed on it, or it is being charged.
    """
    with transaction.atomic():
        invoice = lock_invoice(invoice)
        if invoice.status not in Invoice.COLLECTABLE:
            raise Problem(f"Nothing is owed on {invoice}; it is {invoice.status}.")
        _check_not_being_charged(invoice)
        lost = invoice.open_minor
        _close(invoice, Status.WRITTEN_OFF, actor, reason, today, now, lost_minor=lost)
    return invoice


# ---- leaving it alone -------------------------------------------------------------------


def open_dispute(*, invoice: Invoice, actor: User | None, reason: str) -> Invoice:
    """Note that a customer disputes an invoice: no late fees and no reminders meanwhile."""
    return _flag(invoice, "invoice_disputed", {"in_dispute": True}, actor, reason)


def close_dispute(*, invoice: Invoice, actor: User | None, reason: str) -> Invoice:
    """Note that a dispute about an invoice is over."""
    return _flag(invoice, "invoice_dispute_closed", {"in_dispute": False}, actor, reason)


def pause_dunning(
    *, invoice: Invoice, until: date | None, actor: User | None, reason: str
) -> Invoice:
    """Pause late fees and reminders through a local day, or with ``None`` no longer."""
    changes = {"dunning_paused_until": until}
    return _flag(invoice, "invoice_dunning_paused", changes, actor, reason)


# ---- inside ---------------------------------------------------------------------------

LINE_FIGURES = ("subtotal_minor", "tax_minor", "total_minor", "late_fees_minor", "revision")


def _check_issued(invoice: Invoice) -> None:
    if invoice.status in Invoice.BY_HAND:
        raise Problem(f"{invoice} is {invoice.get_status_display()}; its lines stay.")


def _check_not_being_charged(invoice: Invoice) -> None:
    """Refuse to end an invoice while a bank is asked for its money."""
    if invoice.attempts.filter(status__in=PaymentAttempt.OPEN).exists():
        raise Problem(f"A charge of {invoice} is under way; wait for its outcome.")


def _grow(invoice: Invoice, line: InvoiceLine | LineDraft) -> None:
    """Bring an invoice's figures up to date in memory with one more line."""
    invoice.total_minor += line.amount_minor
    if line.kind == InvoiceLine.Kind.TAX:
        invoice.tax_minor += line.amount_minor
    else:
        invoice.subtotal_minor += line.amount_minor
    if line.kind == InvoiceLine.Kind.LATE_FEE:
        invoice.late_fees_minor += line.amount_minor


def _grown(batch: Sequence[LineAddition], *, now: datetime) -> Collection[Invoice]:
    """Bring the invoices of a batch up to date in memory."""
    invoices: dict[int, Invoice] = {}
    for addition in batch:
        invoice = invoices.setdefault(addition.invoice.pk, addition.invoice)
        _grow(invoice, addition.line)
        settle(invoice, today=addition.today, now=now)
    for invoice in invoices.values():
        invoice.revision += 1
    return invoices.values()


def _rewrite(pks: Sequence[int], status: str, *, now: datetime) -> None:
    """Write the figures of invoices that have got lines and come to the same status.

    Totals are sums of lines (spec A3.4), so the database adds them up itself: one statement
    without any figure in it. ``bulk_update`` would be far slower: it names every figure.
    """
    tax, late_fee = InvoiceLine.Kind.TAX, InvoiceLine.Kind.LATE_FEE
    lines = InvoiceLine.objects.filter(invoice=OuterRef("pk"))
    written = (
        Invoice.objects.filter(pk__in=pks)
        .exclude(status__in=Invoice.BY_HAND)
        .update(
            subtotal_minor=_sum(lines.exclude(kind=tax)),
            tax_minor=_sum(lines.filter(kind=tax)),
            total_minor=_sum(lines),
            late_fees_minor=_sum(lines.filter(kind=late_fee)),
            revision=F("revision") + 1,
            status=status,
            paid_at=None,  # something has become due
            updated_at=now,
        )
    )
    if written != len(pks):
        raise Problem("An invoice was closed meanwhile.")


def _sum(lines: "QuerySet[InvoiceLine]") -> Coalesce:
    added = lines.order_by().values("invoice").annotate(added=Sum("amount_minor"))
    return Coalesce(Subquery(added.values("added")), Value(0, BigIntegerField()))


def _close(
    invoice: Invoice,
    status: Invoice.Status,
    actor: User | None,
    reason: str,
    today: date,
    now: datetime,
    **changes: int,
) -> None:
    """End an invoice by hand, and whatever was planned to be charged for it."""
    before = invoice.status
    invoice.status = status
    invoice.closed_on = today
    invoice.autopay_next_charge_at = None
    if invoice.autopay_status in {Autopay.SCHEDULED, Autopay.RETRYING, Autopay.NEEDS_ACTION}:
        invoice.autopay_status = Autopay.CANCELLED
    save_settled(
        [invoice],
        today=today,
        now=now,
        also=("closed_on", "autopay_next_charge_at", "autopay_status"),
    )
    record(
        f"invoice_{status.value}",
        invoice,
        actor=actor,
        changes={"status": [before, status.value], **changes},
        reason=reason,
    )


def _flag(
    invoice: Invoice,
    action: str,
    changes: dict[str, Any],
    actor: User | None,
    reason: str,
) -> Invoice:
    with transaction.atomic():
        invoice = lock_invoice(invoice)
        for name, value in changes.items():
            setattr(invoice, name, value)
        invoice.save(update_fields=[*changes, "updated_at"])
        written = {k: v.isoformat() if isinstance(v, date) else v for k, v in changes.items()}
        record(action, invoice, actor=actor, changes=written, reason=reason)
    return invoice
