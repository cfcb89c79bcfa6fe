"""When the bank is in trouble, the adapter ..."""

import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trustme
from pytest_django import Settings

from apps.integrations.cards import (
    BadCredentials,
    BankError,
    Cards,
    Refused,
    Unreachable,
)
from apps.integrations.cards.wire import LARGEST_ANSWER
from sandbox.bog import Bog
from tests.integrations.cards.asking import adapter, charge, order, paths, secret
from tests.servers.answering import answering

SOON = 0.5  # seconds: how long the adapter waits in these tests


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("reset_before", "The bank could not be reached."),
        ("reset_after", "The bank could not be reached."),
        ("error_before", "The bank did not charge the saved card (HTTP 500)."),
        ("error_after", "The bank did not charge the saved card (HTTP 500)."),
        ("rate_limit", "The bank did not charge the saved card (HTTP 429)."),
        ("malformed", "The bank's answer cannot be read."),
    ],
)
def test_says_that_it_does_not_know_what_happened(
    bank: Bog, cards: Cards, kind: str, said: str
) -> None:
    bank.misbehave(kind, path="*/subscribe")

    with pytest.raises(Unreachable) as trouble:
        cards.charge_saved_card(charge())

    assert str(trouble.value) == said


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
def test_does_not_wait_for_ever(bank: Bog, cards: Cards, settings: Settings, kind: str) -> None:
    settings.GATEWAY_TIMEOUT = SOON
    bank.misbehave(kind, path="*/subscribe")

    with pytest.raises(Unreachable, match="did not answer in time"):
        cards.charge_saved_card(charge())

    assert len(bank.charges()) == (1 if kind == "timeout_after" else 0)


def test_charges_once_when_asked_again_after_a_time_out(
    bank: Bog, cards: Cards, settings: Settings
) -> None:
    settings.GATEWAY_TIMEOUT = SOON
    bank.misbehave("timeout_after", path="*/subscribe")
    asked = charge()
    with pytest.raises(Unreachable):
        cards.charge_saved_card(asked)

    order_id = cards.charge_saved_card(asked)

    assert [told["order_id"] for told in bank.charges()] == [order_id]


def test_gives_up_an_answer_whose_body_never_ends(
    bank: Bog, cards: Cards, settings: Settings
) -> None:
    cards.receipt("parent")
    settings.GATEWAY_TIMEOUT = SOON
    bank.misbehave("trickle", path="*/subscribe", every=0.02)

    with pytest.raises(Unreachable, match="did not end in time"):
        cards.charge_saved_card(charge())


@pytest.mark.parametrize("status", [502, 503, 504])
def test_reads_again_by_itself(bank: Bog, cards: Cards, status: int) -> None:
    bank.misbehave("error_before", method="GET", status=status)

    assert cards.receipt("parent").order_id == "parent"


def test_reads_again_only_once(bank: Bog, cards: Cards) -> None:
    bank.misbehave("reset_before", method="GET", count=None)

    with pytest.raises(Unreachable):
        cards.receipt("parent")

    assert paths(bank).count("GET /receipt/parent") == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, Unreachable),
        (400, Refused),
        (403, BadCredentials),
        (404, Refused),
        (408, Unreachable),
        (409, Refused),
        (425, Unreachable),
        (429, Unreachable),
        (500, Unreachable),
        (503, Unreachable),
    ],
)
def test_tells_apart_what_a_status_means(
    bank: Bog, cards: Cards, status: int, error: type[BankError]
) -> None:
    bank.misbehave("error_before", path="*/orders", status=status, count=None)

    with pytest.raises(error):
        cards.create_order(order())


def test_does_not_know_an_address_where_nobody_listens(
    bank: Bog, cards: Cards, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.BOG_API = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(Unreachable, match="could not be reached"):
        cards.receipt("parent")


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def drip(start: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            connection.sendall(drop)
            time.sleep(0.02)

    return script


def say(answer: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(answer)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (say(b""), "could not be reached"),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n"), "could not be reached"),
        (say(OK + b"Content-Length: 900\r\n\r\n{}"), "could not be reached"),  # cut off
        (say(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "could not be reached"),
        (say(OK + b"Content-Length: 0\r\n\r\n"), "cannot be read"),
        (say(OK + b"Content-Length: 14\r\n\r\n<html>!</html>"), "cannot be read"),
        (say(OK + b"Content-Length: 2\r\n\r\n[]"), "cannot be read"),
        (
            say(OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
            "no purchase_units",
        ),
        (say(OK + b"\r\n" + b"[" * 500_000), "cannot be read"),
        (say(OK + b"\r\n" + b" " * (LARGEST_ANSWER + 1)), "too long"),
        (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "did not answer in time"),
        (drip(OK + b"X-Endless: ", b"x"), "did not answer in time"),
        (drip(OK + b"\r\n", b" "), "did not end in time"),
        (
            drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
            "did not end in time",
        ),
    ],
)
def test_survives_an_answer_like_this(
    bank: Bog,
    cards: Cards,
    settings: Settings,
    script: Callable[[socket.socket], None],
    said: str,
) -> None:
    cards.receipt("parent")  # a token is at hand
    settings.GATEWAY_TIMEOUT = SOON
    with answering(script) as url:
        settings.BOG_API = url
        began = time.monotonic()

        with pytest.raises(Unreachable, match=said):
            cards.receipt("parent")

    assert time.monotonic() - began < 10 * SOON


def test_follows_no_redirect_with_its_token(
    bank: Bog, cards: Cards, settings: Settings
) -> None:
    cards.receipt("parent")
    away = settings.BOG_API
    answer = f"HTTP/1.1 307 Go\r\nLocation: {away}/receipt/parent\r\nContent-Length: 0\r\n\r\n"
    with answering(say(answer.encode())) as url:
        settings.BOG_API = url

        with pytest.raises(Unreachable, match="HTTP 307"):
            cards.receipt("parent")

    assert paths(bank).count("GET /receipt/parent") == 1


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """A certificate for loopback, by an authority that requests has been told of."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (say(OK + b"Content-Length: 2\r\n\r\n{}"), "no purchase_units"),
        (drip(OK + b"X-Endless: ", b"x"), "did not answer in time"),
        (drip(OK + b"\r\n", b" "), "did not end in time"),
    ],
)
def test_is_as_careful_over_tls(
    bank: Bog,
    cards: Cards,
    settings: Settings,
    tls: ssl.SSLContext,
    script: Callable[[socket.socket], None],
    said: str,
) -> None:
    cards.receipt("parent")
    settings.GATEWAY_TIMEOUT = SOON
    with answering(script, tls=tls) as url:
        settings.BOG_API = url

        with pytest.raises(Unreachable, match=said):
            cards.receipt("parent")


def test_trusts_no_certificate_of_an_unknown_authority(
    bank: Bog,
    cards: Cards,
    settings: Settings,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    cards.receipt("parent")
    with answering(say(OK + b"Content-Length: 2\r\n\r\n{}"), tls=tls) as url:
        settings.BOG_API = url

        with pytest.raises(Unreachable, match="could not be reached"):
            cards.receipt("parent")


def test_shows_its_token_whatever_netrc_says(
    bank: Bog, cards: Cards, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    assert cards.receipt("parent").order_id == "parent"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"{}", "no order id"),
        (b'{"id": 5}', "no order id"),
        (b'{"id": ""}', "no order id"),
        (b'{"id": "../../etc"}', "no order id"),
        (b'{"id": "b-1"}', "no _links"),
        (b'{"id": "b-1", "_links": {"redirect": {}}}', "no address of a page"),
        (
            b'{"id": "b-1", "_links": {"redirect": {"href": "javascript:alert(1)"}}}',
            "no address of a page",
        ),
    ],
)
def test_takes_no_new_order_without_what_matters(
    bank: Bog, cards: Cards, settings: Settings, answer: bytes, said: str
) -> None:
    cards.receipt("parent")
    whole = OK + b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)
    with answering(say(whole)) as url:
        settings.BOG_API = url

        with pytest.raises(Unreachable, match=said):
            cards.create_order(order())


@pytest.mark.parametrize(
    "token", [b"{}", b'{"access_token": 5}', b'{"access_token": "a\\r\\nb"}']
)
def test_takes_no_token_that_is_none(
    bank: Bog, cards: Cards, settings: Settings, token: bytes
) -> None:
    whole = OK + b"Content-Length: %d\r\n\r\n%b" % (len(token), token)
    with answering(say(whole)) as url:
        settings.BOG_TOKENS = url

        with pytest.raises(Unreachable, match="no token"):
            cards.receipt("parent")


def test_believes_no_receipt_of_another_order(
    bank: Bog, cards: Cards, settings: Settings
) -> None:
    bank.orders["parent"].id = "another"

    with pytest.raises(Unreachable, match="about another order"):
        cards.receipt("parent")


def test_keeps_secrets_out_of_errors_and_logs(
    bank: Bog, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for kind in ("reset_after", "malformed", "error_after"):
        bank.misbehave(kind, path="*/orders")
        bank.misbehave("reset_before", path="/bog/token")
        with closing(adapter(bank)) as cards:
            with pytest.raises(Unreachable) as trouble:
                cards.create_order(order(label="Ada Lovelace"))
            said += [str(trouble.value), repr(cards), repr(vars(cards)["_wire"])]
            assert trouble.value.__cause__ is None
            assert trouble.value.__suppress_context__ or trouble.value.__context__ is None

    told = "\n".join([*said, caplog.text])
    tokens = list(bank.tokens.given)
    assert tokens
    for hidden in (secret(bank), "Ada Lovelace", "Basic ", "Bearer ", *tokens):
        assert hidden not in told
