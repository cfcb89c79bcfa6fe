"""An owner pays by hand, on the bank's page, where the card is saved for the renewals."""

from datetime import timedelta
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.models import User
from apps.integrations.cards import BadCredentials, BankError, Refused
from apps.subscriptions.codes import REFUSED
from apps.subscriptions.models import PaymentOrder, Subscription
from apps.subscriptions.services import standing
from apps.subscriptions.services.bank import Bank
from apps.subscriptions.services.owners import record_of_platform
from apps.subscriptions.services.receipts import Came, apply_receipt, close_order
from apps.subscriptions.services.resolving import IN_FLIGHT, accept

SAME_PAGE_WITHIN = timedelta(minutes=15)  # the bank keeps its page open for 20

Kind, Status = PaymentOrder.Kind, PaymentOrder.Status


class NotPayable(Problem):
    """This subscription cannot be paid by its owner now; the text says why."""


def start_payment(*, subscription: Subscription, by: User, clock: Clock) -> str:
    """Open the bank's page for a plan's price and return its address.

    The order is written down first, then asked for at the bank, then noted as pending. Pressed
    twice it is the same order: within 15 minutes the identical request is repeated. Raises
    ``NotPayable``, or ``BankError`` when the bank cannot be reached.
    """
    with Bank() as bank:
        _find_out_about_pages(subscription, bank, clock)
        with transaction.atomic():
            order = _order(subscription, by, clock)
        back = settings.SITE_URL + reverse(
            "subscriptions:back", args=[subscription.pk, order.external_order_id]
        )
        label = f"{order.subscription.plan.name}, {order.days} days"
        try:
            bog_id, page = bank.open_page(order, back=back, label=label)
        except Refused as refused:
            if refused.status != IN_FLIGHT:
                _close(order, clock)
            raise
        except BadCredentials:
            _close(order, clock)
            raise
    with transaction.atomic():
        accept(order, bog_id)
    return page


def ask_about(*, order: PaymentOrder, clock: Clock) -> Came:
    """Ask the bank about an order that is open, and apply its answer.

    Raises ``BankError`` when there is none.
    """
    if order.status not in PaymentOrder.OPEN or not order.bog_order_id:
        return Came.NOTHING
    with Bank() as bank:
        [receipt] = bank.receipts([order])
    if isinstance(receipt, Exception):
        raise receipt
    with transaction.atomic():
        return apply_receipt(order=order, receipt=receipt, clock=clock)


def why_not_payable(subscription: Subscription) -> str:
    """Return why an owner cannot pay now, or nothing."""
    if standing.is_barred(subscription):
        return "The account was suspended by the platform. Please write to us."
    if subscription.plan.price_minor == 0:
        return "This plan costs nothing."
    if subscription.expires_on is None:
        return "This subscription never expires."
    if _open_renewal(subscription):
        return "A payment is under way at the bank. Its answer can take a day."
    return ""


def _open_renewal(subscription: Subscription) -> bool:
    renewals = subscription.orders.filter(kind=Kind.RENEWAL, status__in=PaymentOrder.OPEN)
    return renewals.exists()


def _find_out_about_pages(subscription: Subscription, bank: Bank, clock: Clock) -> None:
    """Ask about pages that were opened before; nobody is to pay what is paid already."""
    open_ = list(
        subscription.orders.filter(status__in=PaymentOrder.OPEN)
        .exclude(kind=Kind.RENEWAL)
        .exclude(bog_order_id="")
    )
    for order, receipt in zip(open_, bank.receipts(open_), strict=True):
        if isinstance(receipt, BankError):
            raise receipt
        if isinstance(receipt, Exception):
            raise receipt
        with transaction.atomic():
            came = apply_receipt(order=order, receipt=receipt, clock=clock)
        if came == Came.PAID:
            raise NotPayable("Your last payment has just arrived. Thank you.")


def _order(subscription: Subscription, by: User, clock: Clock) -> PaymentOrder:
    """Return the order whose page is open, else a new one."""
    row = standing.lock([subscription.pk])[subscription.pk]
    if reason := why_not_payable(row):
        raise NotPayable(reason)
    plan = row.plan
    same = row.orders.filter(
        kind=Kind.MANUAL,
        status__in=(Status.CREATED, Status.PENDING),
        requested_at__gt=clock.now - SAME_PAGE_WITHIN,
        amount_minor=plan.price_minor,
        currency=plan.currency,
        days=plan.period_count,
    ).select_related("subscription__plan")
    if order := same.first():
        return order
    order = PaymentOrder.objects.create(
        firm_id=row.firm_id,
        subscription=row,
        kind=Kind.MANUAL,
        external_order_id=f"manual-{uuid4()}",
        amount_minor=plan.price_minor,
        currency=plan.currency,
        days=plan.period_count,
        cycle_expires_on=row.expires_on,
        idempotency_key=uuid4(),
        requested_at=clock.now,
    )
    record_of_platform("payment_started", order, actor=by)
    return order


def _close(order: PaymentOrder, clock: Clock) -> None:
    with transaction.atomic():
        close_order(order=order, code=REFUSED, clock=clock)
