"""What the bank calls back about: which of our orders, and how it stands now."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from django.db.models import Q

from apps.core.days import Clock
from apps.integrations.cards import Cards, Receipt
from apps.subscriptions.models import PaymentOrder
from apps.subscriptions.services.bank import way_in
from apps.subscriptions.services.receipts import apply_receipt
from apps.webhooks.handling import Fetch
from apps.webhooks.models import WebhookEvent

Names = tuple[str, str]  # the bank's id of an order, and ours


class BankCallbacks:
    """Acts on callbacks of the Bank of Georgia.

    A callback only says that something has happened to an order; what, is read from the
    receipt. So lost, repeated, late and reordered callbacks all end in the same ledger.
    """

    def prepare(self, events: Sequence[WebhookEvent]) -> Mapping[int, Fetch]:
        """Return how to read the receipt of each order of ours that is called about."""
        names = {event.pk: _names(event) for event in events}
        ours = _orders_of(names.values())
        concern = {pk: name for pk, name in names.items() if name in ours and name[0]}
        if not concern:
            return {}
        open_account = way_in()
        return {
            pk: partial(_read_receipt, open_account, name[0]) for pk, name in concern.items()
        }

    def apply(self, event: WebhookEvent, fetched: Any, *, clock: Clock) -> bool:
        """Apply the receipt to the order; False when there is no such order any more."""
        names = _names(event)
        order = _orders_of([names]).get(names)
        if order is None:
            return False
        receipt: Receipt = fetched
        apply_receipt(order=order, receipt=receipt, clock=clock)
        return True


def _names(event: WebhookEvent) -> Names:
    told = json.loads(bytes(event.raw_body))
    body = told.get("body") if isinstance(told, dict) else None
    facts = body if isinstance(body, dict) else {}
    return _text(facts.get("order_id")), _text(facts.get("external_order_id"))


def _orders_of(names: Iterable[Names]) -> dict[Names, PaymentOrder]:
    """Return our orders by what a callback calls them: by the bank's id, else by ours.

    The bank may call before its answer to our request has been written down.
    """
    wanted = set(names)
    orders = PaymentOrder.objects.filter(
        Q(bog_order_id__in=[bog_id for bog_id, _ in wanted if bog_id])
        | Q(external_order_id__in=[ours for _, ours in wanted if ours])
    )
    by_bank = {order.bog_order_id: order for order in orders if order.bog_order_id}
    by_us = {order.external_order_id: order for order in orders}
    found = {name: by_bank.get(name[0]) or by_us.get(name[1]) for name in wanted}
    return {name: order for name, order in found.items() if order is not None}


def _read_receipt(open_account: Callable[[], Cards], bog_id: str) -> Receipt:
    with closing(open_account()) as cards:
        return cards.receipt(bog_id)


def _text(told: object) -> str:
    return told if isinstance(told, str) else ""
