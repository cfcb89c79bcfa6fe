"""A firm's account at a Stripe that runs on loopback, and the way to it."""

from collections.abc import Iterator

import pytest

from apps.integrations.payments.stripe import StripePayments
from sandbox import Sandbox
from tests.integrations.payments.asking import KEY


@pytest.fixture
def stripe(sandbox: Sandbox) -> Sandbox:
    """Stripe with Ada, whose card ``pm_ada`` can be charged."""
    sandbox.stripe.add_account(secret_key=KEY)
    sandbox.stripe.add_customer(id="cus_ada", name="Ada Lovelace", email="ada@example.com")
    sandbox.stripe.add_card("cus_ada", id="pm_ada", exp_month=8, exp_year=2030)
    return sandbox


@pytest.fixture
def payments(stripe: Sandbox) -> Iterator[StripePayments]:
    """The way to it; reads that fail are repeated at once."""
    payments = StripePayments(KEY, pauses=(0, 0))
    yield payments
    payments.close()
