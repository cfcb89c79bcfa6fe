"""Twilio, asked to send a text message ..."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme
from pytest_django import Settings

from apps.integrations.sms import (
    AccountDown,
    Later,
    NotTaken,
    Text,
    Texts,
    Unknown,
    get_texts,
    segments,
)
from sandbox import Sandbox
from tests.servers.answering import answering

SID, TOKEN, SENDER, ADA = "AC" + "1" * 32, "token-of-ours", "+15550199", "+15550100"
TEXT = Text(ADA, "Hello Ada", "https://nightshift.example/callback?delivery=1")


def account(**facts: str) -> Texts:
    return get_texts(**{"account_sid": SID, "auth_token": TOKEN, "sender": SENDER, **facts})


@pytest.fixture
def texts(sandbox: Sandbox, settings: Settings) -> Iterator[Texts]:
    settings.SMS_TIMEOUT = 0.3
    sandbox.twilio.add_account(SID, token=TOKEN, senders=[SENDER, "MG" + "2" * 32])
    texts = account()
    yield texts
    texts.close()


def sent(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(one["to"], one["body"]) for one in sandbox.twilio.messages()]


def test_takes_it_and_says_its_id(sandbox: Sandbox, texts: Texts) -> None:
    sid = texts.send(TEXT)

    (message,) = sandbox.twilio.messages()
    assert (message["sid"], message["from"], message["to"]) == (sid, SENDER, ADA)
    assert message["body"] == "Hello Ada"
    assert sandbox.requests[0].params["StatusCallback"] == TEXT.callback


def test_takes_it_from_a_messaging_service(sandbox: Sandbox, texts: Texts) -> None:
    account(sender="MG" + "2" * 32).send(TEXT)

    assert sandbox.twilio.messages()[0]["messaging_service_sid"] == "MG" + "2" * 32


@pytest.mark.parametrize(
    ("to", "opted_out", "bad_number"),
    [
        ("+15005550001", False, True),  # 21211
        ("+15005550009", False, True),  # 21614
        ("+15005550004", True, False),  # 21610
        ("+15005550003", False, False),  # 21408
        ("+15005550002", False, False),  # 21612
    ],
)
def test_will_never_take_some(texts: Texts, to: str, opted_out: bool, bad_number: bool) -> None:
    with pytest.raises(NotTaken) as no:
        texts.send(Text(to, "Hello", TEXT.callback))

    assert (no.value.opted_out, no.value.bad_number) == (opted_out, bad_number)
    assert to not in str(no.value)


@pytest.mark.parametrize(
    ("kind", "how"),
    [("rate_limit", {}), ("decline", {"code": 20429}), ("decline", {"code": 21611})],
)
def test_may_take_it_later_when_it_is_busy(
    sandbox: Sandbox, texts: Texts, kind: str, how: dict[str, Any]
) -> None:
    sandbox.twilio.misbehave(kind, **how)

    with pytest.raises(Later):
        texts.send(TEXT)
    assert sent(sandbox) == []
    texts.send(TEXT)
    assert len(sent(sandbox)) == 1


@pytest.mark.parametrize(
    "facts",
    [{"auth_token": "wrong"}, {"account_sid": "AC" + "9" * 32}, {"sender": "+15550000"}],
)
def test_takes_nothing_of_an_account_that_is_set_up_wrong(
    texts: Texts, facts: dict[str, str]
) -> None:
    with pytest.raises(AccountDown, match=r"refused \((20003|21606)\)"):
        account(**facts).send(TEXT)
    texts.send(TEXT)  # the neighbour's


@pytest.mark.parametrize(
    "kind", ["timeout_before", "timeout_after", "reset_after", "malformed", "trickle"]
)
def test_may_have_taken_it_when_nobody_knows(sandbox: Sandbox, texts: Texts, kind: str) -> None:
    sandbox.twilio.misbehave(kind)
    began = time.monotonic()

    with pytest.raises(Unknown, match="unknown whether it was sent"):
        texts.send(TEXT)
    assert time.monotonic() - began < 2
    assert len(sandbox.requests) == 1  # never asked for twice
    texts.send(TEXT)


def test_has_taken_what_its_own_error_hid(sandbox: Sandbox, texts: Texts) -> None:
    sandbox.twilio.misbehave("error_after")

    assert texts.send(TEXT) == sandbox.twilio.messages()[0]["sid"]
    assert sent(sandbox) == [(ADA, "Hello Ada")]


@pytest.mark.parametrize(("status", "means"), [(500, Later), (503, Later), (502, Unknown)])
def test_has_not_taken_what_it_does_not_know(
    sandbox: Sandbox, texts: Texts, status: int, means: type[Exception]
) -> None:
    texts.send(Text(ADA, "Something else", TEXT.callback))
    sandbox.twilio.misbehave("error_before", status=status)

    with pytest.raises(means):
        texts.send(TEXT)
    assert sent(sandbox) == [(ADA, "Something else")]


def test_is_not_told_again_when_its_list_cannot_be_read(sandbox: Sandbox, texts: Texts) -> None:
    sandbox.twilio.misbehave("error_before", method="*", count=None)

    with pytest.raises(Unknown):
        texts.send(TEXT)


def test_is_not_there(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        settings.TWILIO_API = f"http://127.0.0.1:{closed.getsockname()[1]}"

    with pytest.raises(AccountDown, match="not reachable"):
        account().send(TEXT)


def test_is_not_trusted_without_a_certificate_to_trust(settings: Settings) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    heard: list[socket.socket] = []
    with answering(heard.append, tls=tls) as address:
        settings.TWILIO_API = address
        with pytest.raises(AccountDown, match="not reachable"):
            account().send(TEXT)
    assert heard == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{",
        b"220 smtp.example ESMTP\r\n",
    ],
)
def test_says_what_nobody_understands(settings: Settings, answer: bytes) -> None:
    settings.SMS_TIMEOUT = 0.3
    say: Callable[[socket.socket], None] = lambda line: line.sendall(answer)  # noqa: E731
    with answering(say) as address:
        settings.TWILIO_API = address
        with pytest.raises(Unknown):
            account().send(TEXT)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),  # two letters each
        ("€" * 81, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("", 1),
    ],
)
def test_cuts_a_text_into_segments(body: str, count: int) -> None:
    assert segments(body) == count
