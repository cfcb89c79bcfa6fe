"""Charging the platform's own subscribers by a bank's saved cards.

Amounts are ``Money``. A charge is only *accepted* here; whether it was paid is told later, by
a signed callback or by the receipt. No verb may be called inside a transaction.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from moneyed import Money

from apps.core.problems import Problem
from apps.installations.leaving import refuse_if_strange

__all__ = [
    "BadCredentials",
    "BankError",
    "BankOrder",
    "Cards",
    "OrderStatus",
    "Receipt",
    "Refused",
    "SavedCardCharge",
    "Unreachable",
    "get_cards",
]


class BankError(Problem):
    """The bank could not do it. The text is safe to show."""


class Unreachable(BankError):
    """No answer, or none that says what happened; the identical request may be repeated."""


class BadCredentials(BankError):
    """The platform's credentials are wrong or revoked."""


class Refused(BankError):
    """The bank will never do this as it was asked (400, 404, 409)."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class OrderStatus(StrEnum):
    """The bank's ``order_status.key``."""

    CREATED = "created"
    PROCESSING = "processing"
    COMPLETED = "completed"
    REJECTED = "rejected"
    REFUND_REQUESTED = "refund_requested"
    REFUNDED = "refunded"
    REFUNDED_PARTIALLY = "refunded_partially"
    AUTH_REQUESTED = "auth_requested"
    BLOCKED = "blocked"
    PARTIAL_COMPLETED = "partial_completed"


@dataclass(frozen=True, slots=True)
class SavedCardCharge:
    """An automatic charge of the card that the order ``parent_id`` saved."""

    parent_id: str
    amount: Money  # the parent's: the bank charges that again and cannot be told another
    external_id: str  # ours; without it the bank would repeat the parent's
    idempotency_key: UUID
    callback_url: str


@dataclass(frozen=True, slots=True)
class BankOrder:
    """An order that the customer pays on the bank's page; the card may be saved."""

    amount: Money
    external_id: str
    idempotency_key: UUID
    callback_url: str
    success_url: str
    fail_url: str
    label: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the bank says of an order now."""

    order_id: str
    external_id: str
    status: OrderStatus
    amount: Money  # asked for
    paid: Money  # transferred
    refunded: Money
    code: str = ""  # "100" ok, "107" insufficient funds …
    card_mask: str = ""
    card_saved: bool = False
    parent_id: str = ""


class Cards(Protocol):
    """The platform's account at the bank. Every call has a time-out, every write a key."""

    def charge_saved_card(self, charge: SavedCardCharge) -> str:
        """Ask for an automatic charge and return the bank's id of the new order.

        Being accepted is not being paid. The same key returns the same order. Raises
        ``Refused`` when the parent was for another amount or currency; nothing is charged.
        """

    def create_order(self, order: BankOrder) -> tuple[str, str]:
        """Make an order and return its id and the address of the bank's page."""

    def allow_charges(self, order_id: str, *, idempotency_key: UUID) -> None:
        """Save the card of a new order for later automatic charges, before it is paid."""

    def receipt(self, order_id: str) -> Receipt:
        """Return what the bank says of an order now."""

    def close(self) -> None:
        """Give the connections back."""


def get_cards(*, provider: str, client_id: str, client_secret: str) -> Cards:
    """Return the bank of that name, for the platform's credentials."""
    refuse_if_strange()
    from apps.integrations.cards.bog import BogCards  # noqa: PLC0415 - as in payments

    if provider != "bog":
        raise Refused(f"There is no bank '{provider}'.")
    return BogCards(client_id, client_secret)
