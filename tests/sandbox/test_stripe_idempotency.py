"""A request with an idempotency key …"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
import time_machine

from sandbox import Sandbox
from sandbox.log import Call
from tests.sandbox.conftest import charge_params, client_of

Charge = Callable[..., stripe.PaymentIntent]
NOON = datetime(2025, 6, 10, 12, tzinfo=UTC)


def replayed(answer: Any) -> bool:
    return answer.last_response.headers.get("Idempotent-Replayed") == "true"


def test_is_answered_again_and_not_done_again(charge: Charge, sandbox: Sandbox) -> None:
    first, second = charge("key-1"), charge("key-1")

    assert first.id == second.id
    assert (replayed(first), replayed(second)) == (False, True)
    assert len(sandbox.stripe.charges_made()) == 1
    assert [call.replayed for call in sandbox.requests] == [False, True]


def test_gets_the_same_decline_again(charge: Charge, sandbox: Sandbox) -> None:
    sandbox.stripe.set_behaviour("pm_ada", ["insufficient_funds", "succeeds"])

    ids = set()
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            charge("key-1")
        ids.add(caught.value.error.payment_intent.id)

    assert len(ids) == 1
    assert caught.value.headers["Idempotent-Replayed"] == "true"
    assert charge("key-2").status == "succeeded"


def test_gets_the_same_500_again(charge: Charge, sandbox: Sandbox) -> None:
    sandbox.stripe.misbehave("error_after")

    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            charge("key-1")
        assert caught.value.http_status == 500
    assert caught.value.headers["Idempotent-Replayed"] == "true"
    assert len(sandbox.stripe.charges_made()) == 1


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("error_after", {"status": 503}),
        ("error_after", {"stored": False}),
        ("reset_after", {}),
        ("malformed", {}),
    ],
)
def test_finds_out_what_became_of_it(
    kind: str, details: dict[str, Any], charge: Charge, sandbox: Sandbox
) -> None:
    sandbox.stripe.misbehave(kind, **details)
    with pytest.raises(stripe.StripeError):
        charge("key-1")

    again = charge("key-1")

    assert replayed(again)
    assert [effect.id for effect in sandbox.stripe.charges_made()] == [again.id]


@pytest.mark.parametrize("kind", ["error_before", "reset_before", "rate_limit"])
def test_is_done_if_it_was_not_done_before(kind: str, charge: Charge, sandbox: Sandbox) -> None:
    sandbox.stripe.misbehave(kind)
    with pytest.raises(stripe.StripeError):
        charge("key-1")
    assert sandbox.stripe.effects() == []

    assert not replayed(charge("key-1"))
    assert len(sandbox.stripe.charges_made()) == 1


@pytest.mark.parametrize("changed", [{"amount": 5001}, {"metadata": {"invoice": "6"}}])
def test_is_refused_with_other_parameters(
    changed: dict[str, Any], charge: Charge, sandbox: Sandbox
) -> None:
    charge("key-1")

    with pytest.raises(stripe.IdempotencyError) as caught:
        charge("key-1", **changed)

    assert caught.value.http_status == 400
    assert len(sandbox.stripe.charges_made()) == 1


def test_is_refused_at_another_endpoint(alice: stripe.StripeClient, charge: Charge) -> None:
    charge("key-1")

    with pytest.raises(stripe.IdempotencyError):
        alice.v1.customers.create({"name": "Ada"}, {"idempotency_key": "key-1"})


def test_is_not_stored_when_its_parameters_were_refused(charge: Charge) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        charge("key-1", amount=49)

    assert charge("key-1", amount=50).status == "succeeded"


def test_is_not_stored_when_the_key_was_refused(charge: Charge, sandbox: Sandbox) -> None:
    with pytest.raises(stripe.AuthenticationError):
        client_of(sandbox, "sk_test_wrong").v1.payment_intents.create(
            charge_params(), {"idempotency_key": "key-1"}
        )

    assert not replayed(charge("key-1"))


def test_conflicts_while_the_first_is_worked_on(charge: Charge, sandbox: Sandbox) -> None:
    with _held(sandbox) as arrived:
        first: list[stripe.PaymentIntent] = []
        thread = threading.Thread(target=lambda: first.append(charge("key-1")))
        thread.start()
        assert arrived.wait(30)
        with pytest.raises(stripe.StripeError) as caught:
            charge("key-1")
    thread.join()

    told: Any = caught.value.error
    assert (caught.value.http_status, told.code) == (409, "idempotency_key_in_use")
    assert charge("key-1").id == first[0].id
    assert len(sandbox.stripe.charges_made()) == 1


def test_is_forgotten_after_24_hours(charge: Charge, sandbox: Sandbox) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        first = charge("key-1")
        clock.move_to(NOON + timedelta(hours=24, seconds=-1))
        assert charge("key-1").id == first.id
        clock.move_to(NOON + timedelta(hours=24))
        assert charge("key-1").id != first.id

    assert len(sandbox.stripe.charges_made()) == 2


def test_belongs_to_its_account(charge: Charge, sandbox: Sandbox) -> None:
    charge("key-1")

    bob = client_of(sandbox, "sk_test_bob").v1
    made = bob.customers.create({"name": "Bo"}, {"idempotency_key": "key-1"})

    assert not replayed(made)


def test_means_nothing_to_a_request_that_only_reads(alice: stripe.StripeClient) -> None:
    before = alice.v1.payment_intents.list({}, {"idempotency_key": "key-1"})
    alice.v1.payment_intents.create(charge_params())
    after = alice.v1.payment_intents.list({}, {"idempotency_key": "key-1"})

    assert (len(before.data), len(after.data)) == (0, 1)


@contextmanager
def _held(sandbox: Sandbox) -> Iterator[threading.Event]:
    """Hold the first request while it is worked on, until the block ends."""
    arrived, released = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        arrived.set()
        released.wait(30)

    sandbox.core.on_execute.append(hold)
    try:
        yield arrived
    finally:
        released.set()
        sandbox.core.on_execute.clear()
