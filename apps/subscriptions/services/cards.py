"""Saved cards: the bank keeps them with the order that saved them."""

from collections.abc import Iterable

from django.db.models import F

from apps.subscriptions.models import PaymentOrder, Subscription


def saved_cards(subscription_ids: Iterable[int]) -> dict[int, PaymentOrder]:
    """Return the order whose card may be charged, by subscription; one statement.

    The newest completed one that saved a card, unless the bank has called it invalid.
    """
    orders = PaymentOrder.objects.filter(
        subscription__in=set(subscription_ids),
        status=PaymentOrder.Status.COMPLETED,
        card_saved=True,
        card_invalid_reason="",
    ).exclude(bog_order_id="")
    return {order.subscription_id: order for order in orders.order_by("resolved_at", "pk")}


def fits(card: PaymentOrder, subscription: Subscription) -> bool:
    """Whether the plan still costs what the card's owner agreed to (C-30).

    The bank takes amount and currency of an automatic charge from the order that saved the
    card: at another price it would silently charge the old one.
    """
    plan = subscription.plan
    return (card.amount_minor, card.currency) == (plan.price_minor, plan.currency)


def failed_this_cycle(subscriptions: Iterable[Subscription]) -> dict[int, list[str]]:
    """Return the codes of failed renewals since the last payment, by subscription."""
    failed = PaymentOrder.objects.filter(
        subscription__in=[one.pk for one in subscriptions],
        kind=PaymentOrder.Kind.RENEWAL,
        status=PaymentOrder.Status.FAILED,
        cycle_expires_on=F("subscription__expires_on"),
    )
    codes: dict[int, list[str]] = {}
    for subscription_id, code in failed.order_by("pk").values_list(
        "subscription_id", "failure_code"
    ):
        codes.setdefault(subscription_id, []).append(code)
    return codes
