"""The Bank of Georgia's online payments (https://api.bog.ge/docs/en/payments/introduction)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from moneyed import Money

from apps.core import money
from apps.integrations.cards import (
    BadCredentials,
    BankOrder,
    Receipt,
    Refused,
    SavedCardCharge,
    Unreachable,
)
from apps.integrations.cards.answers import (
    read_object,
    read_order_id,
    read_page,
    read_receipt,
)
from apps.integrations.cards.tokens import access_token
from apps.integrations.cards.wire import Answer, Header, Wire

# Client errors that say nothing about what was asked: time-out, too early, too many.
_ASK_AGAIN = {408, 425, 429}


class BogCards:
    """The platform's account at the Bank of Georgia. Threads may share it."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._wire = Wire()

    def charge_saved_card(self, charge: SavedCardCharge) -> str:
        """Ask for an automatic charge and return the bank's id of the new order.

        The bank cannot be told an amount: it charges what the parent order was for. So the
        parent is asked first, and one of another amount or currency is refused here (spec
        C-30). https://api.bog.ge/docs/en/payments/saved-card/offline-payment
        """
        parent = self.receipt(charge.parent_id)
        if parent.amount != charge.amount:
            raise Refused(
                f"The order that saved the card was for {money.write(parent.amount)}, "
                f"not {money.write(charge.amount)}; the bank would charge that again."
            )
        told = self._tell(
            "charge the saved card",
            "POST",
            f"/ecommerce/orders/{_segment(charge.parent_id)}/subscribe",
            key=charge.idempotency_key,
            body={
                "callback_url": charge.callback_url,
                "external_order_id": charge.external_id,
            },
        )
        return read_order_id(told)

    def create_order(self, order: BankOrder) -> tuple[str, str]:
        """Make an order and return its id and the address of the bank's page.

        Only cards are offered there: nothing else can be saved for the renewals.
        https://api.bog.ge/docs/en/payments/standard-process/create-order
        """
        told = self._tell(
            "make an order",
            "POST",
            "/ecommerce/orders",
            key=order.idempotency_key,
            body={
                "callback_url": order.callback_url,
                "external_order_id": order.external_id,
                "purchase_units": {
                    "currency": order.amount.currency.code,
                    "total_amount": _number(order.amount),
                    "basket": [
                        {
                            "product_id": order.external_id,
                            "description": order.label,
                            "quantity": 1,
                            "unit_price": _number(order.amount),
                        }
                    ],
                },
                "redirect_urls": {"success": order.success_url, "fail": order.fail_url},
                "payment_method": ["card"],
            },
        )
        return read_order_id(told), read_page(told)

    def allow_charges(self, order_id: str, *, idempotency_key: UUID) -> None:
        """Save the card of a new order for later automatic charges, before it is paid.

        https://api.bog.ge/docs/en/payments/saved-card/offline
        """
        self._ask(
            "save the card",
            "PUT",
            f"/orders/{_segment(order_id)}/subscriptions",
            key=idempotency_key,
        )

    def receipt(self, order_id: str) -> Receipt:
        """Return what the bank says of an order now.

        https://api.bog.ge/docs/en/payments/standard-process/get-payment-details
        """
        told = self._tell("show the receipt", "GET", f"/receipt/{_segment(order_id)}")
        receipt = read_receipt(told)
        if receipt.order_id != order_id:
            raise Unreachable("The bank's answer is about another order.")
        return receipt

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def _tell(self, what: str, method: str, path: str, **asked: Any) -> Mapping[str, Any]:
        return read_object(self._ask(what, method, path, **asked).body)

    def _ask(
        self,
        what: str,
        method: str,
        path: str,
        *,
        key: UUID | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Ask for something; once more with a new token if the bank does not take this one.

        A request without a good token does nothing, so asking again is safe.
        """
        token = self._token()
        answer = self._send(token, method, path, key, body)
        if answer.status == 401:
            answer = self._send(self._token(instead_of=token), method, path, key, body)
        if 200 <= answer.status < 300:
            return answer
        if answer.status in {401, 403}:
            raise BadCredentials("The bank does not accept the platform's credentials.")
        if 400 <= answer.status < 500 and answer.status not in _ASK_AGAIN:
            raise Refused(
                f"The bank refused to {what} (HTTP {answer.status}).", status=answer.status
            )
        raise Unreachable(f"The bank did not {what} (HTTP {answer.status}).")

    def _send(
        self,
        token: str,
        method: str,
        path: str,
        key: UUID | None,
        body: Mapping[str, Any] | None,
    ) -> Answer:
        return self._wire.exchange(
            method,
            f"{settings.BOG_API}{path}",
            auth=Header(f"Bearer {token}"),
            headers={"Idempotency-Key": str(key)} if key else {},
            json=body,
        )

    def _token(self, *, instead_of: str = "") -> str:
        return access_token(
            self._wire,
            client_id=self._client_id,
            client_secret=self._client_secret,
            instead_of=instead_of,
        )


def _segment(order_id: str) -> str:
    return quote(order_id, safe="")


def _number(amount: Money) -> float:
    """The bank wants a JSON number. One of two decimals is written as exactly that."""
    return float(amount.amount)
