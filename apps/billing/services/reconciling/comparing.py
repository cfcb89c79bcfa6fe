"""What may differ between our books and the gateway, payment by payment (spec D3).

Nothing here asks anybody anything. Amounts are compared in the gateway's own unit, so that
¥5000 sent as 500000 cannot hide behind a conversion.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.db.models import TextChoices

from apps.billing.models import Invoice, Payment, PaymentAttempt
from apps.billing.services.gateways import PROVIDER
from apps.billing.services.payments import ARRIVED, RECEIVED
from apps.billing.services.reconciling.sides import (
    Entry,
    Remote,
    Side,
    is_ours,
    units,
)
from apps.core import money
from apps.core.problems import Problem
from apps.discrepancies.models import Discrepancy
from apps.discrepancies.services import Finding
from apps.firms.models import Firm
from apps.integrations.payments import Intent, IntentStatus
from apps.integrations.payments.amounts import from_gateway

STUCK = timedelta(days=7)
THERE = PROVIDER.label

Status = Payment.Status


class Mismatch(TextChoices):
    REMOTE_PAID_LOCAL_UNPAID = "remote_paid_local_unpaid"
    LOCAL_PAID_REMOTE_NOT_PAID = "local_paid_remote_not_paid"
    AMOUNT_MISMATCH = "amount_mismatch"
    CURRENCY_MISMATCH = "currency_mismatch"
    REFUND_NOT_RECORDED = "refund_not_recorded"
    DISPUTE_NOT_RECORDED = "dispute_not_recorded"
    DUPLICATE_PAYMENT = "duplicate_payment"
    UNKNOWN_INVOICE = "unknown_invoice"
    STUCK_PROCESSING = "stuck_processing"
    WRONG_FIRM = "wrong_firm"
    LIVEMODE_MISMATCH = "livemode_mismatch"

    @property
    def severity(self) -> Discrepancy.Severity:
        """Critical is what the platform's operators must know at once."""
        if self in {Mismatch.DUPLICATE_PAYMENT, Mismatch.WRONG_FIRM}:
            return Discrepancy.Severity.CRITICAL
        if self in {Mismatch.UNKNOWN_INVOICE, Mismatch.STUCK_PROCESSING}:
            return Discrepancy.Severity.WARNING
        return Discrepancy.Severity.ERROR

    @property
    def can_be_repaired(self) -> bool:
        """Whether an event that never came would have put it right."""
        return self in {
            Mismatch.REMOTE_PAID_LOCAL_UNPAID,
            Mismatch.REFUND_NOT_RECORDED,
            Mismatch.DISPUTE_NOT_RECORDED,
        }


def compare(remote: Remote, entry: Entry, side: Side) -> Iterator[Finding]:
    """Yield what differs about one payment that the gateway knows."""
    intent = remote.intent
    if not is_ours(intent, entry):
        return
    if intent.livemode != side.livemode:
        yield _finding(
            Mismatch.LIVEMODE_MISMATCH,
            intent.id,
            entry,
            f"a {_mode(intent.livemode)} payment in {THERE} ({intent.id})",
            f"the account here is a {_mode(side.livemode)} one",
        )
    elif elsewhere := _of_another_firm(intent, entry, side.firm):
        yield _finding(
            Mismatch.WRONG_FIRM,
            intent.id,
            entry,
            f"in this firm's {THERE} account ({intent.id})",
            elsewhere,
        )
    elif intent.status == IntentStatus.SUCCEEDED:
        yield from _paid_there(remote, entry)
    else:
        since = intent.created_at
        yield from _not_paid_there(intent.id, _words(intent.status), since, entry, side)


def compare_missing(reference: str, entry: Entry, side: Side) -> Iterator[Finding]:
    """Yield what differs about a payment of our books that the gateway does not know."""
    since = entry.payment.initiated_at if entry.payment else side.now
    yield from _not_paid_there(reference, "unknown", since, entry, side)


def paid_twice(invoice: Invoice, kept: Mapping[str, int]) -> Iterator[Finding]:
    """Yield a finding when payments of one invoice together are more than it claims.

    ``kept`` is what is left of each, by reference. Two that add up to the invoice are
    instalments.
    """
    total = units(invoice.total_minor, invoice.currency)
    if len(kept) > 1 and total is not None and sum(kept.values()) > total:
        references = sorted(kept)
        paid = _written(sum(kept.values()), invoice.currency)
        yield _finding(
            Mismatch.DUPLICATE_PAYMENT,
            " ".join(references),
            Entry(invoice=invoice),
            f"paid {len(kept)} times in {THERE} ({paid} by {' and '.join(references)})",
            _over(invoice),
        )


# ---- paid there -----------------------------------------------------------------------------


def _paid_there(remote: Remote, entry: Entry) -> Iterator[Finding]:
    intent, payment, invoice = remote.intent, entry.payment, entry.invoice
    if payment is None and invoice is None:
        if remote.kept:
            number = intent.named("invoice")
            yield _finding(
                Mismatch.UNKNOWN_INVOICE,
                intent.id,
                entry,
                f"paid in {THERE} ({_written(remote.kept, intent.currency)})"
                + (f" for invoice {number}" if number is not None else ""),
                "there is no such invoice here",
            )
        return
    ours = payment or invoice
    assert ours is not None
    if payment is None and not remote.kept:
        return  # nothing of it is left to be recorded
    if intent.currency.upper() != ours.currency.upper():
        yield _finding(
            Mismatch.CURRENCY_MISMATCH,
            intent.id,
            entry,
            f"paid in {intent.currency.upper()} in {THERE} ({_received(remote)})",
            f"it is in {ours.currency} here",
        )
    elif payment is None or payment.status == Status.PENDING:
        yield from _unrecorded(remote, entry)
    elif payment.status == Status.FAILED:
        if not intent.disputed:  # one that was lost is taken back here
            yield _unpaid_here(remote, entry)
    else:
        yield from _recorded(remote, entry, payment)


def _unrecorded(remote: Remote, entry: Entry) -> Iterator[Finding]:
    """A payment that never came into our books, if it is the one that was asked for."""
    received = remote.intent.received
    asked = entry.payment or entry.attempt
    if asked is not None and received != units(asked.amount_minor, asked.currency):
        local = f"{money.write(asked.amount)} was asked for"
        yield _other_amount(remote, entry, local)
    elif asked is None and entry.invoice is not None and _exceeds(received, entry.invoice):
        yield _other_amount(
            remote, entry, f"the invoice is over {money.write(entry.invoice.total)}"
        )
    else:
        yield _unpaid_here(remote, entry)


def _unpaid_here(remote: Remote, entry: Entry) -> Finding:
    unrecorded = entry.payment is None and entry.status == Invoice.Status.PAID
    return _finding(
        Mismatch.REMOTE_PAID_LOCAL_UNPAID,
        remote.intent.id,
        entry,
        f"paid in {THERE} ({_received(remote)})",
        "not recorded here" if unrecorded else f"local status is {entry.status}",
    )


def _recorded(remote: Remote, entry: Entry, payment: Payment) -> Iterator[Finding]:
    """A payment that both sides know as received: what went back of it, and disputes."""
    if remote.is_all_lost:
        yield _dispute(remote, entry, "dispute lost")
        return
    unheard = False
    if remote.is_disputed and payment.status in RECEIVED:
        unheard = True
        yield _dispute(remote, entry, "disputed")
    elif not remote.is_disputed and remote.disputes and payment.status == Status.DISPUTED:
        unheard = True
        yield _dispute(remote, entry, "dispute over")
    yield from _amounts(remote, entry, payment, lost=0 if unheard else remote.lost)


def _amounts(remote: Remote, entry: Entry, payment: Payment, *, lost: int) -> Iterator[Finding]:
    """Compare what was received and what went back; what counts is what is left.

    ``lost`` is what disputes have taken and our books should know.
    """
    received = remote.intent.received
    amount = units(payment.amount_minor, payment.currency)
    returned = units(entry.refunded_minor, payment.currency)
    written = money.write_minor(entry.refunded_minor, payment.currency)
    least = remote.refunded + lost
    most = remote.refunded + remote.refunding + remote.lost
    if amount is None or returned is None:  # the gateway cannot even say it
        yield _other_amount(remote, entry, f"{money.write(payment.amount)} is recorded")
    elif amount != received:
        if not received - most <= amount - returned <= received - least:
            local = f"{money.write(payment.amount)} is recorded"
            local += f", {written} of it refunded" * (returned > 0)
            yield _other_amount(remote, entry, local)
    elif returned > most:
        yield _other_amount(remote, entry, f"{written} of it is recorded as refunded")
    elif returned < least:
        short = returned >= remote.refunded
        went = _written(remote.lost if short else remote.refunded, payment.currency)
        yield _finding(
            Mismatch.DISPUTE_NOT_RECORDED if short else Mismatch.REFUND_NOT_RECORDED,
            remote.intent.id,
            entry,
            f"{went} {'lost in a dispute' if short else 'refunded'} in {THERE} "
            f"({remote.intent.id})",
            f"only {written} here" if returned else "no refund is recorded",
        )


def _other_amount(remote: Remote, entry: Entry, local: str) -> Finding:
    back = _written(remote.refunded, remote.intent.currency)
    there = f", {back} of it refunded" * (remote.refunded > 0)
    return _finding(
        Mismatch.AMOUNT_MISMATCH,
        remote.intent.id,
        entry,
        f"{_written(remote.intent.received, remote.intent.currency)} received in {THERE} "
        f"({remote.intent.id}){there}",
        local,
    )


def _dispute(remote: Remote, entry: Entry, state: str) -> Finding:
    return _finding(
        Mismatch.DISPUTE_NOT_RECORDED,
        remote.intent.id,
        entry,
        f"{state} in {THERE} ({_received(remote)})",
        f"local status is {entry.status}",
    )


# ---- not paid there -------------------------------------------------------------------------


def _not_paid_there(
    reference: str, state: str, since: datetime, entry: Entry, side: Side
) -> Iterator[Finding]:
    """What differs about a payment that is under way there, was given up, or is unknown."""
    payment, attempt = entry.payment, entry.attempt
    if payment is not None and payment.status in ARRIVED:
        yield _finding(
            Mismatch.LOCAL_PAID_REMOTE_NOT_PAID,
            reference,
            entry,
            f"{state} in {THERE} ({reference})",
            f"{money.write(payment.amount)} is recorded as paid",
        )
        return
    under_way = (
        state == _words(IntentStatus.PROCESSING)
        or (payment is not None and payment.status == Status.PENDING)
        or (attempt is not None and attempt.status in PaymentAttempt.OPEN)
    )
    if under_way and not entry.is_empty and side.now - since > STUCK:
        yield _finding(
            Mismatch.STUCK_PROCESSING,
            reference,
            entry,
            f"{state} in {THERE} since {since:%Y-%m-%d} ({reference})",
            f"local status is {entry.status}",
        )


# ---- words ----------------------------------------------------------------------------------


def _finding(
    kind: Mismatch, subject_key: str, entry: Entry, remote_state: str, local_state: str
) -> Finding:
    return Finding(
        kind=kind.value,
        subject_key=subject_key,
        label=str(entry.invoice) if entry.invoice else subject_key,
        remote_state=remote_state,
        local_state=local_state,
        severity=kind.severity,
    )


def _of_another_firm(intent: Intent, entry: Entry, firm: Firm) -> str:
    if entry.payment is not None and entry.payment.firm_id != firm.pk:
        return "recorded in another firm's books"
    return "it names another firm" if intent.named("firm") not in {None, firm.pk} else ""


def _exceeds(amount: int, invoice: Invoice) -> bool:
    total = units(invoice.total_minor, invoice.currency)
    return total is not None and amount > total


def _written(amount: int, currency: str) -> str:
    try:
        return money.write_minor(from_gateway(amount, currency), currency)
    except Problem:
        return f"{amount} of the smallest unit of {currency}"


def _received(remote: Remote) -> str:
    return f"{_written(remote.intent.received, remote.intent.currency)}, {remote.intent.id}"


def _words(status: IntentStatus) -> str:
    return status.value.replace("_", " ")


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"


def _over(invoice: Invoice) -> str:
    return f"the invoice is over {money.write(invoice.total)}"
