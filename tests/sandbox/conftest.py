"""A customer of the sandbox's Stripe, and what the vendor's own library sees of it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from sandbox import Sandbox

KEY = "sk_test_alice"
SECRET = "whsec_alice"
NEIGHBOURS_KEY = "sk_test_bob"

Params = dict[str, Any]


def client_of(sandbox: Sandbox, key: str = KEY, timeout: float = 30) -> stripe.StripeClient:
    """Return Stripe's library, speaking to the sandbox and repeating nothing."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": sandbox.url},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=timeout),
    )


@pytest.fixture
def alice(sandbox: Sandbox) -> Iterator[stripe.StripeClient]:
    """Alice's account with one customer, Ada, whose card works; Bob's is beside it."""
    sandbox.stripe.add_account(secret_key=KEY, webhook_secret=SECRET, id="acct_alice")
    sandbox.stripe.add_account(secret_key=NEIGHBOURS_KEY, id="acct_bob")
    sandbox.stripe.add_customer(account=KEY, id="cus_ada", name="Ada")
    sandbox.stripe.add_card("cus_ada", id="pm_ada")
    sandbox.stripe.add_customer(account=NEIGHBOURS_KEY, id="cus_bea", name="Bea")
    sandbox.stripe.add_card("cus_bea", id="pm_bea")
    client = client_of(sandbox)
    yield client
    assert not [each for each in sandbox.stripe.effects() if each.account == "acct_bob"]


@pytest.fixture
def charge(alice: stripe.StripeClient) -> Callable[..., stripe.PaymentIntent]:
    """Charge Ada's card off-session, as Nightshift does."""

    def charged(key: str = "", **changed: Any) -> stripe.PaymentIntent:
        options: Params = {"idempotency_key": key} if key else {}
        return alice.v1.payment_intents.create(charge_params(**changed), options)

    return charged


def charge_params(**changed: Any) -> Any:
    """Return the parameters of an off-session charge; None leaves one out."""
    params = {
        "amount": 5000,
        "currency": "usd",
        "customer": "cus_ada",
        "payment_method": "pm_ada",
        "confirm": True,
        "off_session": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {"invoice": "5"},
        **changed,
    }
    return {name: value for name, value in params.items() if value is not None}
