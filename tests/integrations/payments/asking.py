"""What the tests ask of the gateway."""

from dataclasses import replace
from typing import Any

from apps.integrations.payments import CardSetup, Charge, Checkout

KEY = "sk_test_51NightshiftSecretKey"
METADATA = {"firm": "1", "invoice": "5", "attempt": "7"}
CHARGE = Charge(
    amount=5_000_00,
    currency="USD",
    customer="cus_ada",
    payment_method="pm_ada",
    idempotency_key="autopay-1",
    metadata=METADATA,
    description="Invoice INV-2025-001",
)
CHECKOUT = Checkout(
    amount=1_000_00,
    currency="USD",
    customer="cus_ada",
    label="Invoice INV-2025-001",
    metadata={"firm": "1", "invoice": "5", "purpose": "checkout"},
    success_url="https://nightshift.example/pay/x/thanks/",
    cancel_url="https://nightshift.example/pay/x/cancelled/",
    idempotency_key="checkout-1",
)
SETUP = CardSetup(
    currency="USD",
    customer="cus_ada",
    metadata={"firm": "1", "account": "3", "purpose": "card"},
    success_url="https://nightshift.example/pay/x/card/thanks/",
    cancel_url="https://nightshift.example/pay/x/card/cancelled/",
    idempotency_key="card-1",
)


def charge(**other: Any) -> Charge:
    """Return the usual charge with something else about it."""
    return replace(CHARGE, **other)
