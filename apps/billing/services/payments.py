"""Money that customers pay: recording, settling, giving back.

Amounts are in minor units of the account's currency. Every function locks the account
first, so that two payments on one invoice never cover more than it claims; what is too much
becomes account credit. ``today`` is the local day where the account's invoices are.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from django.db import transaction
from django.db.models import Sum

from apps.audit.services import record
from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    Payment,
    PaymentAllocation,
    PaymentAttempt,
    Refund,
)
from apps.billing.services.credits import (
    ON_INVOICE,
    Purse,
    grant_credit,
    reopen_credited,
    shrink,
    take_back,
)
from apps.billing.services.statuses import (
    lock_account,
    lock_invoices,
    lock_open_invoices,
    lock_payment,
    save_settled,
)
from apps.core import money
from apps.core.problems import Problem
from apps.firms.models import User

Status = Payment.Status

RECEIVED = (Status.SUCCEEDED, Status.PARTIALLY_REFUNDED)
ARRIVED = (*RECEIVED, Status.DISPUTED)  # the money is here, ours or not


def record_payment(
    *,
    account: BillingAccount,
    amount_minor: int,
    method: Payment.Method,
    effective_on: date,
    now: datetime,
    today: date,
    invoices: Sequence[Invoice] | None = None,
    status: Payment.Status = Status.SUCCEEDED,
    gateway: str = "",
    gateway_ref: str = "",
    attempt: PaymentAttempt | None = None,
    note: str = "",
) -> Payment:
    """Record a payment and cover invoices with it, in the order given or first due first.

    What no invoice needs becomes account credit. A ``pending`` payment covers nothing until
    ``settle_payment``. ``effective_on`` is the local date on which the payer paid (a bank
    debit's: was initiated). The same gateway reference again returns the payment as it is.
    """
    if amount_minor <= 0:
        raise Problem("A payment must be more than zero.")
    if status not in {Status.SUCCEEDED, Status.PENDING}:
        raise Problem(f"A payment cannot be recorded as {status}.")
    with transaction.atomic():
        locked = lock_account(account.pk)
        if gateway_ref:
            # SQLite uses a partial index only for a query that names its condition.
            before = Payment.objects.exclude(gateway_ref="").filter(gateway=gateway)
            if known := before.filter(gateway_ref=gateway_ref).first():
                return _same(known, locked, amount_minor)
        payment = Payment.objects.create(
            firm_id=locked.firm_id,
            account=locked,
            amount_minor=amount_minor,
            currency=locked.currency,
            method=method,
            status=status,
            gateway=gateway,
            gateway_ref=gateway_ref,
            attempt=attempt,
            effective_on=effective_on,
            initiated_at=now,
            settled_at=now if status == Status.SUCCEEDED else None,
            note=note,
        )
        if status == Status.SUCCEEDED:
            _allocate(payment, invoices, today=today, now=now)
    return payment


def settle_payment(
    *,
    payment: Payment,
    now: datetime,
    today: date,
    invoices: Sequence[Invoice] | None = None,
) -> Payment:
    """Take in a pending payment: it arrived; one that already has stays as it is.

    Raises ``Problem`` for one that failed.
    """
    with transaction.atomic():
        payment = _locked(payment)
        if payment.status == Status.FAILED:
            raise Problem("A failed payment cannot be settled.")
        if payment.status == Status.PENDING:
            payment.settled_at = now
            _become(payment, Status.SUCCEEDED)
            _allocate(payment, invoices, today=today, now=now)
    return payment


def fail_payment(*, payment: Payment) -> Payment:
    """Give up a pending payment: it never arrived; one that failed before stays as it is.

    Raises ``Problem`` for one that had arrived; that one is reversed.
    """
    with transaction.atomic():
        payment = _locked(payment)
        if payment.status not in {Status.PENDING, Status.FAILED}:
            raise Problem("This payment has arrived; reverse it instead.")
        if payment.status == Status.PENDING:
            _become(payment, Status.FAILED)
    return payment


def refund_payment(
    *,
    payment: Payment,
    now: datetime,
    today: date,
    amount_minor: int | None = None,
    actor: User | None = None,
    reason: str = "",
) -> Payment:
    """Record that a payment, or ``amount_minor`` of it, was given back to the payer.

    First goes what is left of it as credit, then what covers invoices, newest first; they
    are open again. Raises ``Problem`` for more than is left, and when some of it was used as
    credit: then that invoice must be settled first.
    """
    with transaction.atomic():
        payment = _locked(payment)
        if payment.status not in ARRIVED:
            raise Problem(f"A {payment.get_status_display()} payment cannot be refunded.")
        left = payment.amount_minor - given_back(payment)
        amount = left if amount_minor is None else amount_minor
        if not 0 < amount <= left:
            raise Problem(f"Only {_written(left, payment)} of this payment can be refunded.")
        credit = min(amount, Purse([payment.account_id]).left_of(payment))
        take_back(payment=payment, amount_minor=credit, today=today)
        short = _uncover(payment, amount - credit, today=today, now=now)
        if short:
            raise Problem(
                f"{_written(short, payment)} of this payment was used as credit "
                "and cannot be taken back."
            )
        Refund.objects.create(
            firm_id=payment.firm_id, payment=payment, amount_minor=amount, effective_on=today
        )
        if amount == left:
            _become(payment, Status.REFUNDED)
        elif payment.status != Status.DISPUTED:  # what is left of it is asked back still
            _become(payment, Status.PARTIALLY_REFUNDED)
        _note("payment_refunded", payment, amount, actor, reason)
    return payment


def reverse_payment(
    *,
    payment: Payment,
    now: datetime,
    today: date,
    actor: User | None = None,
    reason: str = "",
) -> Payment:
    """Take a payment back that the bank took back (a bounced check, a returned debit).

    Everything it paid for is open again, also what was paid with the credit that came from
    it: the account's credit goes first, then invoices paid by credit, last due first. One
    that had failed stays as it is.
    """
    with transaction.atomic():
        payment = _locked(payment)
        if payment.status == Status.FAILED:
            return payment
        amount = 0
        if payment.status != Status.PENDING:
            amount = payment.amount_minor - given_back(payment)
            _uncover(payment, amount, today=today, now=now)
            _reclaim(payment, today=today, now=now)
        _become(payment, Status.FAILED)
        _note("payment_reversed", payment, amount, actor, reason)
    return payment


def dispute_payment(*, payment: Payment) -> Payment:
    """Note that the payer's bank asks a payment back; what it covers stays covered."""
    return _move(payment, RECEIVED, Status.DISPUTED)


def keep_payment(*, payment: Payment) -> Payment:
    """Note that a disputed payment is ours after all."""
    back = Status.PARTIALLY_REFUNDED if given_back(payment) else Status.SUCCEEDED
    return _move(payment, (Status.DISPUTED,), back)


def given_back(payment: Payment) -> int:
    """Return what of a received payment was refunded, in minor units.

    That is what neither covers an invoice nor became credit.
    """
    covering = payment.allocations.aggregate(covers=Sum("amount_minor"))["covers"] or 0
    return payment.amount_minor - covering - _as_credit(payment)


def principal_covered_on(
    invoice_ids: Collection[int], *, but_for: Mapping[int, int] | None = None
) -> dict[int, date | None]:
    """Return the local date on which each invoice's principal was covered, None if it is not.

    Counted are payments that arrived, by the day the payer paid, and credit, by the day it
    came in; late fees do not matter (spec D24). An invoice without principal counts as
    covered on its issue date. ``but_for`` says how much may be missing, by invoice, in minor
    units. Three statements, however many invoices.
    """
    spared = but_for or {}
    money_in: dict[int, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    allocations = PaymentAllocation.objects.filter(
        invoice__in=invoice_ids, payment__status__in=RECEIVED
    ).values_list("invoice_id", "payment__effective_on", "amount_minor")
    credits = AccountCredit.objects.filter(ON_INVOICE, invoice__in=invoice_ids)
    for invoice, on, amount in allocations:
        money_in[invoice][on] += amount
    for used, on, amount in credits.values_list("invoice_id", "effective_on", "amount_minor"):
        if used is not None:
            money_in[used][on] -= amount
    claims = Invoice.objects.filter(pk__in=invoice_ids).values_list(
        "pk", "total_minor", "late_fees_minor", "issue_date"
    )
    return {
        pk: _day_covered(money_in[pk], total - late_fees - spared.get(pk, 0))
        if total > late_fees
        else issued
        for pk, total, late_fees, issued in claims
    }


# ---- inside ---------------------------------------------------------------------------


def _day_covered(money_in: dict[date, int], principal: int) -> date | None:
    covered = 0
    for on in sorted(money_in):
        covered += money_in[on]
        if covered >= principal:
            return on
    return None


def _same(known: Payment, account: BillingAccount, amount_minor: int) -> Payment:
    if (known.account_id, known.amount_minor) != (account.pk, amount_minor):
        raise Problem("This gateway reference belongs to another payment.")
    return known


def _locked(payment: Payment) -> Payment:
    account = lock_account(payment.account_id)
    payment = lock_payment(payment.pk)
    payment.account = account
    return payment


def _move(
    payment: Payment, before: Collection[Payment.Status], after: Payment.Status
) -> Payment:
    with transaction.atomic():
        payment = _locked(payment)
        if payment.status in before:
            _become(payment, after)
    return payment


def _become(payment: Payment, status: Payment.Status) -> None:
    payment.status = status
    payment.save(update_fields=["status", "settled_at", "updated_at"])


def _allocate(
    payment: Payment,
    invoices: Sequence[Invoice] | None,
    *,
    today: date,
    now: datetime,
) -> None:
    """Cover invoices with the payment; the rest becomes credit of its locked account."""
    if invoices is None:
        targets = lock_open_invoices(payment.account_id)
    else:
        targets = _lock_given(payment, invoices)
    left = payment.amount_minor
    covered, rows = [], []
    for invoice in targets:
        part = min(left, invoice.open_minor)
        if part > 0:
            left -= part
            invoice.paid_minor += part
            covered.append(invoice)
            rows.append(
                PaymentAllocation(
                    firm_id=payment.firm_id,
                    payment=payment,
                    invoice=invoice,
                    amount_minor=part,
                )
            )
    PaymentAllocation.objects.bulk_create(rows)
    save_settled(covered, today=today, now=now)
    if left:
        early = invoices is None and not targets
        grant_credit(
            account=payment.account,
            amount_minor=left,
            kind=AccountCredit.Kind.PREPAYMENT if early else AccountCredit.Kind.SURPLUS,
            effective_on=payment.effective_on,
            payment=payment,
        )


def _lock_given(payment: Payment, invoices: Sequence[Invoice]) -> list[Invoice]:
    """Lock the given invoices and return those that are still open, in the order given."""
    given = [invoice.pk for invoice in invoices]
    of_account = Invoice.objects.filter(pk__in=given, account=payment.account_id)
    found = {invoice.pk: invoice for invoice in lock_invoices(of_account)}
    if len(found) != len(set(given)):
        raise Problem("The invoice belongs to another account.")
    return [found[pk] for pk in dict.fromkeys(given) if found[pk].status in Invoice.COLLECTABLE]


def _uncover(payment: Payment, amount: int, *, today: date, now: datetime) -> int:
    """Take up to ``amount`` of a payment off its invoices, newest first; return the rest."""
    if not amount:
        return 0
    on_invoices = Invoice.objects.filter(allocations__payment=payment)
    # Two steps: PostgreSQL locks no rows of a query with DISTINCT or a join.
    pks = list(on_invoices.values_list("pk", flat=True))
    locked = {one.pk: one for one in lock_invoices(Invoice.objects.filter(pk__in=pks))}
    touched = []
    for allocation in payment.allocations.order_by("-pk"):
        part = min(allocation.amount_minor, amount)
        if part == 0:
            break
        amount -= part
        invoice = locked[allocation.invoice_id]
        invoice.paid_minor -= part
        touched.append(invoice)
        shrink(allocation, by=part)
    save_settled(touched, today=today, now=now)
    return amount


def _reclaim(payment: Payment, *, today: date, now: datetime) -> None:
    """Take back the credit that came from a payment, wherever it has gone."""
    came = _as_credit(payment)
    spent = max(0, came - payment.account.credit_minor)
    if spent:
        reopen_credited(account=payment.account, amount_minor=spent, today=today, now=now)
    take_back(payment=payment, amount_minor=came, today=today)


def _as_credit(payment: Payment) -> int:
    """Return how much of a payment became credit and was not taken back; maybe used since."""
    return payment.credits.aggregate(came=Sum("amount_minor"))["came"] or 0


def _written(minor: int, payment: Payment) -> str:
    return money.write_minor(minor, payment.currency)


def _note(action: str, payment: Payment, amount: int, actor: User | None, reason: str) -> None:
    record(
        action,
        payment,
        actor=actor,
        changes={"amount_minor": amount, "currency": payment.currency},
        reason=reason,
    )
