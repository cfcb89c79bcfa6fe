"""The sandbox's Bank of Georgia ..."""

import base64
import json
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from sandbox.bog import Bog

CALLBACK = "https://nightshift.example/webhooks/bog/"


class Client:
    """A program that speaks to the bank without any adapter."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/bog"
        self.session = requests.Session()

    def token(self, client_id: str = "shop", secret: str = "secret") -> requests.Response:
        return self.session.post(
            f"{self.url}/token",
            auth=(client_id, secret),
            data={"grant_type": "client_credentials"},
            timeout=5,
        )

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "", token: str = ""
    ) -> requests.Response:
        if not token:
            token = self.token().json()["access_token"]
        return self.session.request(
            method,
            f"{self.url}/payments/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key},
            timeout=5,
        )

    def charge(self, body: Any = None, *, parent: str = "parent", key: str = "") -> str:
        answer = self.ask("POST", f"/ecommerce/orders/{parent}/subscribe", body, key=key)
        assert answer.status_code == 200, answer.text
        order_id: str = answer.json()["id"]
        return order_id

    def receipt(self, order_id: str) -> Any:
        return self.ask("GET", f"/receipt/{order_id}").json()


@pytest.fixture
def bank(sandbox: Sandbox) -> Bog:
    sandbox.bog.add_client("shop", "secret")
    sandbox.bog.add_saved_card(
        "parent",
        amount="49.00",
        client_id="shop",
        external_id="first",
        callback_url=f"{CALLBACK}first/",
    )
    return sandbox.bog


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    client = Client(sandbox.url)
    yield client
    client.session.close()


def order(**changes: Any) -> dict[str, Any]:
    units = {
        "total_amount": 59.5,
        "basket": [{"product_id": "p", "quantity": 1, "unit_price": 59.5}],
    }
    asked = {
        "callback_url": CALLBACK,
        "external_order_id": "ours-1",
        "purchase_units": units,
        "redirect_urls": {"success": f"{CALLBACK}yes", "fail": f"{CALLBACK}no"},
    }
    return {**asked, **changes}


# ---- charging a saved card ------------------------------------------------------------------


def test_charges_the_parents_amount_whatever_is_asked_for(bank: Bog, client: Client) -> None:
    units = {
        "currency": "USD",
        "total_amount": 59,
        "basket": [{"unit_price": 59, "quantity": 1}],
    }
    order_id = client.charge({"external_order_id": "ours-2", "purchase_units": units})
    bank.settle(order_id)

    receipt = client.receipt(order_id)

    assert receipt["purchase_units"]["request_amount"] == "49.0"
    assert receipt["purchase_units"]["transfer_amount"] == "49.0"
    assert receipt["purchase_units"]["currency_code"] == "GEL"


def test_repeats_the_parents_ids_when_they_are_left_out(bank: Bog, client: Client) -> None:
    order_id = client.charge()

    assert client.receipt(order_id)["external_order_id"] == "first"
    assert bank.orders[order_id].callback_url == f"{CALLBACK}first/"


def test_answers_a_charge_with_an_id_only(bank: Bog, client: Client) -> None:
    bank.set_automatic(on=True)

    answer = client.ask("POST", "/ecommerce/orders/parent/subscribe", {}).json()

    assert set(answer) == {"id", "_links"}
    assert set(answer["_links"]) == {"details"}
    assert bank.orders[answer["id"]].status == "processing"


def test_moves_money_only_when_it_settles(bank: Bog, client: Client) -> None:
    key = str(uuid.uuid4())
    order_id = client.charge({"external_order_id": "ours-2"}, key=key)
    assert bank.core.log.effects == []

    bank.settle(order_id)

    [effect] = bank.core.log.effects
    assert (effect.vendor, effect.account, effect.kind) == ("bog", "shop", "charge")
    assert (effect.id, effect.amount, effect.currency) == (order_id, "49.00", "GEL")
    assert effect.metadata == {
        "external_id": "ours-2",
        "parent_id": "parent",
        "idempotency_key": key,
    }


@pytest.mark.parametrize(
    ("card", "status", "code"),
    [
        ("good", "completed", "100"),
        ("107", "rejected", "107"),
        ("good-then-107", "rejected", "107"),
        ("105", "rejected", "105"),
        ("101", "rejected", "101"),
        ("silent", "processing", None),
    ],
)
def test_decides_by_the_card_when_it_is_automatic(
    bank: Bog, client: Client, card: str, status: str, code: str | None
) -> None:
    bank.set_card("parent", card)
    bank.set_automatic(on=True)

    receipt = client.receipt(client.charge())

    assert (receipt["order_status"]["key"], receipt["payment_detail"]["code"]) == (status, code)


def test_finds_no_card_that_was_forgotten(bank: Bog, client: Client) -> None:
    assert client.ask("DELETE", "/charges/card/parent").status_code == 202
    bank.set_automatic(on=True)

    assert client.receipt(client.charge())["payment_detail"]["code"] == "102"


def test_finds_no_card_of_an_order_that_saved_none(bank: Bog, client: Client) -> None:
    first = client.ask("POST", "/ecommerce/orders", order()).json()["id"]
    bank.pay(first, "good")
    bank.set_automatic(on=True)

    assert client.receipt(client.charge(parent=first))["payment_detail"]["code"] == "102"


def test_declines_on_command(bank: Bog, client: Client) -> None:
    bank.set_automatic(on=True)
    bank.misbehave("decline", path="*/subscribe", code="106")

    assert client.receipt(client.charge())["payment_detail"]["code"] == "106"
    assert client.receipt(client.charge())["payment_detail"]["code"] == "100"


# ---- asking twice ---------------------------------------------------------------------------


def test_gives_the_same_answer_to_the_same_key(bank: Bog, client: Client) -> None:
    key = str(uuid.uuid4())

    assert client.charge({"external_order_id": "a"}, key=key) == client.charge(
        {"external_order_id": "a"}, key=key
    )
    assert len(bank.charges("parent")) == 1
    assert bank.core.log.requests[-1].replayed


def test_refuses_a_key_that_comes_with_another_body(bank: Bog, client: Client) -> None:
    key = str(uuid.uuid4())
    client.charge({"external_order_id": "a"}, key=key)

    answer = client.ask(
        "POST", "/ecommerce/orders/parent/subscribe", {"external_order_id": "b"}, key=key
    )

    assert answer.status_code == 409
    assert len(bank.charges("parent")) == 1


@pytest.mark.parametrize("key", ["1", "6fa459ea-ee8a-11ed-a05b-0242ac120003"])
def test_takes_only_random_uuids_as_keys(bank: Bog, client: Client, key: str) -> None:
    answer = client.ask("POST", "/ecommerce/orders/parent/subscribe", {}, key=key)

    assert answer.status_code == 400
    assert bank.charges() == []


# ---- who may ask ----------------------------------------------------------------------------


def test_gives_a_token_for_the_right_secret(bank: Bog, client: Client) -> None:
    answer = client.token().json()

    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 300


@pytest.mark.parametrize(("client_id", "secret"), [("shop", "wrong"), ("nobody", ""), ("", "")])
def test_gives_no_token_for_another(
    bank: Bog, client: Client, client_id: str, secret: str
) -> None:
    answer = client.token(client_id, secret)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_says_absurd_things_of_a_token_on_command(bank: Bog, client: Client) -> None:
    bank.set_tokens(seconds=300, expires_in=1634719923245)

    assert client.token().json()["expires_in"] == 1634719923245


def test_lets_tokens_end(bank: Bog, client: Client) -> None:
    token = client.token().json()["access_token"]
    assert client.ask("GET", "/receipt/parent", token=token).status_code == 200
    bank.core.offset = 301

    assert client.ask("GET", "/receipt/parent", token=token).status_code == 401


def test_does_nothing_without_a_token(bank: Bog, client: Client) -> None:
    answer = client.ask("POST", "/ecommerce/orders/parent/subscribe", {}, token="none")

    assert answer.status_code == 401
    assert bank.charges() == []


def test_hides_orders_from_other_clients(bank: Bog, client: Client) -> None:
    bank.add_client("neighbour", "secret")
    token = client.token("neighbour").json()["access_token"]

    for method, path in (
        ("GET", "/receipt/parent"),
        ("POST", "/ecommerce/orders/parent/subscribe"),
        ("PUT", "/orders/parent/subscriptions"),
        ("DELETE", "/charges/card/parent"),
    ):
        assert client.ask(method, path, {}, token=token).status_code == 404
    assert bank.orders["parent"].saved == "subscription"


def test_keeps_no_secret_in_its_log(bank: Bog, client: Client, sandbox: Sandbox) -> None:
    token = client.token().json()["access_token"]
    client.ask("GET", "/receipt/parent", token=token)

    kept = json.dumps([call.as_json() for call in sandbox.requests] + [bank.state()])

    assert token not in kept
    assert base64.b64encode(b"shop:secret").decode() not in kept
    assert [call.account for call in sandbox.requests] == ["shop", "shop"]


# ---- orders and the bank's page -------------------------------------------------------------


def test_makes_an_order_with_a_page(bank: Bog, client: Client) -> None:
    answer = client.ask("POST", "/ecommerce/orders", order()).json()

    assert bank.orders[answer["id"]].amount == Decimal("59.5")
    shown = client.session.get(answer["_links"]["redirect"]["href"], timeout=5)
    assert "59.50 GEL" in shown.text
    assert "412345xxxxxx0107: is declined (107)" in shown.text


@pytest.mark.parametrize(
    "changes",
    [
        {"callback_url": None},
        {"purchase_units": None},
        {"purchase_units": {"total_amount": 59, "basket": []}},
        {"purchase_units": {"total_amount": 0, "basket": [{}]}},
        {"purchase_units": {"total_amount": "NaN", "basket": [{}]}},
        {"purchase_units": {"total_amount": 1.005, "basket": [{}]}},
        {"purchase_units": {"total_amount": 1, "currency": "JPY", "basket": [{}]}},
        {"amount": 59},
    ],
)
def test_refuses_an_order_it_does_not_understand(
    bank: Bog, client: Client, changes: dict[str, Any]
) -> None:
    answer = client.ask("POST", "/ecommerce/orders", order(**changes))

    assert answer.status_code == 400
    assert set(bank.orders) == {"parent"}


@pytest.mark.parametrize(
    ("card", "back", "status", "saved"),
    [
        ("good", "yes", "completed", "subscription"),
        ("107", "no", "rejected", None),
        ("silent", "yes", "processing", None),
    ],
)
def test_sends_the_customer_back_from_its_page(
    bank: Bog, client: Client, card: str, back: str, status: str, saved: str | None
) -> None:
    answer = client.ask("POST", "/ecommerce/orders", order()).json()
    order_id = answer["id"]
    assert client.ask("PUT", f"/orders/{order_id}/subscriptions").status_code == 202

    gone = client.session.post(
        answer["_links"]["redirect"]["href"],
        data={"card": card},
        allow_redirects=False,
        timeout=5,
    )

    assert (gone.status_code, gone.headers["Location"]) == (303, f"{CALLBACK}{back}")
    receipt = client.receipt(order_id)
    assert receipt["order_status"]["key"] == status
    assert receipt["payment_detail"]["saved_card_type"] == saved


def test_pays_an_order_once_however_often_the_button_is_pressed(
    bank: Bog, client: Client
) -> None:
    page = client.ask("POST", "/ecommerce/orders", order()).json()["_links"]["redirect"]["href"]

    for _ in range(3):
        client.session.post(page, data={"card": "good"}, allow_redirects=False, timeout=5)

    assert [effect.amount for effect in bank.core.log.effects] == ["59.50"]


def test_gives_money_back(bank: Bog, client: Client) -> None:
    bank.refund("parent", "9.00")
    partly = client.receipt("parent")
    bank.refund("parent")
    wholly = client.receipt("parent")

    assert partly["order_status"]["key"] == "refunded_partially"
    assert partly["purchase_units"]["transfer_amount"] == "40.0"
    assert wholly["order_status"]["key"] == "refunded"
    assert wholly["purchase_units"]["refund_amount"] == "49.0"
    assert [action["amount"] for action in wholly["actions"]] == ["9.0", "40.0"]
    with pytest.raises(ValueError, match="cannot be given back"):
        bank.refund("parent", "0.01")


def test_decides_an_order_once(bank: Bog, client: Client) -> None:
    order_id = client.charge()
    bank.settle(order_id, code="107")

    with pytest.raises(ValueError, match="rejected already"):
        bank.settle(order_id)


# ---- on command, over HTTP ------------------------------------------------------------------


def test_does_over_http_what_tests_do_in_python(
    bank: Bog, client: Client, sandbox: Sandbox
) -> None:
    def tell(verb: str, **told: Any) -> requests.Response:
        return client.session.post(f"{sandbox.url}/_sandbox/bog/{verb}", json=told, timeout=5)

    tell("add_saved_card", order_id="another", amount="5.00", client_id="shop", card="105")
    order_id = client.charge(parent="another")
    told = tell("settle", order_id=order_id, code="105").json()

    assert told == bank.receipt(order_id)
    assert [charge["order_id"] for charge in tell("charges").json()] == [order_id]
    assert tell("settle", order_id=order_id).status_code == 400
    assert tell("refund", order_id="nothing").status_code == 400
    assert tell("find", client_id="shop", order_id="parent").status_code == 404


def test_has_every_verb_that_it_offers(bank: Bog) -> None:
    assert all(callable(getattr(bank, verb)) for verb in bank.verbs)
