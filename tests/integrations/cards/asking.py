"""What the tests ask of the bank."""

import uuid
from typing import Any

from moneyed import Money

from apps.integrations.cards import BankOrder, Cards, SavedCardCharge, get_cards
from sandbox.bog import Bog

CLIENT = "demo-platform"
CALLBACK = "https://nightshift.example/webhooks/bog/1/"


def secret(bank: Bog, client_id: str = CLIENT) -> str:
    """The right secret of a client."""
    return bank.tokens.clients[client_id]


def adapter(bank: Bog, client_id: str = CLIENT, *, client_secret: str = "") -> Cards:
    """Another adapter; without a secret, one with the right one. It has to be closed."""
    return get_cards(
        provider="bog",
        client_id=client_id,
        client_secret=client_secret or secret(bank, client_id),
    )


def charge(**changes: Any) -> SavedCardCharge:
    """A renewal by the card that the order ``parent`` saved."""
    asked = {
        "parent_id": "parent",
        "amount": Money("59.00", "GEL"),
        "external_id": "renewal-1",
        "idempotency_key": uuid.uuid4(),
        "callback_url": CALLBACK,
    }
    return SavedCardCharge(**{**asked, **changes})


def order(**changes: Any) -> BankOrder:
    """A first payment on the bank's page."""
    asked = {
        "amount": Money("59.00", "GEL"),
        "external_id": "first-1",
        "idempotency_key": uuid.uuid4(),
        "callback_url": CALLBACK,
        "success_url": "https://nightshift.example/paid",
        "fail_url": "https://nightshift.example/failed",
        "label": "Nightshift, 30 days",
    }
    return BankOrder(**{**asked, **changes})


def paths(bank: Bog) -> list[str]:
    """What the bank was asked, in order, without the address all of it shares."""
    return [
        f"{call.method} {call.path.removeprefix('/bog').removeprefix('/payments/v1')}"
        for call in bank.core.log.requests
    ]
