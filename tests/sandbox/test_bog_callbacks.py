"""A callback of the sandbox's Bank of Georgia ..."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from apps.integrations.cards.signature import BadSignature, verify_callback
from sandbox import Sandbox
from sandbox.bog import Bog

WORLD = Path(__file__).resolve().parents[2] / "fixtures" / "sandbox.json"


class Receiver:
    """Whoever the bank calls back; ``heard`` are bodies and their signatures."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, str]] = []
        self.answer = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append((body, self.headers["Callback-Signature"]))
                self.send_response(receiver.answer)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/bog/"

    @property
    def told(self) -> list[tuple[str, str]]:
        """The orders and their statuses, in the order in which they were heard."""
        bodies = [json.loads(raw)["body"] for raw, _ in self.heard]
        return [(body["order_id"], body["order_status"]["key"]) for body in bodies]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


@pytest.fixture
def bank(sandbox: Sandbox, receiver: Receiver) -> Bog:
    sandbox.bog.add_client("shop", "secret")
    for order_id in ("one", "two"):
        sandbox.bog.add_saved_card(
            order_id, amount="59.00", client_id="shop", callback_url=receiver.url
        )
    return sandbox.bog


def signed_by(bank: Bog, raw: bytes, signature: str) -> bool:
    try:
        verify_callback(raw=raw, signature=signature, public_keys=[bank.public_key])
    except BadSignature:
        return False
    return True


def test_is_signed_and_says_what_the_receipt_says(bank: Bog, receiver: Receiver) -> None:
    bank.refund("one", "9.00")
    bank.core.callbacks.deliver()

    [(raw, signature)] = receiver.heard
    assert signed_by(bank, raw, signature)
    told = json.loads(raw)
    assert told["event"] == "order_payment"
    assert told["zoned_request_time"].endswith("Z")
    assert told["body"] == bank.receipt("one")


def test_is_sent_only_once_even_if_nobody_takes_it(bank: Bog, receiver: Receiver) -> None:
    receiver.answer = 500
    bank.refund("one")

    bank.core.callbacks.deliver()
    bank.core.callbacks.deliver()

    assert receiver.told == [("one", "refunded")]


def test_is_sent_again_on_command(bank: Bog, receiver: Receiver) -> None:
    bank.refund("one")
    bank.tell("one")
    bank.core.callbacks.deliver()

    assert receiver.told == [("one", "refunded")] * 2


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("lost", [("two", "refunded")]),
        ("duplicate", [("one", "refunded"), ("one", "refunded"), ("two", "refunded")]),
        ("reordered", [("two", "refunded"), ("one", "refunded")]),
        ("late", [("one", "refunded"), ("two", "refunded")]),
    ],
)
def test_may_be(bank: Bog, receiver: Receiver, kind: str, told: list[tuple[str, str]]) -> None:
    bank.core.callbacks.misbehave(kind)
    bank.refund("one")
    bank.refund("two")

    bank.core.callbacks.deliver()

    assert receiver.told == told


def test_may_be_changed_on_its_way(bank: Bog, receiver: Receiver) -> None:
    bank.core.callbacks.misbehave("forged")
    bank.refund("one")
    bank.core.callbacks.deliver()

    [(raw, signature)] = receiver.heard
    assert not signed_by(bank, raw, signature)


@pytest.mark.parametrize(
    ("how", "good"), [({}, True), ({"forged": True}, False), ({"altered": True}, False)]
)
def test_can_be_had_for_a_test_client(bank: Bog, how: dict[str, Any], good: bool) -> None:
    units = {**bank.receipt("one")["purchase_units"], "transfer_amount": "0.01"}
    raw, headers = bank.signed("one", purchase_units=units, **how)

    assert json.loads(raw)["body"]["purchase_units"]["transfer_amount"] == "0.01"
    assert signed_by(bank, raw, headers["Callback-Signature"]) is good


def test_goes_nowhere_without_an_address(bank: Bog, receiver: Receiver) -> None:
    bank.add_saved_card("three", amount="1.00", client_id="shop")
    bank.refund("three")

    assert bank.core.callbacks.waiting == []


# ---- the demo's bank ------------------------------------------------------------------------


def test_of_the_demo_is_signed_with_the_key_in_the_fixtures(sandbox: Sandbox) -> None:
    told = json.loads(WORLD.read_text(encoding="utf-8"))["bog"]
    sandbox.bog.load(told, now=sandbox.bog.moment())

    raw, headers = sandbox.bog.signed("bog-demo-batumi-travel")

    verify_callback(
        raw=raw, signature=headers["Callback-Signature"], public_keys=[told["public_key"]]
    )
    assert sandbox.bog.tokens.clients == {"demo-platform": "demo-platform-secret"}


@pytest.mark.parametrize(
    ("firm", "amount", "renewal"),
    [
        ("batumi-travel", "59.0", "good"),
        ("tbilisi-motors", "59.0", "good"),
        ("kutaisi-labs", "59.0", "107"),
        ("poti-shipping", "49.0", "good"),
        ("mycompany", "59.0", "good"),
    ],
)
def test_of_the_demo_is_about_a_saved_card(
    sandbox: Sandbox, firm: str, amount: str, renewal: str
) -> None:
    told = json.loads(WORLD.read_text(encoding="utf-8"))["bog"]
    sandbox.bog.load(told, now=sandbox.bog.moment())

    receipt = sandbox.bog.receipt(f"bog-demo-{firm}")

    assert receipt["order_status"]["key"] == "completed"
    assert receipt["purchase_units"]["request_amount"] == amount
    assert receipt["payment_detail"]["saved_card_type"] == "subscription"
    card = sandbox.bog.orders[f"bog-demo-{firm}"].card
    assert card is not None
    assert card.then == renewal
