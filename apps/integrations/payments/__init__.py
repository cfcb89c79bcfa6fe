"""Charging customers' cards: what Nightshift needs of a payment gateway.

Amounts are whole numbers in the *gateway's* unit (``amounts.py`` says which that is for a
currency); currencies are upper-case ISO codes. Nothing here touches the database, and no
verb may be called inside a transaction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from apps.core.problems import Problem
from apps.installations.leaving import refuse_if_strange

__all__ = [
    "BadCredentials",
    "Card",
    "CardSetup",
    "Charge",
    "Checkout",
    "Decline",
    "Dispute",
    "GatewayError",
    "Intent",
    "IntentStatus",
    "OtherParameters",
    "Payments",
    "Refund",
    "Refused",
    "Unreachable",
    "get_payments",
]


# ---- errors -------------------------------------------------------------------------------


class GatewayError(Problem):
    """The gateway could not do it. The text is safe to show; no key, no card, no body."""


class Unreachable(GatewayError):
    """No answer, or none that says what happened: network, time-out, 5xx, 429, 409.

    Whether it was done is unknown; the identical request may be repeated with its key.
    """


class BadCredentials(GatewayError):
    """The firm's key is wrong or revoked (401, 403): nothing of this firm will work."""


class Refused(GatewayError):
    """The gateway will never do this as it was asked (400, 404)."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code  # the gateway's: "resource_missing", "amount_too_small"


class OtherParameters(Refused):
    """The idempotency key was used before with other parameters; nothing was done now."""


# ---- what a gateway knows -----------------------------------------------------------------


_KEY_DIGITS = 18  # what fits a primary key


class IntentStatus(StrEnum):
    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_CAPTURE = "requires_capture"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a bank said no: its code, and what it advises (``do_not_try_again``)."""

    code: str  # "insufficient_funds", "stolen_card", "authentication_required"
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back of an intent. Only ``succeeded`` ones have left."""

    id: str
    intent_id: str
    amount: int
    currency: str
    status: str  # pending, requires_action, succeeded, failed, canceled
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dispute:
    """A customer's bank wants money back. Open until ``won``, ``lost`` or a closed warning."""

    id: str
    intent_id: str
    amount: int
    currency: str
    status: str  # needs_response, under_review, won, lost, warning_…
    created_at: datetime

    @property
    def is_open(self) -> bool:
        return self.status not in {"won", "lost", "warning_closed", "prevented"}


@dataclass(frozen=True, slots=True)
class Intent:
    """One payment as the gateway sees it now."""

    id: str
    status: IntentStatus
    amount: int
    received: int
    currency: str
    created_at: datetime
    livemode: bool
    customer: str = ""
    payment_method: str = ""
    method_type: str = "card"  # card, us_bank_account, sepa_debit …
    metadata: Mapping[str, str] = field(default_factory=dict)
    decline: Decline | None = None
    refunded: int = 0
    disputed: bool = False  # or was once
    disputes: tuple[Dispute, ...] = ()  # as they stand; only ``Payments.intent`` fills them

    def named(self, what: str) -> int | None:
        """Return the key that the metadata give of something of ours, if it is one."""
        text = self.metadata.get(what, "")
        return int(text) if text.isdecimal() and len(text) <= _KEY_DIGITS else None

    @property
    def lost(self) -> int:
        """What disputes have taken."""
        return sum(dispute.amount for dispute in self.disputes if dispute.status == "lost")

    @property
    def is_all_lost(self) -> bool:
        """Whether disputes have taken all that had not gone back before."""
        return self.lost > 0 and self.lost >= self.received - self.refunded


@dataclass(frozen=True, slots=True)
class Card:
    """A stored payment method, as far as it may be shown."""

    id: str
    customer: str
    brand: str = ""
    last4: str = ""
    exp_month: int | None = None
    exp_year: int | None = None


# ---- what is asked of it ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charge:
    """An off-session charge. ``metadata`` carries firm, invoice and attempt."""

    amount: int
    currency: str
    customer: str
    payment_method: str
    idempotency_key: str
    metadata: Mapping[str, str]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page of the gateway's on which the customer pays this amount themselves."""

    amount: int
    currency: str
    customer: str
    label: str  # what the page calls it: "Invoice INV-2025-001"
    metadata: Mapping[str, str]
    success_url: str
    cancel_url: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class CardSetup:
    """A page of the gateway's on which the customer stores a new card."""

    currency: str
    customer: str
    metadata: Mapping[str, str]
    success_url: str
    cancel_url: str
    idempotency_key: str


class Payments(Protocol):
    """A firm's account at a gateway. Every call has a time-out; every write a key."""

    def charge(self, charge: Charge) -> Intent:
        """Charge a stored card off-session and return the intent, a declined one too.

        Fails instead of waiting for the customer: then ``decline.code`` is
        ``authentication_required``.
        """

    def intent(self, intent_id: str) -> Intent:
        """Return a payment as it is now, with what was refunded and disputed."""

    def intents(self, *, since: datetime, customer: str = "") -> Iterator[Intent]:
        """Yield the payments created at or after ``since``, all pages of them."""

    def refunds(self, *, since: datetime) -> Iterator[Refund]:
        """Yield the refunds created at or after ``since``, all pages of them."""

    def disputes(self, *, since: datetime) -> Iterator[Dispute]:
        """Yield the disputes created at or after ``since``, all pages of them."""

    def card(self, payment_method: str) -> Card:
        """Return what may be known of a stored payment method."""

    def add_customer(
        self, *, name: str, email: str, key: str, metadata: Mapping[str, str]
    ) -> str:
        """Make a customer and return its id; the same ``key`` returns the same customer."""

    def delete_customer(self, customer: str) -> None:
        """Delete a customer with the cards it stores; one that is gone is no error.

        The payments that were made stay: they are the gateway's own books. It needs no key,
        because deleting twice is deleting once.
        """

    def checkout(self, checkout: Checkout) -> str:
        """Return the address of a page on which the customer pays."""

    def set_up_card(self, setup: CardSetup) -> str:
        """Return the address of a page on which the customer stores a new card."""

    def check(self) -> None:
        """Make sure that the credentials work; raises ``BadCredentials`` if not."""

    def close(self) -> None:
        """Give the connections back."""


def get_payments(*, provider: str, secret_key: str) -> Payments:
    """Return the gateway of that name, for one firm's key."""
    refuse_if_strange()
    from apps.integrations.payments.stripe import StripePayments  # noqa: PLC0415 - slow import

    if provider != "stripe":
        raise Refused(f"There is no payment gateway '{provider}'.")
    return StripePayments(secret_key)
