"""What a receipt changes: the one place where the bank's word meets our ledger (spec D32)."""

from datetime import timedelta
from enum import StrEnum

from apps.audit.services import record
from apps.core import money
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.discrepancies.models import Source
from apps.discrepancies.services import Finding, Sighting, record_findings
from apps.firms.models import User
from apps.integrations.cards import OrderStatus, Receipt
from apps.subscriptions.codes import ABANDONED, NEVER_HAPPENED, REJECTED, Remedy, meaning
from apps.subscriptions.messages import PAYMENT_FAILED, RECEIPT
from apps.subscriptions.models import PaymentOrder, Subscription
from apps.subscriptions.services import standing
from apps.subscriptions.services.owners import News, alert, record_of_platform, tell_owners

ATTEMPTS = 4  # per cycle
ABANDONED_AFTER = timedelta(hours=1)  # the bank's page is open for 20 minutes
ANSWER_WITHIN = timedelta(hours=48)  # then people look at it

Kind, Status = PaymentOrder.Kind, PaymentOrder.Status

_IN_PROGRESS = {
    OrderStatus.CREATED,
    OrderStatus.PROCESSING,
    OrderStatus.AUTH_REQUESTED,
    OrderStatus.BLOCKED,
    OrderStatus.REFUND_REQUESTED,
}
_CLAIMS = (Status.CREATED, Status.PENDING, Status.UNKNOWN, Status.COMPLETED)


class Came(StrEnum):
    """What came of a receipt."""

    PAID = "paid"
    FAILED = "failed"
    REFUNDED = "refunded"
    WAITING = "waiting"  # the bank is still busy with it
    DOUBTFUL = "doubtful"  # a person has been called
    NOTHING = "nothing"  # we knew it already


def apply_receipt(*, order: PaymentOrder, receipt: Receipt, clock: Clock) -> Came:
    """Bring an order in line with what the bank says of it now, and what hangs on it.

    Must run inside a transaction; ``order`` is read anew behind the lock. However often and
    in whatever order receipts come, money extends a subscription once (``applied_at``).
    A receipt whose amount, currency or ids are not the order's extends nothing: operators are
    alerted and the order waits for them. A refund shortens nothing; it opens an issue.
    """
    subscription = _lock(order)
    if doubt := _doubt(order, receipt):
        return _hold(order, kind="mismatch", what=doubt)
    if not order.bog_order_id:
        order.bog_order_id = receipt.order_id
        _save(order, "bog_order_id")
    match receipt.status:
        case OrderStatus.COMPLETED:
            return _complete(order, subscription, receipt, clock)
        case OrderStatus.REJECTED:
            return _fail(order, subscription, receipt.code or REJECTED, clock)
        case OrderStatus.REFUNDED | OrderStatus.REFUNDED_PARTIALLY:
            return _refund(order, subscription, receipt, clock)
        case status if status in _IN_PROGRESS:
            return _wait(order, subscription, receipt, clock)
    return _hold(
        order, kind="mismatch", what=f"The bank calls it {receipt.status}, which we never ask."
    )


def decide_order(
    *, order: PaymentOrder, charged: bool, reason: str, by: User, clock: Clock
) -> Came:
    """Close an order that nobody knows the fate of, as a person has found out at the bank.

    Must run inside a transaction. ``charged`` extends the subscription as a receipt would;
    otherwise the order has failed and the cycle may be charged again. Raises ``Problem`` for
    an order whose fate is known.
    """
    subscription = _lock(order)
    if order.status != Status.UNKNOWN:
        raise Problem(f"{order} is {order.get_status_display().lower()}; nothing to decide.")
    changes = {"charged": charged}
    record_of_platform("payment_order_decided", order, actor=by, reason=reason, changes=changes)
    if charged:
        return _settle(order, subscription, clock)
    return _close(order, NEVER_HAPPENED, clock)


def close_order(*, order: PaymentOrder, code: str, clock: Clock) -> Came:
    """End an order that the bank has not even begun: it refused, or was never asked."""
    _lock(order)
    if order.status != Status.CREATED or order.bog_order_id:
        return Came.NOTHING
    return _close(order, code, clock)


def hold_unanswered(*, order: PaymentOrder, what: str) -> Came:
    """Leave an order to a person: it blocks its cycle until they have decided."""
    _lock(order)
    if order.status not in {Status.CREATED, Status.PENDING}:
        return Came.NOTHING
    return _hold(order, kind="unanswered", what=what)


# ---- is it ours at all ----------------------------------------------------------------------


def _lock(order: PaymentOrder) -> Subscription:
    subscription = standing.lock([order.subscription_id])[order.subscription_id]
    order.refresh_from_db(from_queryset=PaymentOrder.objects.select_for_update(of=("self",)))
    return subscription


def _doubt(order: PaymentOrder, receipt: Receipt) -> str:
    """Return what is wrong with a receipt, or nothing."""
    if receipt.external_id != order.external_order_id or (
        order.bog_order_id and receipt.order_id != order.bog_order_id
    ):
        return "The bank's receipt carries the ids of another order."
    if receipt.amount != order.amount:
        return (
            f"The bank's receipt is over {money.write(receipt.amount)}, "
            f"the order over {money.write(order.amount)}."
        )
    if receipt.status == OrderStatus.COMPLETED and receipt.paid != order.amount:
        return (
            f"The bank received {money.write(receipt.paid)} "
            f"instead of {money.write(order.amount)}."
        )
    return ""


def _hold(order: PaymentOrder, *, kind: str, what: str) -> Came:
    if order.status in {Status.CREATED, Status.PENDING}:
        order.status = Status.UNKNOWN
        _save(order, "status")
    alert(order, kind=kind, what=what)
    return Came.DOUBTFUL


# ---- what the bank says ---------------------------------------------------------------------


def _complete(
    order: PaymentOrder, subscription: Subscription, receipt: Receipt, clock: Clock
) -> Came:
    if order.applied_at or order.status in {Status.COMPLETED, Status.REFUNDED}:
        return Came.NOTHING
    if _claimed_by_another(order):
        what = "It was paid although another order of the same cycle is alive or paid."
        return _hold(order, kind="paid_twice", what=what)
    order.card_mask = receipt.card_mask
    order.card_saved = receipt.card_saved and order.kind != Kind.RENEWAL
    _save(order, "card_mask", "card_saved")
    return _settle(order, subscription, clock)


def _settle(order: PaymentOrder, subscription: Subscription, clock: Clock) -> Came:
    """Take an order as paid: extend once, bring the firm back, send the receipt."""
    paid = PaymentOrder.objects.filter(
        pk=order.pk, applied_at=None, status__in=(*PaymentOrder.OPEN, Status.FAILED)
    ).update(
        status=Status.COMPLETED,
        applied_at=clock.now,
        resolved_at=clock.now,
        failure_code="",
        updated_at=clock.now,
    )
    if not paid:
        return Came.NOTHING
    order.refresh_from_db()
    before = subscription.expires_on
    back = standing.extend(subscription, days=order.days, clock=clock)
    if order.kind != Kind.RENEWAL and subscription.cancel_at_period_end:
        subscription.cancel_at_period_end = False  # who pays by hand wants to stay
        subscription.save(update_fields=["cancel_at_period_end", "updated_at"])
    changes = {"expires_on": [str(before), str(subscription.expires_on)]}
    record("subscription_extended", subscription, changes=changes)
    facts = {
        "amount": money.write_grouped(order.amount),
        "on": str(subscription.firm.today(clock)),
        "card": written_card(order.card_mask),
        "reference": order.external_order_id,
        "back": back,
    }
    key = f"subscription-receipt:{order.pk}"
    tell_owners([News(RECEIPT, subscription, key, facts)])
    return Came.PAID


def _fail(order: PaymentOrder, subscription: Subscription, code: str, clock: Clock) -> Came:
    if order.status not in PaymentOrder.OPEN:
        return Came.NOTHING
    _close(order, code, clock)
    if order.kind != Kind.RENEWAL:
        return Came.FAILED  # the bank's page has said it already
    what = meaning(code)
    card = order.parent_order
    if what.remedy == Remedy.NEW_CARD and card is not None and not card.card_invalid_reason:
        card.card_invalid_reason = what.words
        _save(card, "card_invalid_reason")
    facts = {
        "amount": money.write_grouped(order.amount),
        "card": written_card(card.card_mask if card else ""),
        "why": what.words,
        "remedy": what.remedy.value,
        "again": what.remedy == Remedy.TIME and order.attempt_no < ATTEMPTS,
    }
    key = f"subscription-payment-failed:{order.pk}"
    tell_owners([News(PAYMENT_FAILED, subscription, key, facts)])
    return Came.FAILED


def _close(order: PaymentOrder, code: str, clock: Clock) -> Came:
    order.status, order.failure_code, order.resolved_at = Status.FAILED, code, clock.now
    _save(order, "status", "failure_code", "resolved_at")
    return Came.FAILED


def _refund(
    order: PaymentOrder, subscription: Subscription, receipt: Receipt, clock: Clock
) -> Came:
    if order.status == Status.REFUNDED:
        return Came.NOTHING
    whole = receipt.status == OrderStatus.REFUNDED
    extended = (
        f"it had extended the subscription, now until {subscription.expires_on}"
        if order.applied_at
        else "it had extended nothing"
    )
    finding = Finding(
        kind="refunded" if whole else "refunded_partially",
        subject_key=receipt.order_id,
        label=f"Payment order {order.external_order_id}",
        remote_state=f"refunded {money.write(receipt.refunded)} of {money.write(order.amount)}",
        local_state=extended,
    )
    sightings = record_findings(
        firm=subscription.firm, source=Source.BOG, findings=[finding], now=clock.now
    )
    what = f"The bank has paid back {money.write(receipt.refunded)}; {extended}."
    if whole:
        alert(order, kind="refunded", what=what)
        order.status, order.resolved_at = Status.REFUNDED, clock.now
        _save(order, "status", "resolved_at")
        return Came.REFUNDED
    if not order.applied_at:
        return _hold(order, kind="mismatch", what="It was paid back in part, unseen by us.")
    alert(order, kind="refunded_partially", what=what)
    return Came.REFUNDED if Sighting.NEW in sightings else Came.NOTHING


def _wait(
    order: PaymentOrder, subscription: Subscription, receipt: Receipt, clock: Clock
) -> Came:
    if order.status not in PaymentOrder.OPEN:
        return Came.NOTHING
    age = clock.now - order.requested_at
    untouched = receipt.status == OrderStatus.CREATED and order.kind != Kind.RENEWAL
    if untouched and age > ABANDONED_AFTER:
        return _fail(order, subscription, ABANDONED, clock)
    if order.status == Status.CREATED:
        order.status = Status.PENDING
        _save(order, "status")
    if age > ANSWER_WITHIN:
        what = f"The bank has not answered for {age.days} days; it calls it {receipt.status}."
        return _hold(order, kind="unanswered", what=what)
    return Came.WAITING


def _claimed_by_another(order: PaymentOrder) -> bool:
    """Whether the cycle that a failed renewal paid for has been claimed again since."""
    return (
        order.kind == Kind.RENEWAL
        and order.status == Status.FAILED
        and PaymentOrder.objects.filter(
            subscription=order.subscription_id,
            kind=Kind.RENEWAL,
            cycle_expires_on=order.cycle_expires_on,
            status__in=_CLAIMS,
        ).exists()
    )


def written_card(mask: str) -> str:
    """Write a card as people know it: ``•••• 9893``."""
    return f"•••• {mask[-4:]}" if mask[-4:].isdigit() and len(mask) >= 4 else ""


def _save(order: PaymentOrder, *fields: str) -> None:
    order.save(update_fields=[*fields, "updated_at"])
