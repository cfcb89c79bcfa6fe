"""Customers and their cards, at the sandbox's Stripe."""

from typing import Any

import pytest
import stripe

from sandbox import Sandbox
from tests.sandbox.conftest import charge_params


def test_a_customer_is_made_once_per_key(alice: stripe.StripeClient) -> None:
    params: Any = {"name": "Cleo", "email": "cleo@example.com", "metadata": {"account": "7"}}

    first = alice.v1.customers.create(params, {"idempotency_key": "customer-7"})
    second = alice.v1.customers.create(params, {"idempotency_key": "customer-7"})

    assert first.id == second.id
    found: Any = alice.v1.customers.retrieve(first.id)
    assert (found.name, found.email, found.metadata.account) == (
        "Cleo",
        "cleo@example.com",
        "7",
    )


def test_a_customer_is_changed_and_deleted(
    alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    changed: Any = alice.v1.customers.update(
        "cus_ada", {"email": "ada@example.com", "metadata": {"account": "7"}}
    )
    assert (changed.name, changed.email) == ("Ada", "ada@example.com")

    assert alice.v1.customers.delete("cus_ada").deleted is True

    gone: Any = alice.v1.customers.retrieve("cus_ada")
    assert (gone.deleted, "email" in gone) == (True, False)
    assert [each.id for each in alice.v1.customers.list().data] == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.payment_intents.create(charge_params())
    assert (caught.value.code, caught.value.param) == ("resource_missing", "customer")
    assert sandbox.stripe.effects() == []


def test_a_test_card_is_attached_and_charged(alice: stripe.StripeClient) -> None:
    card: Any = alice.v1.payment_methods.attach("pm_card_mastercard", {"customer": "cus_ada"})
    assert (card.customer, card.card.brand, card.card.last4) == (
        "cus_ada",
        "mastercard",
        "4444",
    )

    intent = alice.v1.payment_intents.create(charge_params(payment_method=card.id))

    assert intent.status == "succeeded"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("pm_card_visa_chargeDeclinedStolenCard", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
    ],
)
def test_a_card_that_declines_at_once_cannot_be_attached(
    token: str, code: str, alice: stripe.StripeClient
) -> None:
    with pytest.raises(stripe.CardError) as caught:
        alice.v1.payment_methods.attach(token, {"customer": "cus_ada"})

    assert caught.value.error.decline_code == code


def test_a_card_that_declines_later_can_be_attached(alice: stripe.StripeClient) -> None:
    card = alice.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": "cus_ada"}
    )

    with pytest.raises(stripe.CardError):
        alice.v1.payment_intents.create(charge_params(payment_method=card.id))


def test_a_card_is_stored_by_a_setup_intent(
    alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    setup = alice.v1.setup_intents.create(
        {"customer": "cus_ada", "payment_method": "pm_card_visa", "confirm": True}
    )

    assert setup.status == "succeeded"
    card = alice.v1.payment_methods.retrieve(str(setup.payment_method))
    assert card.customer == "cus_ada"
    assert [event["type"] for event in sandbox.stripe.events] == [
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]


def test_the_account_tells_who_it_is(alice: stripe.StripeClient) -> None:
    account = alice.v1.accounts.retrieve_current()

    assert (account.id, account.charges_enabled) == ("acct_alice", True)
