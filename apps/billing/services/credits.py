"""Account credit: money and rewards that wait for the next invoice.

Every movement is a row (``AccountCredit``); ``BillingAccount.credit_minor`` is their sum and
moves in the same transaction, so that the database refuses to spend more than there is.
Amounts are in minor units of the account's currency. Credit is used oldest first and counts
as paid on the day it came in.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Now

from apps.audit.services import record
from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    Payment,
    PaymentAllocation,
)
from apps.billing.services.statuses import (
    lock_account,
    lock_invoice,
    lock_invoices,
    lock_open_invoices,
    save_settled,
)
from apps.core import batches, money
from apps.core.problems import Problem
from apps.firms.models import User

Kind = AccountCredit.Kind

# What stands on an invoice as applied credit: used for it, less what was returned from it.
# Returned rows with a payment are that payment's money and never were credit before.
ON_INVOICE = Q(kind__in=[Kind.APPLIED, Kind.RETURNED], payment=None)


@dataclass(frozen=True, slots=True)
class CreditDraft:
    """Credit to be granted to an account; ``effective_on`` is a local date."""

    account: BillingAccount
    amount_minor: int
    kind: AccountCredit.Kind
    effective_on: date
    note: str = ""
    payment: Payment | None = None
    invoice: Invoice | None = None


# ---- coming in ------------------------------------------------------------------------


def grant_credit(
    *,
    account: BillingAccount,
    amount_minor: int,
    kind: AccountCredit.Kind,
    effective_on: date,
    note: str = "",
    payment: Payment | None = None,
    invoice: Invoice | None = None,
) -> AccountCredit:
    """Give an account credit and return the movement."""
    draft = CreditDraft(account, amount_minor, kind, effective_on, note, payment, invoice)
    return grant_credits([draft])[0]


def grant_credits(drafts: Sequence[CreditDraft]) -> list[AccountCredit]:
    """Give many accounts credit and return the movements in the same order.

    Two statements for every 500. Raises ``Problem`` for an amount that is not positive.
    """
    for draft in drafts:
        if draft.amount_minor <= 0:
            raise Problem("Credit must be more than zero.")
        if draft.kind in {Kind.APPLIED, Kind.RETURNED, Kind.REVERSED}:
            raise Problem(f"Credit cannot be granted as {draft.kind}.")
    rows = [
        _movement(
            draft.account,
            draft.kind,
            draft.amount_minor,
            draft.effective_on,
            note=draft.note,
            payment=draft.payment,
            invoice=draft.invoice,
        )
        for draft in drafts
    ]
    with transaction.atomic(savepoint=False):
        return book(rows)


def book(rows: Sequence[AccountCredit]) -> list[AccountCredit]:
    """Write movements and move the accounts' sums by them, in the caller's transaction.

    What is added is the sum of these very rows: right also when another transaction moves
    the same account at the same time, and no slower for many different amounts.
    """
    for batch in batches.batched(rows):
        AccountCredit.objects.bulk_create(batch)
        moved = (
            AccountCredit.objects.filter(
                account=OuterRef("pk"), pk__in=[row.pk for row in batch]
            )
            .order_by()
            .values("account")
            .annotate(moved=Sum("amount_minor"))
            .values("moved")
        )
        accounts = {row.account_id for row in batch}
        BillingAccount.objects.filter(pk__in=accounts).update(
            credit_minor=F("credit_minor") + Subquery(moved), updated_at=Now()
        )
    return list(rows)


# ---- being used -----------------------------------------------------------------------


def use_credit(*, invoice: Invoice, today: date, now: datetime) -> int:
    """Use the account's credit for one invoice and return how much was used."""
    with transaction.atomic():
        return _use([lock_invoice(invoice)], today=today, now=now)


def apply_credit_oldest_first(*, account: BillingAccount, today: date, now: datetime) -> int:
    """Use an account's credit for its open invoices, first due first; return how much."""
    with transaction.atomic():
        lock_account(account.pk)
        return _use(lock_open_invoices(account.pk), today=today, now=now)


def _use(invoices: Sequence[Invoice], *, today: date, now: datetime) -> int:
    if not invoices:
        return 0
    purse = Purse([invoices[0].account_id])
    used = []
    for invoice in invoices:
        if invoice.status in Invoice.COLLECTABLE:
            amount = purse.spend(invoice, invoice.open_minor)
            if amount:
                invoice.credited_minor += amount
                used.append(invoice)
    save_settled(used, today=today, now=now)
    return -sum(row.amount_minor for row in purse.write())


@dataclass(order=True, slots=True)
class _Part:
    """What is left of credit that came in on a day."""

    on: date
    id: int
    left: int
    payment_id: int | None


class Purse:
    """The credit of some accounts, locked until the transaction ends, and what is spent of it.

    Three statements, however many accounts: their locks, their movements, and ``write``.
    """

    def __init__(self, account_ids: Iterable[int]) -> None:
        self._accounts = {
            account.pk: account
            for account in BillingAccount.objects.select_for_update(no_key=True)
            .filter(pk__in=set(account_ids), credit_minor__gt=0)
            .order_by("pk")
        }
        self._parts = self._replay() if self._accounts else {}
        self._spent: list[AccountCredit] = []

    def _replay(self) -> dict[int, list[_Part]]:
        """Return what is left of each movement that came in, oldest first."""
        parts: dict[int, list[_Part]] = defaultdict(list)
        rows = AccountCredit.objects.filter(account__in=self._accounts).order_by("pk")
        for pk, account, amount, on, payment in rows.values_list(
            "pk", "account_id", "amount_minor", "effective_on", "payment_id"
        ):
            if amount > 0:
                insort(parts[account], _Part(on, pk, amount, payment))
            else:
                _take(parts[account], -amount, payment)
        return parts

    def left_of(self, payment: Payment) -> int:
        """Return how much of a payment is still there as credit."""
        parts = self._parts.get(payment.account_id, [])
        return sum(part.left for part in parts if part.payment_id == payment.pk)

    def spend(self, invoice: Invoice, wanted: int) -> int:
        """Use up to ``wanted`` for an invoice, which may be unsaved, and return how much."""
        account = self._accounts.get(invoice.account_id)
        parts = self._parts.get(invoice.account_id, [])
        amount = min(wanted, sum(part.left for part in parts))
        if account is None or amount <= 0:
            return 0
        if account.currency != invoice.currency:
            raise Problem("Credit and invoice are in different currencies.")
        on = _take(parts, amount)
        self._spent.append(_movement(account, Kind.APPLIED, -amount, on, invoice=invoice))
        return amount

    def write(self) -> list[AccountCredit]:
        """Write what was spent; the invoices must have been saved by now."""
        spent, self._spent = self._spent, []
        return book(spent)


def _take(parts: list[_Part], amount: int, payment_id: int | None = None) -> date:
    """Take an amount out of parts, a payment's own first, then the oldest.

    Returns the day on which the newest part that was touched had come in.
    """
    own = [part for part in parts if payment_id and part.payment_id == payment_id]
    newest = date.min
    for part in [*own, *parts]:
        taken = min(part.left, amount)
        if taken:
            part.left -= taken
            amount -= taken
            newest = max(newest, part.on)
    if amount:
        raise Problem("An account's movements add up to less than nothing.")
    parts[:] = [part for part in parts if part.left]
    return newest


# ---- being taken back -------------------------------------------------------------------


def reverse_credit(
    *, credit: AccountCredit, today: date, actor: User | None = None, reason: str = ""
) -> AccountCredit:
    """Take granted credit back whole and return the movement; a second time changes nothing.

    Raises ``Problem`` when some of it has been used, and for a payment's money, which is
    refunded instead.
    """
    if credit.payment_id:
        raise Problem("This credit is a payment's money; refund the payment.")
    note = f"Reverses credit {credit.pk}"
    with transaction.atomic():
        account = lock_account(credit.account_id)
        before = AccountCredit.objects.filter(account=account, kind=Kind.REVERSED, note=note)
        if known := before.first():
            return known
        if credit.amount_minor <= 0:
            raise Problem("Only credit that came in can be reversed.")
        if account.credit_minor < credit.amount_minor:
            left = money.write_minor(account.credit_minor, account.currency)
            raise Problem(f"Only {left} of the account's credit is left.")
        row = _movement(account, Kind.REVERSED, -credit.amount_minor, today, note=note)
        book([row])
        record(
            "credit_reversed",
            credit,
            actor=actor,
            changes={"amount_minor": credit.amount_minor, "currency": credit.currency},
            reason=reason,
        )
    return row


def take_back(*, payment: Payment, amount_minor: int, today: date) -> None:
    """Take a payment's money out of the locked account's credit."""
    if amount_minor:
        row = _movement(payment.account, Kind.REVERSED, -amount_minor, today, payment=payment)
        book([row])


def return_to_account(invoice: Invoice, amount_minor: int) -> None:
    """Turn the newest money on a locked invoice into credit of its locked account.

    It keeps the day on which it was paid. The invoice's figures change in memory; the
    caller saves them.
    """
    allocations = invoice.allocations.select_related("payment")
    sources = sorted(
        [
            *((a.payment.effective_on, a.pk, a.amount_minor, a) for a in allocations),
            *((on, 0, amount, None) for on, amount in _applied(invoice)),
        ],
        key=lambda source: source[:2],
        reverse=True,
    )
    rows = []
    for on, _, there, allocation in sources:
        part = min(there, amount_minor)
        if part == 0:
            continue
        amount_minor -= part
        if allocation is None:
            invoice.credited_minor -= part
            rows.append(_returned(invoice, part, on))
        else:
            shrink(allocation, by=part)
            invoice.paid_minor -= part
            rows.append(_returned(invoice, part, on, payment=allocation.payment))
    if amount_minor:
        raise Problem(f"{invoice} has less money on it than was to be returned.")
    book(rows)


def reopen_credited(
    *, account: BillingAccount, amount_minor: int, today: date, now: datetime
) -> None:
    """Get applied credit back from a locked account's invoices, last due first."""
    credited = Invoice.objects.filter(account=account, credited_minor__gt=0)
    found = lock_invoices(credited)
    found.sort(key=lambda one: (one.due_date or date.max, one.pk), reverse=True)
    rows = []
    for invoice in found:
        for on, there in reversed(_applied(invoice)):
            part = min(there, amount_minor)
            if part:
                amount_minor -= part
                invoice.credited_minor -= part
                rows.append(_returned(invoice, part, on))
    if amount_minor:
        raise Problem("The account's credit does not add up.")
    book(rows)
    touched = {row.invoice_id for row in rows}
    save_settled((one for one in found if one.pk in touched), today=today, now=now)


def shrink(allocation: PaymentAllocation, *, by: int) -> None:
    """Make an allocation smaller, or let it go."""
    allocation.amount_minor -= by
    if allocation.amount_minor:
        allocation.save(update_fields=["amount_minor", "updated_at"])
    else:
        allocation.delete()


def _applied(invoice: Invoice) -> list[tuple[date, int]]:
    """Return the credit that stands on an invoice by the day it came in, oldest first."""
    rows: QuerySet[AccountCredit] = invoice.credits.filter(ON_INVOICE).order_by("effective_on")
    by_day: dict[date, int] = defaultdict(int)
    for on, amount in rows.values_list("effective_on", "amount_minor"):
        by_day[on] -= amount
    return [(on, amount) for on, amount in by_day.items() if amount]


def _returned(
    invoice: Invoice, amount: int, on: date, *, payment: Payment | None = None
) -> AccountCredit:
    account = invoice.account
    return _movement(account, Kind.RETURNED, amount, on, invoice=invoice, payment=payment)


def _movement(
    account: BillingAccount,
    kind: AccountCredit.Kind,
    amount: int,
    on: date,
    *,
    note: str = "",
    payment: Payment | None = None,
    invoice: Invoice | None = None,
) -> AccountCredit:
    return AccountCredit(
        firm_id=account.firm_id,
        account=account,
        amount_minor=amount,
        currency=account.currency,
        kind=kind,
        payment=payment,
        invoice=invoice,
        effective_on=on,
        note=note,
    )
