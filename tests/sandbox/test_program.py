"""The sandbox as a program: its world, its log, its control API, its end."""

import json
import re
import signal
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from sandbox import Sandbox
from tests.sandbox.conftest import KEY, SECRET, charge_params, client_of
from tests.servers.sandbox import ROOT, SandboxProcess

WORLD = {
    "stripe": {
        "accounts": [
            {
                "secret_key": KEY,
                "webhook_secret": SECRET,
                "webhook_url": "/webhooks/stripe/1/",
                "customers": [
                    {
                        "id": "cus_ada",
                        "name": "Ada",
                        "cards": [
                            {"id": "pm_ada"},
                            {"id": "pm_short", "behaviour": "insufficient_funds"},
                        ],
                    }
                ],
                "intents": [
                    {
                        "id": "pi_paid",
                        "customer": "cus_ada",
                        "card": "pm_ada",
                        "amount": 80000,
                        "days_ago": 3,
                        "metadata": {"invoice": "5"},
                        "refunds": [{"id": "re_1", "amount": 5000, "days_ago": 1}],
                    },
                    {
                        "id": "pi_declined",
                        "customer": "cus_ada",
                        "card": "pm_short",
                        "amount": 9000,
                        "status": "insufficient_funds",
                        "hours_ago": 6,
                    },
                ],
            }
        ]
    }
}


def test_begins_with_the_world_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(WORLD))

    with Sandbox(app_url="http://127.0.0.1:8000/") as sandbox:
        sandbox.load(path, as_of=date(2025, 6, 10))
        intents: Any = client_of(sandbox).v1.payment_intents.list(
            {"expand": ["data.latest_charge.refunds"]}
        )
        [short, paid] = intents.data
        again = _charge_twice_around_a_reset(sandbox)

    assert (short.id, short.status) == ("pi_declined", "requires_payment_method")
    assert short.created == datetime(2025, 6, 10, 6, tzinfo=UTC).timestamp()
    assert (paid.id, paid.status, paid.amount_received) == ("pi_paid", "succeeded", 80000)
    assert paid.created == datetime(2025, 6, 7, 12, tzinfo=UTC).timestamp()
    assert paid.metadata.invoice == "5"
    [refund] = paid.latest_charge.refunds.data
    assert (refund.id, refund.amount) == ("re_1", 5000)
    assert refund.created == datetime(2025, 6, 9, 12, tzinfo=UTC).timestamp()
    assert again == [3, 2]


def _charge_twice_around_a_reset(sandbox: Sandbox) -> list[int]:
    """Return how many intents there are before a reset, and after it."""
    assert (sandbox.stripe.events, sandbox.stripe.effects()) == ([], [])  # it is the past
    client_of(sandbox).v1.payment_intents.create(charge_params())
    [callback, *_] = sandbox.core.callbacks.waiting
    assert callback.url == "http://127.0.0.1:8000/webhooks/stripe/1/"
    before = len(sandbox.stripe.intents)
    sandbox.reset()
    return [before, len(sandbox.stripe.intents)]


def test_begins_with_the_demo_s_world() -> None:
    with Sandbox() as sandbox:
        sandbox.load(ROOT / "fixtures" / "sandbox.json")

        for key in ("sk_test_demo_acme", "sk_test_demo_evergreen"):
            assert client_of(sandbox, key).v1.customers.list().data


def test_logs_every_request_and_no_secret(alice: stripe.StripeClient, sandbox: Sandbox) -> None:
    alice.v1.payment_intents.create(charge_params(), {"idempotency_key": "key-1"})
    with pytest.raises(stripe.AuthenticationError):
        client_of(sandbox, "sk_test_0123456789").v1.customers.list()

    first, second = sandbox.requests
    assert (first.method, first.path, first.status) == ("POST", "/v1/payment_intents", 200)
    assert (first.account, first.idempotency_key) == ("acct_alice", "key-1")
    assert (first.params["amount"], first.params["metadata[invoice]"]) == ("5000", "5")
    assert (second.path, second.account, second.status) == ("/v1/customers", "unknown", 401)
    told = requests.get(f"{sandbox.url}/_sandbox/state", timeout=5).text + "".join(
        requests.get(f"{sandbox.url}/_sandbox/{page}", timeout=5).text
        for page in ("", "log", "effects")
    )
    assert not re.search(rf"{KEY}|{SECRET}|0123456789|_secret_", told)


def test_is_told_what_to_do_over_http(sandbox_process: SandboxProcess) -> None:
    beside = sandbox_process
    account = beside.tell("stripe/add_account", secret_key=KEY)
    beside.tell("stripe/add_customer", id="cus_ada")
    beside.tell("stripe/add_card", customer="cus_ada", id="pm_ada")
    client: Any = client_of(beside)
    beside.tell("misbehave", kind="decline", code="stolen_card")
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.create(charge_params())
    intent = client.v1.payment_intents.create(charge_params())

    [effect] = beside.ask("effects")
    assert (effect["id"], effect["account"], effect["amount"]) == (intent.id, account, 5000)
    assert [call["status"] for call in beside.ask("log?after=1")] == [200]
    assert beside.logged("effect") == [effect]
    beside.tell("stripe/refund", intent=intent.id, amount=1000)
    assert [each["kind"] for each in beside.ask("effects?after=1")] == ["refund"]
    beside.tell("clock", offset=3600)
    beside.tell("reset")
    with pytest.raises(stripe.AuthenticationError):
        client.v1.payment_intents.list()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("stripe/add_card", 400),
        ("stripe/reset", 404),
        ("stripe/_account", 404),
        ("paypal/refund", 404),
    ],
)
def test_refuses_what_is_no_verb(path: str, status: int, sandbox: Sandbox) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/{path}", json={}, timeout=5)

    assert answer.status_code == status


def test_ends_when_told_to(sandbox_process: SandboxProcess) -> None:
    sandbox_process.process.send_signal(signal.SIGTERM)

    assert sandbox_process.process.wait(30) == 0


def test_stops_though_somebody_waits_for_an_answer() -> None:
    before = set(threading.enumerate())
    with Sandbox() as sandbox:
        sandbox.stripe.add_account(secret_key=KEY)
        sandbox.stripe.misbehave("timeout_before", method="GET")
        errors: list[stripe.StripeError] = []

        def wait() -> None:
            try:
                client_of(sandbox).v1.payment_intents.list()
            except stripe.StripeError as error:
                errors.append(error)

        arrived = threading.Event()
        sandbox.core.on_request.append(lambda call: arrived.set())
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert arrived.wait(30)
    waiting.join(30)

    assert [type(error) for error in errors] == [stripe.APIConnectionError]
    assert {each for each in set(threading.enumerate()) - before if each.name == "sandbox"} == (
        set()
    )
