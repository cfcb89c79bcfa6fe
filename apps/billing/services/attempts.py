"""What becomes of an attempt to charge, and what is planned for its invoice then.

Each change is conditional on what the attempt was, so that news which come twice, or from
two sides at once, are written once. All of it happens in the caller's transaction; what
counts failures does so behind the account's lock.
"""

from datetime import datetime

from apps.audit.services import record
from apps.billing.models import Invoice, PaymentAttempt
from apps.billing.services.cards import invalidate_card
from apps.billing.services.declines import DO_NOT_TRY_AGAIN, classify, next_attempt_at
from apps.billing.services.notices import tell_declined, tell_undecided
from apps.billing.services.statuses import lock_account
from apps.core.days import Clock
from apps.firms.models import Firm
from apps.integrations.payments import Decline, Intent, IntentStatus

Status = PaymentAttempt.Status
Autopay = Invoice.Autopay
FailureClass = PaymentAttempt.FailureClass

# What a bank's no is called that came later, without a code of its own.
CANCELED = Decline("canceled")
FAILED_LATER = Decline("generic_decline")


def conclude(intent: Intent, attempt: PaymentAttempt, firm: Firm, clock: Clock) -> bool:
    """Write what came of an attempt, once; a success also when it was given up before."""
    attempt = again(attempt)
    now, reference = clock.now, intent.id
    was_open = attempt.status in PaymentAttempt.OPEN
    if intent.status == IntentStatus.SUCCEEDED:
        if not close(attempt, Status.SUCCEEDED, now=now, gateway_ref=reference):
            return False
        if was_open:
            after_success(attempt.invoice_id)
        else:  # its invoice was free again, and may have another attempt by now
            plan_nothing_more(attempt.invoice)
        return True
    if not was_open:
        return False
    if intent.status == IntentStatus.PROCESSING:
        return close(attempt, Status.PROCESSING, now=None, gateway_ref=reference)
    if intent.status in {IntentStatus.REQUIRES_CAPTURE, IntentStatus.REQUIRES_CONFIRMATION}:
        attempt.gateway_ref = reference
        return give_up(attempt)
    _declined(attempt, _why(intent), reference, firm, now)
    return True


def _why(intent: Intent) -> Decline:
    if intent.status == IntentStatus.REQUIRES_ACTION:
        return Decline("authentication_required")
    if intent.decline:
        return intent.decline
    return CANCELED if intent.status == IntentStatus.CANCELED else FAILED_LATER


def _declined(
    attempt: PaymentAttempt, decline: Decline, reference: str, firm: Firm, now: datetime
) -> None:
    """Plan the next attempt after a no, or none, and tell who must do something."""
    failure = classify(decline)
    needs_customer = failure == FailureClass.AUTHENTICATION
    status = Status.REQUIRES_ACTION if needs_customer else Status.DECLINED
    close(attempt, status, now=now, failure=failure, code=decline.code, gateway_ref=reference)
    invoice = attempt.invoice
    invoice.autopay_next_charge_at = None
    if failure == FailureClass.SOFT:
        invoice.autopay_failure_count += 1
        invoice.autopay_next_charge_at = next_attempt_at(
            failures=invoice.autopay_failure_count,
            failed_at=attempt.requested_at,
            zone_name=firm.timezone,
        )
    if needs_customer:
        invoice.autopay_status = Autopay.NEEDS_ACTION
    elif invoice.autopay_next_charge_at:
        invoice.autopay_status = Autopay.RETRYING
    else:
        invoice.autopay_status = Autopay.FAILED
    invoice.save(
        update_fields=[
            "autopay_status",
            "autopay_next_charge_at",
            "autopay_failure_count",
            "updated_at",
        ]
    )
    if failure == FailureClass.HARD:
        invalidate_card(method=attempt.payment_method, reason=decline.code)
    tell_declined(attempt, invoice)


def after_success(invoice_id: int) -> None:
    """Plan nothing more for a paid invoice; what was added since is charged by the next run."""
    invoice = Invoice.objects.get(pk=invoice_id)
    if invoice.status in Invoice.BY_HAND or invoice.open_minor == 0:
        invoice.autopay_status = Autopay.SUCCEEDED
    else:
        invoice.autopay_status = Autopay.SCHEDULED
    invoice.autopay_next_charge_at, invoice.autopay_failure_count = None, 0
    invoice.save(
        update_fields=[
            "autopay_status",
            "autopay_next_charge_at",
            "autopay_failure_count",
            "updated_at",
        ]
    )


def plan_nothing_more(invoice: Invoice) -> bool:
    """Note that the customer paid by themselves what autopay could not collect."""
    paid = Invoice.objects.filter(
        pk=invoice.pk,
        status=Invoice.Status.PAID,
        autopay_status__in=(
            Autopay.SCHEDULED,
            Autopay.RETRYING,
            Autopay.NEEDS_ACTION,
            Autopay.FAILED,
        ),
    )
    return bool(paid.update(autopay_status=Autopay.SUCCEEDED, autopay_next_charge_at=None))


def close(
    attempt: PaymentAttempt,
    status: Status,
    *,
    now: datetime | None,
    failure: FailureClass = FailureClass.NONE,
    code: str = "",
    gateway_ref: str = "",
) -> bool:
    """Move an attempt on, conditionally; False when it was there already."""
    changed = (
        PaymentAttempt.objects.filter(pk=attempt.pk, status=attempt.status)
        .exclude(status=status)
        .update(
            status=status,
            failure_class=failure,
            decline_code=code[:60],
            gateway_ref=gateway_ref or attempt.gateway_ref,
            resolved_at=now,
        )
    )
    attempt.status, attempt.failure_class, attempt.decline_code = status, failure, code[:60]
    attempt.gateway_ref = gateway_ref or attempt.gateway_ref
    return bool(changed)


def release(attempt: PaymentAttempt, *, now: datetime) -> None:
    """Note that an attempt certainly never happened: its invoice is as before the claim."""
    if close(attempt, Status.TRANSIENT_ERROR, now=now, failure=FailureClass.TECHNICAL):
        Invoice.objects.filter(pk=attempt.invoice_id, autopay_status=Autopay.PROCESSING).update(
            autopay_status=attempt.autopay_before, updated_at=now
        )


def card_refused(attempt: PaymentAttempt, *, code: str, firm: Firm, now: datetime) -> None:
    """Note that the gateway does not know the card any more: like a hard decline."""
    lock_account(attempt.invoice.account_id)
    attempt = again(attempt)
    if attempt.status in PaymentAttempt.OPEN:
        _declined(attempt, Decline(code, DO_NOT_TRY_AGAIN), "", firm, now)


def give_up(attempt: PaymentAttempt) -> bool:
    """Note that nobody can tell what became of an attempt, and ask the people in charge."""
    if not close(attempt, Status.UNKNOWN, now=None):
        return False
    tell_undecided(attempt)
    record("payment_attempt_unknown", attempt)
    return True


def again(attempt: PaymentAttempt) -> PaymentAttempt:
    """Return an attempt as it is now, behind the lock of its account."""
    return PaymentAttempt.objects.select_related(
        "firm", "invoice__account", "payment_method"
    ).get(pk=attempt.pk)
