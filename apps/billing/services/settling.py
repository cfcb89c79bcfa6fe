"""Bring the ledger in line with what the gateway says of a payment.

One function for every way in which news arrive: the answer to a charge, its repetition after
a crash, an event, the nightly comparison, a person. So they may come late, twice and in any
order: each time the ledger is compared with how the payment stands now, and only the
difference is written.
"""

from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.billing.models import Invoice, Payment, PaymentAttempt
from apps.billing.services.attempts import (
    after_success,
    again,
    close,
    conclude,
    plan_nothing_more,
    release,
)
from apps.billing.services.corrections import close_dispute, open_dispute
from apps.billing.services.gateways import PROVIDER
from apps.billing.services.notices import tell_paid
from apps.billing.services.payments import (
    ARRIVED,
    dispute_payment,
    fail_payment,
    given_back,
    keep_payment,
    record_payment,
    refund_payment,
    reverse_payment,
    settle_payment,
)
from apps.billing.services.statuses import lock_account
from apps.core import days
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.models import Firm, User
from apps.integrations.payments import Intent, IntentStatus
from apps.integrations.payments.amounts import from_gateway

Status = PaymentAttempt.Status

CARD = "card"  # the gateway's type; anything else is a debit of a bank account


def settle_intent(intent: Intent, *, firm: Firm, clock: Clock) -> bool:
    """Bring the ledger in line with a payment of a firm; True when something was written.

    Must run in a transaction. A payment that was not asked for here, or concerns an invoice
    that this firm does not have, is left alone: reconciliation reports it. Raises ``Problem``
    for money in another currency than the account's.
    """
    attempt = _attempt_of(intent, firm)
    invoice = attempt.invoice if attempt else _invoice_of(intent, firm)
    if invoice is None:
        return False
    lock_account(invoice.account_id)
    written = _book(intent, attempt, invoice, firm, clock)
    if attempt:
        written |= conclude(intent, attempt, firm, clock)
    elif intent.status == IntentStatus.SUCCEEDED:
        written |= plan_nothing_more(invoice)
    written |= _follow_disputes(intent, invoice, firm, clock)
    written |= _follow_refunds(intent, firm, clock)
    return written


def decide_attempt(
    *,
    attempt: PaymentAttempt,
    happened: bool,
    gateway_ref: str = "",
    actor: User | None,
    reason: str,
    now: datetime,
) -> PaymentAttempt:
    """Decide what became of an attempt whose outcome nobody could find out.

    ``happened`` says that the customer was charged; the payment is then recorded under the
    gateway's reference, which must be given; a debit that was recorded as under way has
    arrived. Otherwise the invoice is free again for a new attempt with a new key. Raises
    ``Problem`` for an attempt that is not *unknown*.
    """
    if happened and not gateway_ref.strip():
        raise Problem("Give the gateway's reference of the payment.")
    with transaction.atomic():
        lock_account(attempt.invoice.account_id)
        attempt = again(attempt)
        if attempt.status != Status.UNKNOWN:
            raise Problem(f"The {attempt} is {attempt.get_status_display()}.")
        clock, reference = Clock(now=now), gateway_ref.strip()
        invoice, firm = attempt.invoice, attempt.firm
        debit = attempt.payments.filter(status=Payment.Status.PENDING).first()
        if happened:
            if debit:
                _take_in(debit, invoice, firm, clock)
            else:
                _pay(invoice, attempt, attempt.amount_minor, reference, firm, clock)
            close(attempt, Status.SUCCEEDED, now=now, gateway_ref=reference)
            after_success(attempt.invoice_id)
        else:
            if debit:
                fail_payment(payment=debit)
            release(attempt, now=now)
        record(
            "payment_attempt_decided",
            attempt,
            actor=actor,
            changes={"happened": happened, "gateway_ref": reference},
            reason=reason,
        )
    return attempt


# ---- whose payment it is ------------------------------------------------------------------


def _attempt_of(intent: Intent, firm: Firm) -> PaymentAttempt | None:
    """Return the attempt that asked for a payment: named in it, or known by its reference."""
    attempts = PaymentAttempt.objects.filter(firm=firm).select_related(
        "invoice__account", "payment_method"
    )
    if named := intent.named("attempt"):
        return attempts.filter(pk=named).first()
    return attempts.exclude(gateway_ref="").filter(gateway_ref=intent.id).first()


def _invoice_of(intent: Intent, firm: Firm) -> Invoice | None:
    """Return the invoice that a payment is for: named in it, or covered by it already."""
    invoices = Invoice.objects.filter(firm=firm).select_related("account")
    if named := intent.named("invoice"):
        return invoices.filter(pk=named).first()
    payment = _payment_of(intent, firm)
    return invoices.filter(allocations__payment=payment).first() if payment else None


def _payment_of(intent: Intent, firm: Firm) -> Payment | None:
    # SQLite uses a partial index only for a query that names its condition.
    known = Payment.objects.exclude(gateway_ref="").filter(
        firm=firm, gateway=PROVIDER, gateway_ref=intent.id
    )
    return known.first()


# ---- money --------------------------------------------------------------------------------


def _book(
    intent: Intent,
    attempt: PaymentAttempt | None,
    invoice: Invoice,
    firm: Firm,
    clock: Clock,
) -> bool:
    """Record a payment that arrived or is on its way, and one that did not arrive after all."""
    known = _payment_of(intent, firm)
    pending = Payment.Status.PENDING
    if known is None:
        if intent.status == IntentStatus.SUCCEEDED:
            minor = _minor(intent, intent.received, invoice)
            _pay(invoice, attempt, minor, intent.id, firm, clock, intent)
        elif intent.status == IntentStatus.PROCESSING:
            minor = _minor(intent, intent.amount, invoice)
            _pay(invoice, attempt, minor, intent.id, firm, clock, intent, status=pending)
        else:
            return False
        return True
    if known.status != pending or intent.status == IntentStatus.PROCESSING:
        return False
    if intent.status == IntentStatus.SUCCEEDED:
        _take_in(known, invoice, firm, clock)
    else:
        fail_payment(payment=known)
    return True


def _take_in(debit: Payment, invoice: Invoice, firm: Firm, clock: Clock) -> None:
    """Let a debit arrive that was under way."""
    today = firm.today(clock)
    settle_payment(payment=debit, now=clock.now, today=today, invoices=[invoice])
    tell_paid(debit, invoice)


def _pay(
    invoice: Invoice,
    attempt: PaymentAttempt | None,
    minor: int,
    reference: str,
    firm: Firm,
    clock: Clock,
    intent: Intent | None = None,
    *,
    status: Payment.Status = Payment.Status.SUCCEEDED,
) -> None:
    paid_at = intent.created_at if intent else clock.now
    by_card = intent is None or intent.method_type == CARD
    payment = record_payment(
        account=invoice.account,
        amount_minor=minor,
        method=Payment.Method.CARD if by_card else Payment.Method.BANK_DEBIT,
        effective_on=paid_at.astimezone(days.zone(firm.timezone)).date(),
        now=clock.now,
        today=firm.today(clock),
        invoices=[invoice],
        status=status,
        gateway=PROVIDER.value,
        gateway_ref=reference,
        attempt=attempt,
    )
    if status == Payment.Status.SUCCEEDED:
        tell_paid(payment, invoice)


def _minor(intent: Intent, amount: int, invoice: Invoice) -> int:
    if intent.currency != invoice.currency:
        raise Problem(
            f"{intent.id} was paid in {intent.currency}, {invoice} is in {invoice.currency}."
        )
    return from_gateway(amount, intent.currency)


def _follow_refunds(intent: Intent, firm: Firm, clock: Clock) -> bool:
    """Record what went back and is not known here: refunds, and parts lost in disputes."""
    gone = intent.refunded + intent.lost
    payment = _payment_of(intent, firm) if gone > 0 else None
    if payment is None or payment.status not in ARRIVED or intent.is_all_lost:
        return False
    missing = from_gateway(gone, intent.currency) - given_back(payment)
    if missing <= 0:
        return False
    refund_payment(
        payment=payment,
        amount_minor=missing,
        now=clock.now,
        today=firm.today(clock),
        reason=f"refunded at {PROVIDER.label}",
    )
    return True


def _follow_disputes(intent: Intent, invoice: Invoice, firm: Firm, clock: Clock) -> bool:
    """Hold an invoice while its payer's bank asks the money back; lost, it is owed again."""
    payment = _payment_of(intent, firm) if intent.disputes else None
    if payment is None or payment.status not in ARRIVED:
        return False
    reason = f"dispute at {PROVIDER.label}"
    was_disputed = payment.status == Payment.Status.DISPUTED
    if any(dispute.is_open for dispute in intent.disputes):
        if not was_disputed:
            open_dispute(invoice=invoice, actor=None, reason=reason)
            dispute_payment(payment=payment)
        return not was_disputed
    if intent.is_all_lost:
        today = firm.today(clock)
        reverse_payment(payment=payment, now=clock.now, today=today, reason=reason)
    elif was_disputed:
        keep_payment(payment=payment)
    else:
        return False
    if was_disputed:
        close_dispute(invoice=invoice, actor=None, reason=reason)
    return True
