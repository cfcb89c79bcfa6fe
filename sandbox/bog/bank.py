"""The Bank of Georgia's half of the sandbox: its state, and all that can happen in it.

    sandbox.bog.add_saved_card("bog-1", amount="59.00")    # a paid order that saved its card
    ...                                                    # the program under test charges it
    [charge] = sandbox.bog.charges("bog-1")
    sandbox.bog.settle(charge["order_id"], code="107")     # decided; a callback is on its way

With ``automatic`` on, a charge comes to what its card says, soon after the answer, as in the
demo; off, as in most tests, only ``settle`` decides. The answer to a charge is only an id.
"""

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from flask import Blueprint

from sandbox.bog.access import Keys, Refusal, Tokens
from sandbox.bog.memory import kept_order, recalled_order
from sandbox.bog.orders import CODES, GOOD, SILENT, TEST_CARDS, Order, figure, receipt, zoned
from sandbox.bog.routes import make_blueprint
from sandbox.bog.signing import SigningKey, bank_key, forger
from sandbox.callbacks import Callback, Signer
from sandbox.core import Core, Json, Vendor
from sandbox.log import Call
from sandbox.misbehaviour import Misbehaviour

__all__ = ["Bog"]


class Bog(Vendor):
    """Every client, token and order of the bank."""

    name: ClassVar[str] = "bog"
    prefixes: ClassVar[tuple[str, ...]] = ("/bog/",)
    verbs: ClassVar[frozenset[str]] = frozenset(
        {
            "add_client", "add_saved_card", "charges", "expire_tokens", "forget_card", "pay",
            "receipt", "refund", "set_automatic", "set_card", "set_tokens", "settle", "tell",
        }
    )  # fmt: skip

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.reset()

    # ---- as every vendor ------------------------------------------------------------------

    def reset(self) -> None:
        with self.core.lock:
            self.key = bank_key()
            self.automatic = False
            self.tokens = Tokens(self.core)
            self.keys = Keys(self.core)
            self.orders: dict[str, Order] = {}

    def load(self, world: Mapping[str, Any], *, now: datetime) -> None:
        with self.core.lock:
            if world.get("private_key"):
                self.key = SigningKey(world["private_key"])
            self.automatic = bool(world.get("automatic", False))
            self.add_client(world["client_id"], world["client_secret"])
            for told in world.get("saved_cards", []):
                days_ago = timedelta(days=told.get("days_ago", 0))
                known = {key: value for key, value in told.items() if key != "days_ago"}
                self.add_saved_card(**known, client_id=world["client_id"])
                self.orders[told["order_id"]].created_at = now - days_ago

    def state(self) -> Json:
        with self.core.lock:
            return {
                "automatic": self.automatic,
                "clients": sorted(self.tokens.clients),
                "public_key": self.public_key,
                "orders": [receipt(order) for order in self.orders.values()],
            }

    def kept(self) -> Json:
        with self.core.lock:
            return {
                "private_key": self.key.written,
                "automatic": self.automatic,
                "tokens": self.tokens.kept(),
                "keys": self.keys.kept(),
                "orders": [kept_order(order, self.core) for order in self.orders.values()],
            }

    def recall(self, kept: Json) -> None:
        with self.core.lock:
            self.key = SigningKey(kept["private_key"])
            self.automatic = kept["automatic"]
            self.tokens.recall(kept["tokens"])
            self.keys.recall(kept["keys"])
            orders = [recalled_order(row, self.core) for row in kept["orders"]]
            self.orders = {order.id: order for order in orders}

    def signer(self, id: str) -> Signer:
        return self._signed

    def blueprint(self) -> Blueprint:
        return make_blueprint(self)

    def tick(self) -> None:
        """Decide the charges that were accepted, when nobody wants to do it by hand."""
        if not self.automatic:
            return
        with self.core.lock:
            for order in list(self.orders.values()):
                if order.status == "processing" and order.parent_id:
                    self._decide(order)

    # ---- who may ask ----------------------------------------------------------------------

    @property
    def public_key(self) -> str:
        """The PEM with which the bank's callbacks are checked."""
        return self.key.public_pem

    def add_client(self, client_id: str, client_secret: str) -> None:
        """Let somebody have tokens."""
        with self.core.lock:
            self.tokens.clients[client_id] = client_secret

    def set_tokens(self, *, seconds: float, expires_in: Any) -> None:
        """Let new tokens work for so long, and say something else of them, however absurd."""
        with self.core.lock:
            self.tokens.seconds, self.tokens.expires_in = seconds, expires_in

    def expire_tokens(self) -> None:
        """End every token now, whatever was said of it."""
        with self.core.lock:
            self.tokens.given.clear()

    # ---- what is asked for, always under the lock --------------------------------------------

    def find(self, client_id: str, order_id: str) -> Order:
        """Return a client's order."""
        order = self.orders.get(order_id)
        if order is None or order.client_id != client_id:
            raise Refusal(404, "Order not found")
        return order

    def add(self, order: Order) -> Order:
        """Take an order that was asked for."""
        self.orders[order.id] = order
        return order

    def charge(self, parent: Order, *, asked: Mapping[str, Any], call: Call) -> Order:
        """Charge the card that an order saved. Nothing is decided before the answer is given.

        Amount, currency and basket are the parent's, whatever is asked for; so are the
        address of the callback and the external id when they are left out (spec C-30).
        """
        told = call.told("decline")
        return self.add(
            Order(
                id=str(uuid.uuid4()),
                client_id=parent.client_id,
                amount=parent.amount,
                currency=parent.currency,
                external_id=asked.get("external_order_id") or parent.external_id,
                callback_url=asked.get("callback_url") or parent.callback_url,
                created_at=self.moment(),
                basket=parent.basket,
                status="processing",
                card=parent.card,
                option="subscription",
                parent_id=parent.id,
                idempotency_key=call.idempotency_key,
                fate="" if told is None else str(told.get("code", "107")),
            )
        )

    def moment(self) -> datetime:
        """Return the bank's time."""
        return datetime.fromtimestamp(self.core.now(), UTC)

    def misbehave(self, kind: str, **how: Any) -> Misbehaviour:
        """Spoil requests to the bank; see ``sandbox/misbehaviour.py``."""
        return self.core.misbehaviours.add(kind, vendor=self.name, **how)

    # ---- what happens: by itself, on the bank's page, or on command --------------------------

    def set_automatic(self, *, on: bool) -> None:
        """Let charges come to what their cards say, or wait for ``settle``."""
        self.automatic = on

    def add_saved_card(
        self,
        order_id: str,
        *,
        amount: str,
        currency: str = "GEL",
        card: str = "good",
        mask: str = "",
        client_id: str = "demo-platform",
        external_id: str = "",
        callback_url: str = "",
    ) -> Json:
        """Add an order that was paid before and saved its card for automatic charges."""
        with self.core.lock:
            like = TEST_CARDS[card]
            order = self.add(
                Order(
                    id=order_id,
                    client_id=client_id,
                    amount=Decimal(amount),
                    currency=currency,
                    external_id=external_id or order_id,
                    callback_url=callback_url,
                    created_at=self.moment(),
                    basket=[{"product_id": "plan", "quantity": 1, "unit_price": amount}],
                    status="completed",
                    code="100",
                    card=replace(like, mask=mask or like.mask),
                    option="direct_debit",
                    asked_to_save="subscription",
                    saved="subscription",
                    transferred=Decimal(amount),
                    transaction_id=_transaction_id(),
                )
            )
            return receipt(order)

    def set_card(self, order_id: str, card: str) -> None:
        """Let the card that an order saved behave like this test card from now on."""
        with self.core.lock:
            order = self.orders[order_id]
            order.card = replace(TEST_CARDS[card], mask=order.card.mask if order.card else "")

    def forget_card(self, order_id: str) -> None:
        """Forget the card that an order saved: charges of it come to 102."""
        with self.core.lock:
            self.orders[order_id].saved = None

    def charges(self, parent_id: str = "") -> list[Json]:
        """Return the automatic charges of one parent or of all, oldest first."""
        with self.core.lock:
            return [
                receipt(order)
                for order in self.orders.values()
                if order.parent_id and parent_id in {"", order.parent_id}
            ]

    def receipt(self, order_id: str) -> Json:
        """Return an order as the bank shows it."""
        with self.core.lock:
            return receipt(self.orders[order_id])

    def pay(self, order_id: str, card: str) -> Json:
        """Pay an order with a test card, as the customer does on the bank's page."""
        with self.core.lock:
            order = self.orders[order_id]
            if order.status != "created":
                raise ValueError(f"{order_id} is {order.status} already")
            order.card = replace(TEST_CARDS[card])
            order.option = "direct_debit"
            order.status = "processing"
            self._come_to(order, order.card.now)
            return receipt(order)

    def settle(
        self, order_id: str, *, code: str = "100", amount: str = "", reason: str = ""
    ) -> Json:
        """Decide an order: paid for "100", rejected for any other code; and tell of it.

        ``amount`` is what is transferred when that is to differ from what was asked for.
        An order that nobody paid in time is ``code="", reason="expiration"``.
        """
        with self.core.lock:
            order = self.orders[order_id]
            if not order.is_open:
                raise ValueError(f"{order_id} is {order.status} already")
            if code and code not in CODES:
                raise ValueError(f"there is no code {code}")
            order.code = code or None
            if code == "100":
                order.status = "completed"
                order.transferred = Decimal(amount) if amount else order.amount
                order.transaction_id = _transaction_id()
                order.saved = order.asked_to_save
                self._moved("charge", order, order.transferred)
            else:
                order.status = "rejected"
                order.reject_reason = reason or CODES.get(code)
            self.tell(order_id)
            return receipt(order)

    def refund(self, order_id: str, amount: str = "") -> Json:
        """Give back all or some of what was paid, and tell of it."""
        with self.core.lock:
            order = self.orders[order_id]
            given = Decimal(amount) if amount else order.left
            if not 0 < given <= order.left:
                raise ValueError(f"{given} of {order_id} cannot be given back")
            order.refunded += given
            order.status = "refunded_partially" if order.left else "refunded"
            order.actions.append(
                {
                    "action_id": str(uuid.uuid4()),
                    "request_channel": "business_manager",
                    "action": "partial_refund" if order.left else "refund",
                    "status": "completed",
                    "zoned_action_date": zoned(self.moment()),
                    "amount": figure(given),
                }
            )
            self._moved("refund", order, given)
            self.tell(order_id)
            return receipt(order)

    def tell(self, order_id: str) -> None:
        """Send a callback about an order as it stands now. The bank tries only once."""
        self.core.touched.set()
        url = self.orders[order_id].callback_url
        if url:
            self.core.callbacks.send(
                Callback(
                    vendor=self.name,
                    id=order_id,
                    url=url,
                    body=self._envelope(receipt(self.orders[order_id])),
                    headers=self._signed,
                    again=False,
                )
            )

    def signed(
        self, order_id: str, *, forged: bool = False, altered: bool = False, **changes: Any
    ) -> tuple[bytes, dict[str, str]]:
        """Return a callback's body and headers, for a test client to post; possibly a bad one.

        ``changes`` replace parts of the receipt. ``forged`` signs with somebody else's key;
        ``altered`` makes the changes after the bank has signed.
        """
        true = receipt(self.orders[order_id])
        raw = self._envelope({**true, **changes})
        if altered:
            return raw, self._signed(self._envelope(true))
        return raw, self._signed(raw, forger() if forged else self.key)

    # ---- inside ------------------------------------------------------------------------------

    def _decide(self, order: Order) -> None:
        parent = self.orders[order.parent_id or ""]
        if parent.saved != "subscription" or parent.card is None:
            self._come_to(order, "102")
        else:
            self._come_to(order, order.fate or parent.card.then)

    def _come_to(self, order: Order, end: str) -> None:
        if end != SILENT:
            self.settle(order.id, code="100" if end == GOOD else end)

    def _envelope(self, body: Json) -> bytes:
        told = {
            "event": "order_payment",
            "zoned_request_time": zoned(self.moment()),
            "body": body,
        }
        return json.dumps(told, ensure_ascii=False).encode()

    def _signed(self, raw: bytes, key: SigningKey | None = None) -> dict[str, str]:
        signature = (key or self.key).sign(raw)
        return {"Content-Type": "application/json", "Callback-Signature": signature}

    def _moved(self, kind: str, order: Order, amount: Decimal) -> None:
        self.core.log.effect(
            at=self.core.now(),
            vendor=self.name,
            account=order.client_id,
            kind=kind,
            id=order.id,
            amount=f"{amount:.2f}",
            currency=order.currency,
            metadata={
                "external_id": order.external_id or "",
                "parent_id": order.parent_id or "",
                "idempotency_key": order.idempotency_key,
            },
        )


def _transaction_id() -> str:
    return str(10**11 + secrets.randbelow(9 * 10**11))
