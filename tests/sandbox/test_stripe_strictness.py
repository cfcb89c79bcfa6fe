"""The sandbox's Stripe refuses what Stripe would refuse: keys, parameters, amounts."""

from typing import Any

import pytest
import stripe
from stripe.params._payment_intent_create_params import PaymentIntentCreateParams

from sandbox import Sandbox
from sandbox.stripe.parameters import check, decode
from tests.sandbox.conftest import KEY, charge_params, client_of

# Said to be in every session; nothing of ours looks at them.
NEW = {"origin_context", "redirect_on_completion"}


@pytest.mark.parametrize(
    ("spoil", "status", "error"),
    [
        ("unknown", 401, stripe.AuthenticationError),
        ("revoke", 401, stripe.AuthenticationError),
        ("restrict", 403, stripe.PermissionError),
    ],
)
def test_refuses_a_wrong_key(
    spoil: str,
    status: int,
    error: type[stripe.StripeError],
    alice: stripe.StripeClient,
    sandbox: Sandbox,
) -> None:
    client = client_of(sandbox, "sk_test_0123456789") if spoil == "unknown" else alice
    if spoil != "unknown":
        getattr(sandbox.stripe, spoil)(KEY)

    with pytest.raises(error) as caught:
        client.v1.payment_intents.list()

    assert caught.value.http_status == status
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "code", "param"),
    [
        ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        (
            {"automatic_payment_methods": {"enabled": True, "redirects": "never"}},
            "parameter_unknown",
            "automatic_payment_methods[redirects]",
        ),
        (
            {"automatic_payment_methods": {"enabled": True, "allow_redirects": "maybe"}},
            None,
            "automatic_payment_methods[allow_redirects]",
        ),
        ({"amount": "50.00"}, "parameter_invalid_integer", "amount"),
        ({"amount": None}, "parameter_missing", "amount"),
        ({"currency": None}, "parameter_missing", "currency"),
        ({"currency": "xxx"}, None, "currency"),
        ({"confirm": "yes"}, None, "confirm"),
        ({"off_session": "sometimes"}, None, "off_session"),
        ({"customer": ""}, "parameter_invalid_empty", "customer"),
        ({"metadata": "none"}, None, "metadata"),
        ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
        ({"expand": ["latest_charge.colour"]}, None, "expand"),
        ({"expand": ["data.latest_charge"]}, None, "expand"),
    ],
)
def test_refuses_a_wrong_parameter(
    changed: dict[str, Any],
    code: str | None,
    param: str,
    alice: stripe.StripeClient,
    sandbox: Sandbox,
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.payment_intents.create(charge_params(**changed))

    assert (caught.value.http_status, caught.value.code) == (400, code)
    assert caught.value.param == param
    assert (sandbox.stripe.intents, sandbox.stripe.events) == ([], [])


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (50, "usd", ""),
        (49, "usd", "amount_too_small"),
        (30, "gbp", ""),
        (29, "gbp", "amount_too_small"),
        (50, "jpy", ""),
        (49, "jpy", "amount_too_small"),
        (10500, "kwd", ""),
        (10505, "kwd", "parameter_invalid_integer"),
        (10000, "isk", ""),
        (10050, "isk", "parameter_invalid_integer"),
        (0, "usd", "parameter_invalid_integer"),
        (99_999_999, "usd", ""),
        (100_000_000, "usd", "amount_too_large"),
    ],
)
def test_takes_amounts_in_the_currency_s_own_units(
    amount: int, currency: str, code: str, alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    params = charge_params(amount=amount, currency=currency)
    if code:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            alice.v1.payment_intents.create(params)
        assert (caught.value.code, caught.value.param) == (code, "amount")
        assert sandbox.stripe.effects() == []
    else:
        assert alice.v1.payment_intents.create(params).amount_received == amount


def test_takes_currencies_in_capitals(alice: stripe.StripeClient) -> None:
    assert alice.v1.payment_intents.create(charge_params(currency="USD")).currency == "usd"


def test_knows_an_account_by_its_new_key(alice: stripe.StripeClient, sandbox: Sandbox) -> None:
    sandbox.stripe.roll_key(KEY, "sk_test_rolled")

    with pytest.raises(stripe.AuthenticationError):
        alice.v1.customers.list()
    rolled = client_of(sandbox, "sk_test_rolled").v1
    assert [each.id for each in rolled.customers.list().data] == ["cus_ada"]


def test_knows_no_other_paths(alice: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.coupons.list()

    assert caught.value.http_status == 404


def test_reads_parameters_off_the_wire() -> None:
    pairs = [
        ("amount", "5000"),
        ("currency", "usd"),
        ("metadata[invoice]", "5"),
        ("expand[0]", "latest_charge"),
        ("expand[1]", "customer"),
        ("confirm", "true"),
        ("shipping[address][line1]", "1 High Street"),
        ("shipping[name]", "Ada"),
    ]

    assert check(decode(pairs), PaymentIntentCreateParams) == {
        "amount": 5000,
        "currency": "usd",
        "metadata": {"invoice": "5"},
        "expand": ["latest_charge", "customer"],
        "confirm": True,
        "shipping": {"address": {"line1": "1 High Street"}, "name": "Ada"},
    }


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("payment_intent", stripe.PaymentIntent),
        ("charge", stripe.Charge),
        ("refund", stripe.Refund),
        ("dispute", stripe.Dispute),
        ("customer", stripe.Customer),
        ("payment_method", stripe.PaymentMethod),
        ("setup_intent", stripe.SetupIntent),
        ("checkout.session", stripe.checkout.Session),
        ("event", stripe.Event),
    ],
)
def test_gives_objects_the_shape_that_the_library_knows(
    kind: str, made: type[stripe.StripeObject], alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = alice.v1.payment_intents.create(charge_params())
    sandbox.stripe.refund(intent.id, 100)
    sandbox.stripe.dispute(intent.id)
    alice.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": "cus_ada",
            "currency": "usd",
            "success_url": "https://nightshift.example/",
        }
    )
    row = sandbox.stripe.state()["accounts"][0]["objects"][kind][0]

    # The library's annotations are partly text, so they are read as text.
    known = {name: str(hint) for name, hint in made.__annotations__.items()}
    optional = {
        name
        for name, hint in known.items()
        if "Optional[" in hint or "None" in hint or "ClassVar[" in hint
    }
    assert set(row) <= set(known)
    assert set(known) - optional - set(row) <= NEW
    if "Literal[" in known.get("status", ""):
        assert f"'{row['status']}'" in known["status"]
