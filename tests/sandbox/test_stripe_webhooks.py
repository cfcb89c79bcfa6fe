"""Events of the sandbox's Stripe …"""

import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from sandbox import Sandbox
from tests.sandbox.conftest import KEY, SECRET

Charge = Callable[..., stripe.PaymentIntent]
Bodies = list[tuple[bytes, str]]


@pytest.fixture
def receiver() -> Iterator[tuple[str, Bodies]]:
    """A webhook address, and what came there: bodies with their signatures."""
    came: Bodies = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((body, self.headers["Stripe-Signature"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", came
        server.shutdown()
        thread.join()


def types(sandbox: Sandbox) -> list[str]:
    return [event["type"] for event in sandbox.stripe.events]


def test_tell_every_change(
    charge: Charge, alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = charge("key-1")
    sandbox.stripe.refund(intent.id, 1000)
    sandbox.stripe.close_dispute(sandbox.stripe.dispute(intent.id), "lost")
    alice.v1.payment_methods.detach("pm_ada")

    assert types(sandbox) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "refund.created",
        "charge.refunded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "payment_method.detached",
    ]
    succeeded = sandbox.stripe.events[2]
    assert succeeded["data"]["object"]["id"] == intent.id
    assert succeeded["request"]["idempotency_key"] == "key-1"
    assert succeeded["livemode"] is False
    refunded = sandbox.stripe.events[4]
    assert refunded["data"]["object"]["amount_refunded"] == 1000
    assert refunded["data"]["previous_attributes"] == {
        "amount_refunded": 0,
        "refunded": False,
    }


@pytest.mark.parametrize(
    ("behaviour", "last"),
    [
        ("insufficient_funds", "payment_intent.payment_failed"),
        ("processing", "payment_intent.processing"),
    ],
)
def test_tell_how_a_charge_ended(
    behaviour: str, last: str, charge: Charge, sandbox: Sandbox
) -> None:
    sandbox.stripe.set_behaviour("pm_ada", behaviour)
    try:
        charge()
    except stripe.CardError:
        assert behaviour == "insufficient_funds"

    assert types(sandbox)[-1] == last


def test_are_signed_as_the_library_expects(charge: Charge, sandbox: Sandbox) -> None:
    intent = charge()
    body, headers = sandbox.stripe.signed(sandbox.stripe.events[-1])
    signature = headers["Stripe-Signature"]

    event = stripe.Webhook.construct_event(body, signature, SECRET)

    assert (event.type, event.data.object["id"]) == ("payment_intent.succeeded", intent.id)
    for forged, signed, secret in (
        (body + b" ", signature, SECRET),
        (body, signature, "whsec_other"),
        (body, sandbox.stripe.signed(event.id, at=0)[1]["Stripe-Signature"], SECRET),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(forged, signed, secret)


def test_can_be_asked_for(charge: Charge, alice: stripe.StripeClient, sandbox: Sandbox) -> None:
    charge()

    found = alice.v1.events.list({"types": ["payment_intent.succeeded"]})

    assert [each.id for each in found.data] == [sandbox.stripe.events[-1]["id"]]
    assert alice.v1.events.retrieve(found.data[0].id).type == "payment_intent.succeeded"


def test_are_delivered_to_the_account_s_address(
    receiver: tuple[str, Bodies], charge: Charge, sandbox: Sandbox
) -> None:
    url, came = receiver
    sandbox.stripe.set_webhook_url(url, account=KEY)
    charge()

    assert sandbox.stripe.deliver() == [200, 200, 200]

    events = [stripe.Webhook.construct_event(*each, SECRET) for each in came]
    assert [each.id for each in events] == [event["id"] for event in sandbox.stripe.events]
    assert sandbox.stripe.deliver() == []


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("lost", [1, 2]),
        ("duplicate", [0, 0, 1, 2]),
        ("reordered", [1, 0, 2]),
        ("late", [0, 1, 2]),
    ],
)
def test_go_astray_on_command(
    kind: str,
    order: list[int],
    receiver: tuple[str, Bodies],
    charge: Charge,
    sandbox: Sandbox,
) -> None:
    url, came = receiver
    sandbox.stripe.set_webhook_url(url, account=KEY)
    sandbox.core.callbacks.misbehave(kind)
    charge()

    sandbox.stripe.deliver()

    ids = [event["id"] for event in sandbox.stripe.events]
    assert [stripe.Event.construct_from(_json(body), "").id for body, _ in came] == [
        ids[index] for index in order
    ]


def test_are_forged_on_command(
    receiver: tuple[str, Bodies], charge: Charge, sandbox: Sandbox
) -> None:
    url, came = receiver
    sandbox.stripe.set_webhook_url(url, account=KEY)
    sandbox.core.callbacks.misbehave("forged")
    charge()

    sandbox.stripe.deliver()

    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*came[0], SECRET)
    stripe.Webhook.construct_event(*came[1], SECRET)


def _json(body: bytes) -> Any:
    import json

    return json.loads(body)
