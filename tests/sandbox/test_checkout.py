"""The page behind a checkout session of the sandbox's Stripe …"""

from typing import Any

import pytest
import requests
import stripe

from sandbox import Sandbox
from tests.sandbox.conftest import charge_params

PAYMENT: Any = {
    "mode": "payment",
    "customer": "cus_ada",
    "line_items": [
        {
            "quantity": 2,
            "price_data": {
                "currency": "usd",
                "unit_amount": 2500,
                "product_data": {"name": "Invoice INV-2025-001"},
            },
        }
    ],
    "payment_intent_data": {"metadata": {"invoice": "5"}},
    "success_url": "https://nightshift.example/paid?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://nightshift.example/not-paid",
}
SETUP: Any = {
    "mode": "setup",
    "customer": "cus_ada",
    "currency": "usd",
    "setup_intent_data": {"metadata": {"account": "7"}},
    "success_url": "https://nightshift.example/stored",
}


def post(session: Any, card: str) -> requests.Response:
    return requests.post(session.url, {"card": card}, allow_redirects=False, timeout=5)


def test_takes_a_payment(alice: stripe.StripeClient, sandbox: Sandbox) -> None:
    session = alice.v1.checkout.sessions.create(PAYMENT)
    assert (session.status, session.amount_total, session.payment_intent) == (
        "open",
        5000,
        None,
    )
    page = requests.get(str(session.url), timeout=5)
    assert (page.status_code, "5000 USD" in page.text) == (200, True)

    answer = post(session, "pm_card_visa")

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"https://nightshift.example/paid?session={session.id}"
    done: Any = alice.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert done.payment_intent.customer == "cus_ada"
    [effect] = sandbox.stripe.charges_made(metadata={"invoice": "5"})
    assert (effect.id, effect.amount) == (done.payment_intent.id, 5000)
    assert [event["type"] for event in sandbox.stripe.events][-2:] == [
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    assert post(session, "pm_card_visa").status_code == 400


def test_stores_a_card(alice: stripe.StripeClient, sandbox: Sandbox) -> None:
    session = alice.v1.checkout.sessions.create(SETUP)

    post(session, "pm_card_mastercard")

    setup: Any = alice.v1.setup_intents.retrieve(str(session.setup_intent))
    assert (setup.status, setup.metadata.account) == ("succeeded", "7")
    card = alice.v1.payment_methods.retrieve(setup.payment_method)
    assert card.customer == "cus_ada"
    charged = alice.v1.payment_intents.create(charge_params(payment_method=card.id))
    assert charged.status == "succeeded"
    assert [event["type"] for event in sandbox.stripe.events][:4] == [
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize("params", [PAYMENT, SETUP])
def test_lets_the_customer_try_another_card(
    params: Any, alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = alice.v1.checkout.sessions.create(params)

    declined = post(session, "pm_card_visa_chargeDeclinedInsufficientFunds")
    assert (declined.status_code, "insufficient funds" in declined.text) == (402, True)
    assert alice.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert post(session, "pm_card_visa").status_code == 303

    paid = alice.v1.payment_intents.list().data
    assert [each.status for each in paid] == (["succeeded"] if params is PAYMENT else [])


def test_can_be_completed_without_a_browser(
    alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = alice.v1.checkout.sessions.create(PAYMENT)

    sandbox.stripe.complete_checkout(session.id)

    assert alice.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_closes_after_a_day(alice: stripe.StripeClient, sandbox: Sandbox) -> None:
    session = alice.v1.checkout.sessions.create(PAYMENT)

    sandbox.core.offset = 24 * 3600

    assert alice.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert post(session, "pm_card_visa").status_code == 400
    assert sandbox.stripe.effects() == []


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({**PAYMENT, "line_items": []}, "line_items"),
        ({**PAYMENT, "customer": "cus_nobody"}, "customer"),
        ({**PAYMENT, "success_url": "nowhere"}, "success_url"),
        ({**SETUP, "line_items": PAYMENT["line_items"]}, "line_items"),
        ({**SETUP, "payment_method_types": ["card"]}, "payment_method_types"),
        ({key: value for key, value in SETUP.items() if key != "currency"}, "currency"),
    ],
)
def test_is_not_made_of_nonsense(params: Any, param: str, alice: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.checkout.sessions.create(params)

    assert caught.value.param == param
