"""Told to remember, a sandbox that starts again ..."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe
import time_machine

from sandbox import Sandbox
from sandbox.memory import Unreadable
from tests.sandbox.conftest import KEY, SECRET, charge_params, client_of
from tests.servers.sandbox import ROOT

APP = "http://127.0.0.1:8000"
MOVED = "http://127.0.0.1:8100"  # where the application listens in the second life
CLIENT, CLIENT_SECRET = "demo-platform", "demo-platform-secret"
Live = Callable[[Sandbox], Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state file in a folder that is not there yet."""
    return tmp_path / "var" / "sandbox.json"


def lived(path: Path, live: Live, *, app: str = APP, since: datetime | None = None) -> Any:
    """Start a sandbox on this file, live through something, and end it."""
    with Sandbox(app_url=app) as sandbox:
        sandbox.remember(path, since=since)
        return live(sandbox)


def open_shop(sandbox: Sandbox) -> None:
    sandbox.stripe.add_account(
        secret_key=KEY, webhook_secret=SECRET, id="acct_alice", webhook_url="/hooks/1/"
    )
    sandbox.stripe.add_customer(id="cus_ada", name="Ada")
    sandbox.stripe.add_card("cus_ada", id="pm_ada", behaviour=["succeeds", "stolen_card"])
    sandbox.bog.add_client(CLIENT, CLIENT_SECRET)
    sandbox.bog.add_saved_card("parent", amount="59.00", callback_url=f"{APP}/hooks/bog/")


def charge(sandbox: Sandbox, key: str = "key-1", **changed: Any) -> stripe.PaymentIntent:
    with_key: Any = {"idempotency_key": key}
    client = client_of(sandbox)
    return client.v1.payment_intents.create(charge_params(**changed), with_key)


def subscribe(sandbox: Sandbox, token: str) -> str:
    """Charge the bank's saved card under one key and return the order."""
    answer = requests.post(
        f"{sandbox.url}/bog/payments/v1/ecommerce/orders/parent/subscribe",
        headers={
            "Authorization": f"Bearer {token}",
            "Idempotency-Key": "5fb4ba4d-ea6c-4b0b-8b9a-6f3d3a4e1b11",
        },
        json={"external_order_id": "renewal-1"},
        timeout=5,
    )
    order_id: str = answer.json()["id"]
    return order_id


def token_of(sandbox: Sandbox) -> str:
    asked = {"grant_type": "client_credentials"}
    answer = requests.post(
        f"{sandbox.url}/bog/token", asked, auth=(CLIENT, CLIENT_SECRET), timeout=5
    )
    token: str = answer.json()["access_token"]
    return token


def first_life(sandbox: Sandbox) -> dict[str, Any]:
    """Charge by both vendors; return what anybody was told."""
    open_shop(sandbox)
    intent = charge(sandbox)
    token = token_of(sandbox)
    order_id = subscribe(sandbox, token)
    sandbox.bog.settle(order_id)
    waiting = sandbox.core.callbacks.waiting
    return {
        "intent": intent.id,
        "token": token,
        "order": order_id,
        "receipt": sandbox.bog.receipt(order_id),
        "state": {name: vendor.state() for name, vendor in sandbox.vendors.items()},
        "effects": sandbox.core.log.effects,
        "requests": sandbox.requests,
        "waiting": [each.id for each in waiting],
        "signature": sandbox.bog.key.sign(waiting[-1].body),
    }


def test_knows_what_it_charged(path: Path) -> None:
    told = lived(path, first_life)

    with Sandbox(app_url=APP) as again:
        again.remember(path)

        assert {name: each.state() for name, each in again.vendors.items()} == told["state"]
        assert client_of(again).v1.payment_intents.retrieve(told["intent"]).status == (
            "succeeded"
        )
        assert again.bog.receipt(told["order"]) == told["receipt"]
        assert again.core.log.effects == told["effects"]
        assert [effect.amount for effect in again.core.log.effects] == [5000, "59.00"]
        assert again.requests[: len(told["requests"])] == told["requests"]


def test_answers_the_same_keys_as_before(path: Path) -> None:
    told = lived(path, first_life)

    with Sandbox() as again:
        again.remember(path)
        replayed: Any = charge(again)
        order_id = subscribe(again, told["token"])
        with pytest.raises(stripe.StripeError, match="same parameters"):
            charge(again, amount=4000)

        assert (replayed.id, order_id) == (told["intent"], told["order"])
        assert replayed.last_response.headers["Idempotent-Replayed"] == "true"
        assert again.core.log.effects == told["effects"]


def test_forgets_a_key_a_day_after_it_was_used(path: Path) -> None:
    told = lived(path, first_life)

    with Sandbox() as again:
        again.remember(path)
        again.core.offset = 25 * 3600
        again.stripe.set_behaviour("pm_ada", "succeeds")

        assert charge(again).id != told["intent"]


def test_lets_cards_behave_as_they_were_about_to(path: Path) -> None:
    lived(path, first_life)

    with Sandbox() as again:
        again.remember(path)
        with pytest.raises(stripe.CardError):
            charge(again, key="key-2")


def test_settles_a_debit_that_was_under_way(path: Path) -> None:
    def debit(sandbox: Sandbox) -> str:
        open_shop(sandbox)
        sandbox.core.offset = 100.0
        sandbox.stripe.add_card(
            "cus_ada", id="ba_ada", behaviour="processing", settles_after=60
        )
        return charge(sandbox, payment_method="ba_ada").id

    id = lived(path, debit)

    with Sandbox() as again:
        again.remember(path)
        assert again.core.offset == 100.0
        again.tick()
        assert again.stripe.intent(id)["status"] == "processing"
        again.core.offset += 61
        again.tick()
        assert again.stripe.intent(id)["status"] == "succeeded"


def test_completes_a_checkout_that_was_open(path: Path) -> None:
    def check_out(sandbox: Sandbox) -> str:
        open_shop(sandbox)
        params: Any = {
            "mode": "payment",
            "success_url": "https://nightshift.example/paid",
            "customer": "cus_ada",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 5000,
                        "product_data": {"name": "Rent"},
                    },
                }
            ],
            "payment_intent_data": {"metadata": {"invoice": "7"}},
        }
        return client_of(sandbox).v1.checkout.sessions.create(params).id

    session = lived(path, check_out)

    with Sandbox() as again:
        again.remember(path)
        again.stripe.complete_checkout(session)

        [effect] = again.stripe.charges_made(metadata={"invoice": "7"})
        assert effect.amount == 5000


def test_sends_the_callbacks_nobody_took_to_wherever_the_application_is_now(
    path: Path,
) -> None:
    told = lived(path, first_life)

    with Sandbox(app_url=MOVED) as again:
        again.remember(path)
        waiting = again.core.callbacks.waiting

        assert [each.id for each in waiting] == told["waiting"]
        assert {each.url for each in waiting} == {f"{MOVED}/hooks/1/", f"{MOVED}/hooks/bog/"}
        first, last = waiting[0], waiting[-1]
        signature = first.headers(first.body)["Stripe-Signature"]
        event: Any = stripe.Webhook.construct_event(first.body, signature, SECRET)
        assert event.id == first.id
        assert last.headers(last.body)["Callback-Signature"] == told["signature"]
        assert (first.again, last.again) == (True, False)


def test_misbehaves_no_more(path: Path) -> None:
    def spoil(sandbox: Sandbox) -> None:
        open_shop(sandbox)
        sandbox.stripe.misbehave("error_before", count=None)
        sandbox.core.latency = 60.0

    lived(path, spoil)

    with Sandbox() as again:
        again.remember(path)
        assert charge(again).status == "succeeded"


def test_writes_while_it_lives_but_not_all_the_time(path: Path) -> None:
    now = datetime(2025, 6, 10, 12, tzinfo=UTC)
    with time_machine.travel(now, tick=False) as clock, Sandbox() as sandbox:
        sandbox.remember(path)
        began = path.read_text()
        open_shop(sandbox)
        charge(sandbox)
        sandbox.tick()
        assert path.read_text() == began  # written a moment ago

        clock.shift(1)
        sandbox.tick()
        [effect] = json.loads(path.read_text())["log"]["effects"]
        assert effect["amount"] == 5000
    assert list(path.parent.iterdir()) == [path]


def test_begins_anew_in_a_world_that_is_younger_than_the_file(path: Path) -> None:
    lived(path, first_life)
    now = datetime.now(UTC)

    same = lived(path, lambda again: again.stripe.intents, since=now - timedelta(hours=1))
    other = lived(path, lambda again: again.stripe.intents, since=now + timedelta(hours=1))

    assert len(same) == 1
    assert (other, json.loads(path.read_text())["log"]["effects"]) == ([], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is damaged"),
        ('{"version": 2, "began"', "it is damaged"),
        ("[]", "it is damaged"),
        ("{}", "it is damaged"),
        ('{"version": 2, "began": 0, "offset": 0, "vendors": {}}', "it is damaged"),
        ('{"version": 3}', "another version of the sandbox wrote it"),
    ],
)
def test_says_which_file_it_cannot_read(path: Path, text: str, why: str) -> None:
    path.parent.mkdir()
    path.write_text(text)

    with Sandbox() as sandbox, pytest.raises(Unreadable) as trouble:
        sandbox.remember(path)

    assert str(trouble.value) == (
        f"The sandbox cannot go on from {path}: {why}. "
        "Delete the file to begin again with the world."
    )
    assert path.read_text() == text


def test_says_that_it_cannot_write_there(tmp_path: Path) -> None:
    with Sandbox() as sandbox, pytest.raises(Unreadable, match=r": Is a directory\. "):
        sandbox.remember(tmp_path)


def test_is_a_program_that_goes_on_from_its_file(path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--state", str(path)]
    command += ["--world", "fixtures/sandbox.json"]
    lives = []
    for _ in range(2):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            url = process.stdout.readline().strip().rpartition(" ")[2]
            client = stripe.StripeClient("sk_test_demo_acme", base_addresses={"api": url})
            lives.append([each.id for each in client.v1.customers.list().data])
            client.v1.customers.create({"name": "Walk-in"})
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    first, second = lives
    assert (len(second), second[1:]) == (len(first) + 1, first)


def test_is_a_program_that_ends_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    path.write_text("not JSON")

    ended = subprocess.run(
        [sys.executable, "-m", "sandbox", "--port", "0", "--state", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"The sandbox cannot go on from {path}: it is damaged.")
    assert "Traceback" not in ended.stderr
