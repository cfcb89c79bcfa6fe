"""When a weather service is in trouble, the adapter …"""

import logging
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
import trustme
from pytest_django import Settings

from apps.core.logs import DiscreetFormatter
from apps.integrations.weather import BadCredentials, Refused, Unreachable, WeatherError
from apps.integrations.weather.wire import LARGEST_ANSWER
from sandbox import Sandbox
from tests.integrations.cards.test_trouble import OK, drip, say
from tests.integrations.weather.asking import (
    ALBANY,
    BRISTOL,
    authority,
    seen,
    warned,
    weather,
)
from tests.servers.answering import answering

SOON = 0.4  # seconds: how long the adapter waits in these tests

both = pytest.mark.parametrize(
    ("vendor", "ask"), [("open_meteo", seen), ("nws", warned)], ids=["open_meteo", "nws"]
)


@both
@pytest.mark.parametrize(
    ("kind", "how", "error", "said"),
    [
        ("reset_before", {}, Unreachable, "could not be reached"),
        ("reset_after", {}, Unreachable, "could not be reached"),
        ("error_before", {"status": 500}, Unreachable, "(HTTP 500)"),
        ("error_before", {"status": 503}, Unreachable, "(HTTP 503)"),
        ("error_before", {"status": 302}, Unreachable, "(HTTP 302)"),
        ("error_before", {"status": 400}, Refused, "refused (HTTP 400)"),
        ("error_before", {"status": 401}, BadCredentials, "who we say we are"),
        ("error_before", {"status": 403}, BadCredentials, "who we say we are"),
        ("malformed", {}, Unreachable, "cannot be read"),
    ],
)
def test_says_what_is_wrong_and_knows_the_next_time(
    sandbox: Sandbox,
    vendor: str,
    ask: Callable[[], Any],
    kind: str,
    how: dict[str, Any],
    error: type[WeatherError],
    said: str,
) -> None:
    rule = getattr(sandbox, vendor).misbehave(kind, count=None, **how)
    with pytest.raises(error) as trouble:
        ask()
    assert said in str(trouble.value)
    rule.count = 0
    ask()


@both
@pytest.mark.parametrize("kind", ["timeout_before", "trickle"])
def test_does_not_wait_for_ever(
    sandbox: Sandbox, settings: Settings, vendor: str, ask: Callable[[], Any], kind: str
) -> None:
    settings.WEATHER_TIMEOUT = SOON
    getattr(sandbox, vendor).misbehave(kind, every=0.02)
    with pytest.raises(Unreachable, match="did not answer in time"):
        ask()


@both
def test_asks_once_more_by_itself(
    sandbox: Sandbox, vendor: str, ask: Callable[[], Any]
) -> None:
    getattr(sandbox, vendor).misbehave("reset_before")
    ask()
    assert len(sandbox.requests) == 2


@both
@pytest.mark.parametrize(
    ("wait", "asked"), [(0, 2), (3_600, 1), ("Wed, 21 Oct 2099 07:28:00 GMT", 1), ("soon", 1)]
)
def test_waits_if_it_is_asked_to_and_that_is_short(
    sandbox: Sandbox, vendor: str, ask: Callable[[], Any], wait: Any, asked: int
) -> None:
    getattr(sandbox, vendor).misbehave("rate_limit", retry_after=wait)
    if asked == 2:
        ask()
    else:
        with pytest.raises(Unreachable, match="asked less often"):
            ask()
    assert len(sandbox.requests) == asked


def test_waits_once_and_then_asks_no_more(sandbox: Sandbox) -> None:
    sandbox.open_meteo.misbehave("rate_limit", retry_after=0, count=2)
    with weather() as service:
        for said in ("less often", "not asked again"):
            assert said in str(service.observe([ALBANY])[ALBANY])
    assert len(sandbox.requests) == 2
    assert seen()  # another run


def test_asks_no_more_after_three_questions_in_vain(sandbox: Sandbox) -> None:
    sandbox.nws.misbehave("malformed", count=None)
    with authority() as service:
        for said in ("cannot be read", "cannot be read", "cannot be read", "not asked again"):
            assert said in str(service.alerts([ALBANY])[ALBANY])
    assert len(sandbox.requests) == 3


def test_forgets_what_was_in_vain_when_it_is_answered(sandbox: Sandbox) -> None:
    with weather() as service:
        for _ in range(3):
            sandbox.open_meteo.misbehave("malformed", count=2)
            found = [service.observe([ALBANY])[ALBANY] for _ in range(3)]
            assert [isinstance(one, Unreachable) for one in found] == [True, True, False]


def test_asks_no_more_when_the_run_has_no_time_left(sandbox: Sandbox) -> None:
    with weather(seconds=-1) as service:
        assert "not asked again" in str(service.observe([ALBANY])[ALBANY])
    assert sandbox.requests == []


def test_lets_one_place_of_many_be_unreadable(sandbox: Sandbox, settings: Settings) -> None:
    good = b'{"utc_offset_seconds": 0, "current": {"time": "2025-06-10T12:00"}}'
    body = b"[" + good + b', {"current": null}]'
    with answering(say(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)) as url:
        settings.OPEN_METEO_API = url
        with weather() as service:
            found = service.observe([ALBANY, BRISTOL])
    assert [isinstance(found[one], Unreachable) for one in (ALBANY, BRISTOL)] == [False, True]


@pytest.mark.parametrize("answer", [b"[]", b"[{}]", b"[{}, {}, {}]", b"5"])
def test_believes_nothing_about_other_places(settings: Settings, answer: bytes) -> None:
    whole = OK + b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)
    with answering(say(whole)) as url:
        settings.OPEN_METEO_API = url
        with weather() as service:
            found = service.observe([ALBANY, BRISTOL])
    assert {str(one) for one in found.values()} == {
        "The weather service's answer is about other places."
    }


def test_does_not_know_an_address_where_nobody_listens(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.OPEN_METEO_API = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(Unreachable, match="could not be reached"):
        seen()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (say(b""), "could not be reached"),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n"), "could not be reached"),
        (say(OK + b'Content-Length: 900\r\n\r\n{"current":'), "could not be reached"),  # half
        (say(OK + b"Content-Length: 0\r\n\r\n"), "cannot be read"),
        (say(OK + b"Content-Length: 14\r\n\r\n<html>!</html>"), "cannot be read"),
        (say(OK + b'Content-Length: 9\r\n\r\n{"a":NaN}'), "cannot be read"),
        (say(OK + b"\r\n" + b"[" * 200_000), "cannot be read"),
        (say(OK + b"\r\n" + b" " * (LARGEST_ANSWER + 1)), "too long"),
        (drip(OK + b"X-Endless: ", b"x"), "did not answer in time"),
        (drip(OK + b"\r\n", b" "), "did not answer in time"),
    ],
)
def test_survives_an_answer_like_this(
    settings: Settings, script: Callable[[socket.socket], None], said: str
) -> None:
    settings.WEATHER_TIMEOUT = SOON
    with answering(script) as url:
        settings.NWS_API = url
        began = time.monotonic()
        with pytest.raises(Unreachable, match=said):
            warned()
    assert time.monotonic() - began < 10 * SOON


def test_trusts_no_certificate_of_an_unknown_authority(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    answer = say(OK + b'Content-Length: 16\r\n\r\n{"features": []}')
    with answering(answer, tls=context) as url:
        settings.NWS_API = url
        with pytest.raises(Unreachable, match="could not be reached"):
            warned()
        ca.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        assert warned() == []


def test_shows_its_key_and_keeps_it_out_of_errors_and_logs(
    sandbox: Sandbox, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.open_meteo.set_key("a-secret-key")
    settings.OPEN_METEO_KEY = "another-key"
    with pytest.raises(BadCredentials) as trouble:
        seen()
    settings.OPEN_METEO_KEY = "a-secret-key"
    seen()
    sandbox.open_meteo.misbehave("reset_after", count=None)
    with pytest.raises(Unreachable) as unreached:
        seen()
    logged = [DiscreetFormatter().format(record) for record in caplog.records]
    assert any("apikey=…" in line for line in logged)
    assert "-key" not in f"{trouble.value!r} {unreached.value!r} {logged}"
    assert unreached.value.__suppress_context__


def test_says_nothing_that_a_netrc_has_for_the_host(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    heard: list[str | None] = []
    sandbox.core.on_request.append(
        lambda call: heard.append(flask.request.headers.get("Authorization"))
    )
    seen()
    assert heard == [None]
