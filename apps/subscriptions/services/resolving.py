"""Find out what became of orders that nobody has told us about (spec A5.4, D32)."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, TextChoices
from django.utils import timezone

from apps.core import batches, money
from apps.core.days import Clock
from apps.core.reports import Item, Report, Subject
from apps.integrations.cards import Receipt, Refused
from apps.subscriptions.codes import ABANDONED, REFUSED
from apps.subscriptions.models import PaymentOrder, Subscription
from apps.subscriptions.services.bank import Bank
from apps.subscriptions.services.receipts import (
    ABANDONED_AFTER,
    Came,
    apply_receipt,
    close_order,
    hold_unanswered,
)
from apps.subscriptions.services.scope import subject_of

logger = logging.getLogger(__name__)

POLL_AFTER = timedelta(minutes=15)  # until then the callback may come
SAME_KEY_WITHIN = timedelta(hours=23)  # the bank forgets keys after 24
IN_FLIGHT = 409  # another worker is asking the same just now

Kind, Status = PaymentOrder.Kind, PaymentOrder.Status
T = TypeVar("T")


class OrderReason(TextChoices):
    """Why an order brought no money."""

    FAILED = "failed", "the bank did not charge the card"
    REFUNDED = "refunded"
    DOUBTFUL = "doubtful", "a person has to look at it"


def unresolved(*, clock: Clock) -> "QuerySet[PaymentOrder]":
    """Return the orders whose fate is to be found out now.

    Those with a bank's id once their callback is late; those without, which a crash or a
    dead line left behind, at once.
    """
    waiting = Q(status__in=PaymentOrder.OPEN) & ~Q(bog_order_id="")
    late = waiting & Q(requested_at__lte=clock.now - POLL_AFTER)
    return PaymentOrder.objects.filter(late | Q(status=Status.CREATED, bog_order_id=""))


def resolve(
    report: Report, orders: "QuerySet[PaymentOrder]", *, bank: Bank, clock: Clock
) -> None:
    """Ask the bank about orders and apply its answers; each answer is one transaction.

    An order that may never have reached the bank is asked for again with the same key, which
    charges nobody twice, as long as the bank remembers keys; after that a person decides.
    """
    orders = orders.select_related("subscription__firm", "parent_order")
    report.attempt_each(
        _while_open(batches.by_key(orders), bank),
        _look,
        subject=_subject,
        size=settings.CHARGES_AT_ONCE,
        then=partial(_find_out, bank=bank, clock=clock),
    )


def write_each(
    items: Sequence[Item[Any]],
    orders: Sequence[PaymentOrder],
    answers: Sequence[T | Exception],
    act: Callable[[Item[Any], PaymentOrder, T], None],
    *,
    clock: Clock,
) -> None:
    """Write what each answer means, in a transaction of its own; one failure spares the rest.

    A refusal is final and closes the order. After any other error the order stays as it is
    and the next run finds out.
    """
    for item, order, answer in zip(items, orders, answers, strict=True):
        try:
            with transaction.atomic():
                if not isinstance(answer, Exception):
                    act(item, order, answer)
                elif isinstance(answer, Refused) and answer.status != IN_FLIGHT:
                    _close_refused(order, clock)
            if isinstance(answer, Exception):
                raise answer
        except Exception as error:
            logger.error("%s", order, exc_info=error)
            item.fail(error)


def accept(order: PaymentOrder, bog_id: str) -> None:
    """Note that the bank has an order; if its callback was faster, all is written already."""
    PaymentOrder.objects.filter(pk=order.pk, status=Status.CREATED, bog_order_id="").update(
        status=Status.PENDING, bog_order_id=bog_id, updated_at=timezone.now()
    )


def _tell(item: Item[PaymentOrder], came: Came) -> None:
    """Say what came of an order, in the run that found it out."""
    order, slug = item.thing, item.subject.label
    amount = money.write(order.amount)
    if came == Came.PAID:
        order.subscription.refresh_from_db(fields=["expires_on"])
        until = order.subscription.expires_on
        item.does("apply a payment", order.amount, tally="paid")
        item.says(f"{slug}: {amount} received, paid until {until}")
    elif came == Came.FAILED:
        item.decline(
            OrderReason.FAILED, f"{slug}: payment of {amount} failed ({order.failure_code})"
        )
    elif came == Came.REFUNDED:
        item.decline(OrderReason.REFUNDED, f"{slug}: payment of {amount} was refunded")
    elif came == Came.DOUBTFUL:
        item.decline(OrderReason.DOUBTFUL, f"{slug}: payment of {amount} needs a decision")


def _while_open(orders: Iterator[PaymentOrder], bank: Bank) -> Iterator[PaymentOrder]:
    for order in orders:
        if bank.locked_out:
            return
        yield order


def _subject(order: PaymentOrder) -> Subject:
    return subject_of(order.subscription, part=order.external_order_id)


def _look(items: Sequence[Item[PaymentOrder]]) -> None:
    """Nothing is written before the bank has answered."""
    for item in items:
        item.does("ask the bank")


def _find_out(items: Sequence[Item[PaymentOrder]], *, bank: Bank, clock: Clock) -> None:
    def write(some: Sequence[Item[PaymentOrder]], answers: Sequence[Any], act: Any) -> None:
        write_each(some, [item.thing for item in some], answers, act, clock=clock)

    known = [item for item in items if item.thing.bog_order_id]
    write(known, bank.receipts([i.thing for i in known]), partial(_apply, clock=clock))
    lost = [item for item in items if not item.thing.bog_order_id]
    again = [item for item in lost if _may_ask_again(item.thing, clock)]
    write(again, bank.charge([i.thing for i in again]), _accept)
    asked = {item.thing.pk for item in again}
    rest = [item for item in lost if item.thing.pk not in asked]
    write(rest, [clock] * len(rest), _give_up)


def _apply(
    item: Item[PaymentOrder], order: PaymentOrder, receipt: Receipt, *, clock: Clock
) -> None:
    _tell(item, apply_receipt(order=order, receipt=receipt, clock=clock))


def _accept(item: Item[PaymentOrder], order: PaymentOrder, bog_id: str) -> None:
    accept(order, bog_id)
    item.does("repeat a charge", order.amount)


def _may_ask_again(order: PaymentOrder, clock: Clock) -> bool:
    """Whether the identical request may be repeated: it may be the first to arrive."""
    subscription = order.subscription
    return (
        order.kind == Kind.RENEWAL
        and clock.now - order.requested_at < SAME_KEY_WITHIN
        and not subscription.cancel_at_period_end
        and subscription.status in Subscription.SERVED
    )


def _give_up(item: Item[PaymentOrder], order: PaymentOrder, clock: Clock) -> None:
    """Leave a charge that may have happened to a person; forget a page that nobody saw."""
    if order.kind == Kind.RENEWAL:
        what = "The bank was asked to charge the card, and nobody knows whether it did."
        _tell(item, hold_unanswered(order=order, what=what))
    elif clock.now - order.requested_at > ABANDONED_AFTER:
        close_order(order=order, code=ABANDONED, clock=clock)


def _close_refused(order: PaymentOrder, clock: Clock) -> None:
    """End what the bank will not do; what it does not know any more waits for a person."""
    if order.bog_order_id:
        hold_unanswered(order=order, what="The bank does not show the receipt of this order.")
    else:
        close_order(order=order, code=REFUSED, clock=clock)
