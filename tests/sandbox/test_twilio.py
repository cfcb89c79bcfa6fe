"""The sandbox's Twilio, seen by Twilio's own library ..."""

from pathlib import Path
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sandbox import Sandbox

SID, TOKEN, SENDER, ADA = "AC" + "1" * 32, "token-of-alice", "+15550199", "+15550100"
HOOK = "http://127.0.0.1:8000/hooks/"


class Loopback(TwilioHttpClient):
    """Sends what is meant for Twilio to the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(timeout=5)
        self.sandbox = sandbox

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        there = url.replace("https://api.twilio.com", self.sandbox.url)
        return super().request(method, there, *args, **kwargs)


def client_of(sandbox: Sandbox, token: str = TOKEN) -> Client:
    return Client(SID, token, http_client=Loopback(sandbox))


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    sandbox.twilio.add_account(SID, token=TOKEN, senders=[SENDER], inbound_url=HOOK)
    return client_of(sandbox)


def send(client: Client, to: str = ADA, **how: Any) -> Any:
    return client.messages.create(**{"to": to, "from_": SENDER, "body": "Hello", **how})


def test_sends_the_same_request_twice_as_two_messages(sandbox: Sandbox, client: Client) -> None:
    first, second = send(client), send(client)

    assert first.sid != second.sid
    assert [one.sid for one in client.messages.list(to=ADA)] == [second.sid, first.sid]
    assert client.messages(first.sid).fetch().status == "queued"
    assert [one.kind for one in sandbox.core.log.effects] == ["text", "text"]


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"to": "+15005550001"}, 400, 21211),
        ({"to": "+15005550003"}, 400, 21408),
        ({"to": "+15005550004"}, 400, 21610),
        ({"to": "ada"}, 400, 21211),
        ({"from_": "+15550000"}, 400, 21606),
        ({"from_": None, "messaging_service_sid": "MG" + "0" * 32}, 404, 21701),
        ({"body": "a" * 1601}, 400, 21617),
        ({"body": ""}, 400, 21602),
    ],
)
def test_refuses(client: Client, how: dict[str, Any], status: int, code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        send(client, **how)
    assert (refused.value.status, refused.value.code) == (status, code)


def test_knows_whose_account_it_is(sandbox: Sandbox, client: Client) -> None:
    with pytest.raises(TwilioRestException) as refused:
        send(client_of(sandbox, token="wrong"))
    assert (refused.value.status, refused.value.code) == (401, 20003)


def test_closes_a_number_that_says_stop_until_it_says_start(
    sandbox: Sandbox, client: Client
) -> None:
    sandbox.twilio.receive(ADA, "stop")
    with pytest.raises(TwilioRestException, match="unsubscribed"):
        send(client)

    sandbox.twilio.receive(ADA, "START")
    assert send(client).status == "queued"


def test_signs_what_it_tells(sandbox: Sandbox, client: Client) -> None:
    message = send(client, status_callback=f"{HOOK}?delivery=1")
    sandbox.twilio.settle(message.sid, status="undelivered", code=30003)
    (callback,) = sandbox.core.callbacks.waiting

    headers = callback.headers(callback.body)
    fields = dict(each.split("=") for each in callback.body.decode().split("&"))
    fields["To"], fields["From"] = ADA, SENDER
    assert (fields["MessageStatus"], fields["ErrorCode"]) == ("undelivered", "30003")
    assert RequestValidator(TOKEN).validate(callback.url, fields, headers["X-Twilio-Signature"])


def test_lets_messages_arrive_by_themselves_when_told_so(
    sandbox: Sandbox, client: Client
) -> None:
    sandbox.twilio.set_automatic(on=True)
    message = send(client)

    assert client.messages(message.sid).fetch().status == "delivered"


def test_is_told_by_the_control_api_and_remembers(tmp_path: Path) -> None:
    kept = tmp_path / "sandbox.json"
    with Sandbox(app_url="http://127.0.0.1:8000") as sandbox:
        sandbox.remember(kept)
        told = {"sid": SID, "token": TOKEN, "senders": [SENDER], "inbound_url": "/hooks/"}
        requests.post(f"{sandbox.url}/_sandbox/twilio/add_account", json=told, timeout=5)
        send(client_of(sandbox))
        sandbox.twilio.receive(ADA, "STOP")
    with Sandbox(app_url="http://127.0.0.1:8100") as again:
        again.remember(kept)
        (callback,) = again.core.callbacks.waiting

        assert callback.url == "http://127.0.0.1:8100/hooks/"
        assert "X-Twilio-Signature" in callback.headers(callback.body)
        assert [one["direction"] for one in again.twilio.messages()] == [
            "inbound",
            "outbound-api",
        ]
        with pytest.raises(TwilioRestException, match="unsubscribed"):
            send(client_of(again))
