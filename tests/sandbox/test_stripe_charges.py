"""The sandbox's Stripe …"""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from sandbox import Sandbox
from tests.sandbox.conftest import NEIGHBOURS_KEY, charge_params, client_of

Charge = Callable[..., stripe.PaymentIntent]


def test_charges_a_stored_card(charge: Charge, sandbox: Sandbox) -> None:
    intent = charge("key-1", expand=["latest_charge"], description="Rent")

    assert intent.status == "succeeded"
    assert (intent.amount, intent.amount_received, intent.currency) == (5000, 5000, "usd")
    assert (intent.customer, intent.payment_method) == ("cus_ada", "pm_ada")
    assert intent.livemode is False
    paid: Any = intent.latest_charge
    assert (paid.status, paid.paid, paid.amount_refunded, paid.disputed) == (
        "succeeded",
        True,
        0,
        False,
    )
    [effect] = sandbox.stripe.charges_made(metadata={"invoice": "5"})
    assert (effect.id, effect.amount, effect.currency) == (intent.id, 5000, "usd")
    assert (effect.kind, effect.account, effect.idempotency_key) == (
        "charge",
        "acct_alice",
        "key-1",
    )


@pytest.mark.parametrize(
    ("behaviour", "code", "decline_code", "advice"),
    [
        ("insufficient_funds", "card_declined", "insufficient_funds", "try_again_later"),
        ("generic_decline", "card_declined", "generic_decline", "try_again_later"),
        ("stolen_card", "card_declined", "stolen_card", "do_not_try_again"),
        ("lost_card", "card_declined", "lost_card", "do_not_try_again"),
        ("expired_card", "expired_card", "expired_card", "confirm_card_data"),
        ("processing_error", "processing_error", "processing_error", "try_again_later"),
        ("authentication_required", "authentication_required", "authentication_required", None),
    ],
)
def test_declines_as_the_card_says(
    behaviour: str,
    code: str,
    decline_code: str,
    advice: str | None,
    charge: Charge,
    sandbox: Sandbox,
) -> None:
    sandbox.stripe.set_behaviour("pm_ada", behaviour)

    with pytest.raises(stripe.CardError) as caught:
        charge()

    told: Any = caught.value.error
    assert caught.value.http_status == 402
    assert (told.code, told.decline_code) == (code, decline_code)
    assert getattr(told, "advice_code", None) == advice
    assert told.payment_intent.status == "requires_payment_method"
    assert told.payment_intent.last_payment_error.decline_code == decline_code
    assert told.payment_intent.metadata.invoice == "5"
    assert told.payment_method.id == "pm_ada"
    assert told.charge == told.payment_intent.latest_charge
    assert sandbox.stripe.effects() == []


def test_plays_a_card_s_behaviours_one_after_the_other(
    charge: Charge, sandbox: Sandbox
) -> None:
    sandbox.stripe.set_behaviour("pm_ada", ["insufficient_funds", "do_not_honor", "succeeds"])

    for code in ("insufficient_funds", "do_not_honor"):
        with pytest.raises(stripe.CardError) as caught:
            charge()
        assert caught.value.error.decline_code == code
    assert charge().status == "succeeded"
    assert charge().status == "succeeded"


def test_declines_a_good_card_when_told_to(charge: Charge, sandbox: Sandbox) -> None:
    sandbox.stripe.misbehave("decline", code="do_not_honor", advice="do_not_try_again", nth=2)

    assert charge().status == "succeeded"
    with pytest.raises(stripe.CardError) as caught:
        charge()
    assert caught.value.error.decline_code == "do_not_honor"
    assert caught.value.error.advice_code == "do_not_try_again"
    assert charge().status == "succeeded"


def test_asks_for_authentication_when_the_customer_is_there(
    charge: Charge, sandbox: Sandbox
) -> None:
    sandbox.stripe.set_behaviour("pm_ada", "authentication_required")

    intent = charge(off_session=None)

    assert intent.status == "requires_action"
    with pytest.raises(stripe.CardError):
        charge(off_session=None, error_on_requires_action=True)


def test_settles_a_bank_debit_later(
    alice: stripe.StripeClient, charge: Charge, sandbox: Sandbox
) -> None:
    bank = sandbox.stripe.add_card("cus_ada", type="us_bank_account", behaviour="processing")

    first, second = charge(payment_method=bank), charge(payment_method=bank)
    assert (first.status, first.amount_received) == ("processing", 0)
    assert sandbox.stripe.effects() == []

    sandbox.stripe.settle(first.id)
    sandbox.stripe.settle(second.id, "insufficient_funds")

    assert alice.v1.payment_intents.retrieve(first.id).status == "succeeded"
    failed: Any = alice.v1.payment_intents.retrieve(second.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error.decline_code == "insufficient_funds"
    assert [effect.id for effect in sandbox.stripe.effects()] == [first.id]


def test_settles_a_bank_debit_by_itself(
    alice: stripe.StripeClient, charge: Charge, sandbox: Sandbox
) -> None:
    bank = sandbox.stripe.add_card("cus_ada", behaviour="processing", settles_after=3600)
    intent = charge(payment_method=bank)
    assert alice.v1.payment_intents.retrieve(intent.id).status == "processing"

    sandbox.core.offset = 3600

    assert alice.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_charges_an_intent_in_two_steps(alice: stripe.StripeClient) -> None:
    params = charge_params(confirm=None, off_session=None)
    intent = alice.v1.payment_intents.create(params)
    assert intent.status == "requires_confirmation"

    assert alice.v1.payment_intents.confirm(intent.id).status == "succeeded"

    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.payment_intents.confirm(intent.id)
    assert caught.value.code == "payment_intent_unexpected_state"


def test_cancels_what_is_not_paid(alice: stripe.StripeClient, charge: Charge) -> None:
    open_ = alice.v1.payment_intents.create({"amount": 5000, "currency": "usd"})
    assert open_.status == "requires_payment_method"
    params: Any = {"cancellation_reason": "abandoned"}
    canceled = alice.v1.payment_intents.cancel(open_.id, params)
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")

    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.payment_intents.cancel(charge().id)
    assert caught.value.code == "payment_intent_unexpected_state"


def test_keeps_accounts_apart(
    alice: stripe.StripeClient, charge: Charge, sandbox: Sandbox
) -> None:
    mine = charge("key-1")
    bob = client_of(sandbox, NEIGHBOURS_KEY).v1

    with pytest.raises(stripe.InvalidRequestError) as caught:
        bob.payment_intents.retrieve(mine.id)
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    assert bob.payment_intents.list().data == []
    assert [each.id for each in bob.customers.list().data] == ["cus_bea"]
    with pytest.raises(stripe.InvalidRequestError):
        alice.v1.payment_intents.create(
            charge_params(customer="cus_bea", payment_method="pm_bea")
        )


@pytest.mark.parametrize(
    ("changed", "status", "code", "param"),
    [
        ({"customer": "cus_nobody"}, 400, "resource_missing", "customer"),
        ({"payment_method": "pm_nobody"}, 400, "resource_missing", "payment_method"),
        ({"payment_method": "pm_other"}, 400, None, "payment_method"),
        ({"customer": None}, 400, None, "payment_method"),
        ({"payment_method": None}, 400, "payment_intent_unexpected_state", None),
        ({"payment_method": "pm_card_visa"}, 400, None, "payment_method"),
        ({"automatic_payment_methods": {"enabled": True}}, 400, None, "return_url"),
        ({"confirm": None}, 400, None, "off_session"),
    ],
)
def test_refuses_what_does_not_fit_together(
    changed: dict[str, Any],
    status: int,
    code: str | None,
    param: str | None,
    charge: Charge,
    sandbox: Sandbox,
) -> None:
    sandbox.stripe.add_card(sandbox.stripe.add_customer(account="sk_test_alice"), id="pm_other")

    with pytest.raises(stripe.InvalidRequestError) as caught:
        charge(**changed)

    assert (caught.value.http_status, caught.value.code) == (status, code)
    assert caught.value.param == param
    assert sandbox.stripe.intents == []


def test_refuses_a_detached_card(
    alice: stripe.StripeClient, charge: Charge, sandbox: Sandbox
) -> None:
    alice.v1.payment_methods.detach("pm_ada")

    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        charge()
    assert sandbox.stripe.effects() == []


def test_refunds_and_never_more_than_was_paid(
    alice: stripe.StripeClient, charge: Charge, sandbox: Sandbox
) -> None:
    intent = charge()

    part = alice.v1.refunds.create({"payment_intent": intent.id, "amount": 2000})
    assert (part.status, part.amount, part.payment_intent) == ("succeeded", 2000, intent.id)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        alice.v1.refunds.create({"payment_intent": intent.id, "amount": 3001})
    sandbox.stripe.refund(intent.id)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.refunds.create({"payment_intent": intent.id})

    assert caught.value.code == "charge_already_refunded"
    found: Any = alice.v1.payment_intents.retrieve(
        intent.id, {"expand": ["latest_charge.refunds"]}
    )
    assert found.latest_charge.amount_refunded == 5000
    assert found.latest_charge.refunded is True
    assert [each.amount for each in found.latest_charge.refunds.data] == [3000, 2000]
    assert [each.amount for each in alice.v1.refunds.list().data] == [3000, 2000]
    assert [each.amount for each in sandbox.stripe.effects("refund")] == [2000, 3000]


def test_opens_and_closes_disputes(
    alice: stripe.StripeClient, charge: Charge, sandbox: Sandbox
) -> None:
    intent = charge()
    dispute = sandbox.stripe.dispute(intent.id)

    [found] = alice.v1.disputes.list({"payment_intent": intent.id}).data
    assert (found.id, found.status, found.amount) == (dispute, "needs_response", 5000)
    expanded: Any = alice.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert expanded.latest_charge.disputed is True

    sandbox.stripe.close_dispute(dispute, "won")

    assert alice.v1.disputes.retrieve(dispute).status == "won"
    assert [each.kind for each in sandbox.stripe.effects()] == [
        "charge",
        "dispute",
        "dispute_won",
    ]


def test_pays_remotely_without_a_request(sandbox: Sandbox, alice: stripe.StripeClient) -> None:
    id = sandbox.stripe.pay_remotely(customer="cus_ada", card="pm_ada", amount=80000)

    assert alice.v1.payment_intents.retrieve(id).status == "succeeded"
    [effect] = sandbox.stripe.effects()
    assert (effect.id, effect.amount, effect.request) == (id, 80000, 0)
