"""Told to misbehave, the sandbox …"""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
import stripe

from sandbox import Sandbox
from sandbox.log import Call
from tests.sandbox.conftest import KEY, charge_params, client_of
from tests.servers.sandbox import SandboxProcess

Charge = Callable[..., stripe.PaymentIntent]
PATIENCE = 0.2  # seconds


@pytest.mark.parametrize(("kind", "charges"), [("timeout_before", 0), ("timeout_after", 1)])
def test_never_answers(kind: str, charges: int, sandbox: Sandbox, charge: Charge) -> None:
    sandbox.stripe.misbehave(kind)
    done = threading.Event()
    sandbox.core.before_answer.append(lambda call: done.set())
    hasty = client_of(sandbox, timeout=PATIENCE).v1

    with pytest.raises(stripe.APIConnectionError):
        hasty.payment_intents.create(charge_params(), {"idempotency_key": "key-1"})

    assert done.wait(10 if charges else 0) == bool(charges)
    assert len(sandbox.stripe.charges_made()) == charges
    [call] = sandbox.requests
    assert (call.status, call.misbehaved) == (None, [kind])
    assert charge("key-1").status == "succeeded"
    assert len(sandbox.stripe.charges_made()) == 1


@pytest.mark.parametrize(("kind", "charges"), [("reset_before", 0), ("reset_after", 1)])
def test_resets_the_connection(
    kind: str, charges: int, sandbox: Sandbox, charge: Charge
) -> None:
    sandbox.stripe.misbehave(kind)

    with pytest.raises(stripe.APIConnectionError, match=r"Connection reset|ConnectionReset"):
        charge()

    assert len(sandbox.stripe.charges_made()) == charges


@pytest.mark.parametrize(
    ("kind", "status", "charges"),
    [
        ("error_before", 500, 0),
        ("error_before", 503, 0),
        ("error_after", 500, 1),
        ("error_after", 502, 1),
    ],
)
def test_answers_with_an_error(
    kind: str, status: int, charges: int, sandbox: Sandbox, charge: Charge
) -> None:
    sandbox.stripe.misbehave(kind, status=status)

    with pytest.raises(stripe.APIError) as caught:
        charge()

    assert caught.value.http_status == status
    assert len(sandbox.stripe.charges_made()) == charges


def test_asks_for_fewer_requests(sandbox: Sandbox, charge: Charge) -> None:
    sandbox.stripe.misbehave("rate_limit", retry_after=7)

    with pytest.raises(stripe.RateLimitError) as caught:
        charge()

    assert caught.value.headers["Retry-After"] == "7"
    assert sandbox.stripe.effects() == []


def test_answers_half_a_document(sandbox: Sandbox, charge: Charge) -> None:
    sandbox.stripe.misbehave("malformed")

    with pytest.raises(stripe.APIError, match="Invalid response body"):
        charge()

    assert len(sandbox.stripe.charges_made()) == 1


def test_drips_its_answer_for_ever(sandbox: Sandbox, alice: stripe.StripeClient) -> None:
    sandbox.stripe.misbehave("trickle", method="GET", every=0.01)
    headers = {"Authorization": f"Bearer {KEY}"}

    with requests.get(
        f"{sandbox.url}/v1/account", headers=headers, stream=True, timeout=5
    ) as answer:
        came = answer.iter_content(1)
        assert [next(came) for _ in range(3)] == [b" "] * 3


def test_takes_its_time(sandbox: Sandbox, charge: Charge) -> None:
    sandbox.core.latency = 0.05

    began = time.monotonic()
    charge()

    assert time.monotonic() - began >= 0.05


def test_spoils_only_what_it_was_told_to(
    sandbox: Sandbox, charge: Charge, alice: stripe.StripeClient
) -> None:
    where = {"metadata[invoice]": "6"}
    sandbox.stripe.misbehave("error_before", path="/v1/payment*", where=where, nth=2, count=2)

    outcomes = []
    for invoice in ("5", "6", "6", "5", "6", "6"):
        try:
            charge(metadata={"invoice": invoice})
            outcomes.append("done")
        except stripe.APIError:
            outcomes.append("spoiled")
    alice.v1.payment_intents.list()

    assert outcomes == ["done", "done", "spoiled", "done", "spoiled", "done"]


def test_knows_no_other_misbehaviour(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="no misbehaviour 'sulk'"):
        sandbox.stripe.misbehave("sulk")


def test_calls_back_at_each_step(sandbox: Sandbox, charge: Charge) -> None:
    steps: list[tuple[str, int]] = []

    def note(step: str) -> Callable[[Call], None]:
        return lambda call: steps.append((step, len(sandbox.stripe.charges_made())))

    sandbox.core.on_request.append(note("arrived"))
    sandbox.core.on_execute.append(note("worked on"))
    sandbox.core.before_answer.append(note("done"))
    charge()

    assert steps == [("arrived", 0), ("worked on", 0), ("done", 1)]


@pytest.mark.parametrize(("kind", "charges"), [("die_before", 0), ("die_after", 1)])
def test_dies(kind: str, charges: int, sandbox_process: SandboxProcess) -> None:
    beside = sandbox_process
    beside.tell("stripe/add_account", secret_key=KEY)
    beside.tell("stripe/add_customer", id="cus_ada")
    beside.tell("stripe/add_card", customer="cus_ada", id="pm_ada")
    beside.tell("misbehave", kind=kind)
    client: Any = client_of(beside)

    with pytest.raises(stripe.APIConnectionError):
        client.v1.payment_intents.create(charge_params())

    assert beside.process.wait(30) == 1
    assert len(beside.logged("effect")) == charges


def test_does_not_die_inside_another_program(sandbox: Sandbox, charge: Charge) -> None:
    sandbox.stripe.misbehave("die_before")

    with pytest.raises(stripe.APIError):
        charge()
