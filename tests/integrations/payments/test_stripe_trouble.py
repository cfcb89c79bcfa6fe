"""What can go wrong on the way to Stripe, and what is said about it."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any

import pytest
from pytest_django import Settings

from apps.integrations.payments import (
    BadCredentials,
    GatewayError,
    OtherParameters,
    Refused,
    Unreachable,
)
from apps.integrations.payments.stripe import StripePayments
from apps.integrations.payments.wire import LARGEST_ANSWER
from sandbox import Sandbox
from tests.integrations.payments.asking import CHARGE, CHECKOUT, KEY, charge
from tests.integrations.payments.dripping import serve


@pytest.fixture
def in_a_hurry(settings: Settings, stripe: Sandbox) -> Iterator[StripePayments]:
    settings.GATEWAY_TIMEOUT = 0.3
    with closing(StripePayments(KEY, pauses=())) as payments:
        yield payments


def refusal(payments: StripePayments, **other: Any) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        payments.charge(charge(**other))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__  # a traceback shows nothing of Stripe's
    return raised.value


# ---- no answer, or none that says what happened -------------------------------------------


@pytest.mark.parametrize(
    ("kind", "done", "says"),
    [
        ("timeout_before", 0, "Stripe could not be reached (ReadTimeout)."),
        ("timeout_after", 1, "Stripe could not be reached (ReadTimeout)."),
        ("reset_before", 0, "Stripe could not be reached (ConnectionError)."),
        ("reset_after", 1, "Stripe could not be reached (ConnectionError)."),
        ("trickle", 1, "Stripe could not be reached (ReadTimeout)."),
        ("malformed", 1, "Stripe gave no usable answer (200)."),
    ],
)
def test_an_answer_that_never_comes_whole(
    in_a_hurry: StripePayments, stripe: Sandbox, kind: str, done: int, says: str
) -> None:
    stripe.stripe.misbehave(kind, every=0.05)
    error = refusal(in_a_hurry)
    assert (type(error), str(error)) == (Unreachable, says)
    assert len(stripe.requests) == 1  # a charge is never repeated by itself
    assert len(stripe.stripe.charges_made()) == done
    in_a_hurry.charge(CHARGE)
    assert len(stripe.stripe.charges_made()) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_is_down(payments: StripePayments, stripe: Sandbox, status: int) -> None:
    stripe.stripe.misbehave("error_before", status=status)
    error = refusal(payments)
    assert (type(error), str(error)) == (
        Unreachable,
        f"Stripe gave no usable answer ({status}, api_error).",
    )
    assert payments.charge(CHARGE).received == 500_000


def test_an_error_after_success_is_answered_again(
    payments: StripePayments, stripe: Sandbox
) -> None:
    stripe.stripe.misbehave("error_after")
    for _ in range(2):
        assert type(refusal(payments)) is Unreachable
    [made] = stripe.stripe.charges_made()
    assert payments.intent(made.id).received == 500_000


def test_too_many_requests(payments: StripePayments, stripe: Sandbox) -> None:
    stripe.stripe.misbehave("rate_limit")
    error = refusal(payments)
    assert (type(error), str(error)) == (
        Unreachable,
        "Stripe asks for fewer requests (429, rate_limit).",
    )


def test_the_same_key_while_it_is_in_flight(payments: StripePayments, stripe: Sandbox) -> None:
    arrived, answered = threading.Event(), threading.Event()

    def hold(call: Any) -> None:
        arrived.set()
        assert answered.wait(5)

    stripe.core.on_execute.append(hold)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(payments.charge, CHARGE)
        assert arrived.wait(5)
        error = refusal(payments)
        answered.set()
        assert first.result().received == 500_000
    assert (type(error), str(error)) == (
        Unreachable,
        "Stripe gave no usable answer (409, idempotency_key_in_use, req_sandbox2).",
    )


def test_nobody_at_the_other_end(settings: Settings) -> None:
    settings.STRIPE_API = "http://127.0.0.1:9"  # the discard port: nobody listens
    with closing(StripePayments(KEY, pauses=())) as payments:
        error = refusal(payments)
    assert str(error) == "Stripe could not be reached (ConnectionError)."


@contextmanager
def answered_by(
    settings: Settings, answer: bytes | str, **how: str
) -> Iterator[StripePayments]:
    """The way to a Stripe that answers everything alike."""
    with serve(answer, **how) as settings.STRIPE_API, closing(StripePayments(KEY)) as payments:
        yield payments


@pytest.mark.parametrize("part", ["headers", "body"])
def test_an_answer_that_drips_for_ever(settings: Settings, part: str) -> None:
    settings.GATEWAY_TIMEOUT = 0.3
    with answered_by(settings, part) as payments:
        began = monotonic()
        assert type(refusal(payments)) is Unreachable
        assert monotonic() - began < 2


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>Bad gateway</html>",
        b"",
        b"[]",
        b'"yes"',
        b"{}",
        b'{"object": "payment_intent"}',
        b'{"object": "payment_intent", "id": "pi_1", "status": "exploded"}',
    ],
)
def test_an_answer_that_is_none(settings: Settings, answer: bytes) -> None:
    with answered_by(settings, answer) as payments:
        assert type(refusal(payments)) is Unreachable


def test_an_answer_that_is_too_long(settings: Settings) -> None:
    with answered_by(settings, b" " * (LARGEST_ANSWER + 1)) as payments:
        assert str(refusal(payments)) == "Stripe could not be reached (TooLong)."


def test_a_redirect_is_not_followed(settings: Settings, stripe: Sandbox) -> None:
    elsewhere = f"Location: {stripe.url}/v1/payment_intents"
    with answered_by(settings, b"", status="302 Found", headers=elsewhere) as payments:
        assert type(refusal(payments)) is Unreachable
    assert stripe.requests == []


# ---- refused ------------------------------------------------------------------------------


def test_a_revoked_key(payments: StripePayments, stripe: Sandbox) -> None:
    stripe.stripe.revoke(KEY)
    error = refusal(payments)
    assert (type(error), str(error)) == (
        BadCredentials,
        "Stripe does not accept the secret key (401, api_key_expired, req_sandbox1).",
    )
    with pytest.raises(BadCredentials):
        payments.check()
    assert len(stripe.requests) == 2  # asking again would not help


def test_a_key_without_permission(payments: StripePayments, stripe: Sandbox) -> None:
    stripe.stripe.restrict(KEY)
    error = refusal(payments)
    assert (type(error), str(error)) == (
        BadCredentials,
        "Stripe does not accept the secret key (403, more_permissions_required, req_sandbox1).",
    )


@pytest.mark.parametrize("other", [{"amount": 4_000_00}, {"metadata": {}}])
def test_the_same_key_with_other_parameters(
    payments: StripePayments, stripe: Sandbox, other: dict[str, Any]
) -> None:
    payments.charge(CHARGE)
    error = refusal(payments, **other)
    assert (type(error), str(error)) == (
        OtherParameters,
        "Stripe knows this idempotency key with other parameters "
        "(400, idempotency_error, req_sandbox2).",
    )
    assert len(stripe.stripe.charges_made()) == 1


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"amount": 49}, "amount_too_small"),
        ({"payment_method": "pm_gone"}, "resource_missing"),
        ({"customer": "cus_gone"}, "resource_missing"),
        ({"amount": 10_505, "currency": "KWD"}, "parameter_invalid_integer"),
    ],
)
def test_what_stripe_will_never_do(
    payments: StripePayments, other: dict[str, Any], code: str
) -> None:
    error = refusal(payments, **other)
    assert isinstance(error, Refused)
    assert (error.code, str(error)) == (
        code,
        f"Stripe refused the request (400, {code}, req_sandbox1).",
    )


@pytest.mark.parametrize("kind", ["intent", "card"])
def test_something_that_is_not_there(payments: StripePayments, kind: str) -> None:
    with pytest.raises(Refused) as raised:
        getattr(payments, kind)("gone")
    assert raised.value.code == "resource_missing"


def test_a_page_that_cannot_be_opened(payments: StripePayments, stripe: Sandbox) -> None:
    stripe.stripe.misbehave("malformed")
    with pytest.raises(Unreachable):
        payments.checkout(CHECKOUT)


# ---- discretion, and many at once ---------------------------------------------------------


def test_nothing_secret_or_personal_is_said_or_logged(
    payments: StripePayments, stripe: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    said = [repr(payments)]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3").setLevel(logging.INFO)
        stripe.stripe.set_behaviour("pm_ada", "stolen_card")
        payments.charge(CHARGE)
        said.append(str(refusal(payments, amount=1)))
        with pytest.raises(Refused) as raised:
            payments.add_customer(name="Bob", email="b" * 600, key="c", metadata={"x" * 50: ""})
        said.append(str(raised.value))
        stripe.stripe.misbehave("reset_before")
        said.append(str(refusal(payments, idempotency_key="other")))
        stripe.stripe.revoke(KEY)
        said.append(str(refusal(payments)))
    logging.getLogger("urllib3").setLevel(logging.NOTSET)
    told = "\n".join([*said, caplog.text])
    for secret in (KEY, KEY[-4:], "cus_ada", "pm_ada", "4242", "example.com", "Ada", "bbb"):
        assert secret not in told


def test_many_charges_at_once_are_each_made_once(
    payments: StripePayments, stripe: Sandbox, settings: Settings
) -> None:
    keys = [f"autopay-{n}" for n in range(40)]
    with ThreadPoolExecutor(settings.CHARGES_AT_ONCE) as pool:
        intents = list(pool.map(lambda key: payments.charge(charge(idempotency_key=key)), keys))
    assert len({intent.id for intent in intents}) == 40
    assert sorted(one.idempotency_key for one in stripe.stripe.charges_made()) == sorted(keys)
