"""Signing in to a mailbox: by whom, and over what (Dovecot) ..."""

import logging
import socket
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytest_django import Settings

from apps.integrations.mailboxes import (
    Auth,
    AuthenticationFailed,
    Refused,
    Security,
    Unreachable,
    open_mailbox,
    wire,
)
from tests.servers.absurd import OK, absurd
from tests.servers.dovecot import access_token
from tests.servers.imap import HOST, PASSWORD, MailHost

pytestmark = pytest.mark.dovecot

TLS = {"security": Security.TLS}
STARTTLS = {"security": Security.STARTTLS}


@pytest.fixture
def server(dovecot_server: MailHost, settings: Settings) -> MailHost:
    settings.IMAP_TIMEOUT = 10.0
    return dovecot_server


@pytest.fixture
def ada(server: MailHost) -> str:
    return server.add_user()


@pytest.fixture
def trusting(server: MailHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts the server's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))


def sign_in(server: MailHost, user: str, **how: Any) -> None:
    port = server.tls_port if how.get("security") == Security.TLS else server.port
    with closing(open_mailbox(server.account(user, **{"port": port} | how))) as mailbox:
        assert mailbox.open("INBOX").uidvalidity


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("host", [HOST, "localhost"])
@pytest.mark.parametrize("how", [TLS, STARTTLS], ids=["tls", "starttls"])
def test_works_over_tls(server: MailHost, ada: str, how: Any, host: str) -> None:
    sign_in(server, ada, host=host, **how)


@pytest.mark.parametrize("how", [TLS, STARTTLS], ids=["tls", "starttls"])
def test_tells_no_password_to_a_server_that_nobody_vouches_for(
    server: MailHost, ada: str, how: Any
) -> None:
    with pytest.raises(Unreachable, match=r"^the server's certificate is not trusted$"):
        sign_in(server, ada, **how)


def test_tells_no_password_to_a_server_of_another_name(
    server: MailHost, ada: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example.test").configure_cert(other)
    with (
        absurd(tls=other) as port,
        pytest.raises(Unreachable, match=r"^the server's certificate is not trusted$"),
    ):
        sign_in(server, ada, port=port, **TLS)


def test_checks_certificate_and_name() -> None:
    context = wire.tls_context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_works_in_the_clear_on_this_machine(server: MailHost, ada: str) -> None:
    sign_in(server, ada)


# ---- by whom --------------------------------------------------------------------------------


def test_works_with_an_access_token(server: MailHost, ada: str) -> None:
    sign_in(server, ada, auth=Auth.XOAUTH2, secret=access_token(ada))


@pytest.mark.parametrize(
    "token", ["rubbish", "", access_token("bob@example.test"), access_token("x", seconds=-9)]
)
def test_is_turned_away_with_a_bad_token(server: MailHost, ada: str, token: str) -> None:
    with pytest.raises(AuthenticationFailed, match=r"^authentication failed$"):
        sign_in(server, ada, auth=Auth.XOAUTH2, secret=token)


def test_is_turned_away_as_nobody_we_know(server: MailHost) -> None:
    with pytest.raises(AuthenticationFailed):
        sign_in(server, "nobody@example.test", secret=PASSWORD)


def test_repeats_no_secret(
    server: MailHost, ada: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("imapclient").setLevel(logging.DEBUG)
    token = access_token(ada)
    sign_in(server, ada, auth=Auth.XOAUTH2, secret=token)
    sign_in(server, ada)
    with pytest.raises(AuthenticationFailed) as refused:
        sign_in(server, ada, secret="marker-of-the-password")
    account = server.account(ada, secret="marker-of-the-password")
    said = f"{caplog.text} {refused.value!r} {account!r} {account}"
    assert "marker-of-the-password" not in said
    assert server.users[ada] not in said
    assert token not in said


# ---- over what ------------------------------------------------------------------------------


def test_tells_no_password_where_starttls_is_not_offered(server: MailHost, ada: str) -> None:
    heard: list[bytes] = []
    with (
        absurd(CAPABILITY=[b"* CAPABILITY IMAP4rev1\r\n", OK], heard=heard) as port,
        pytest.raises(Refused, match=r"^the server does not offer STARTTLS$"),
    ):
        sign_in(server, ada, port=port, **STARTTLS)
    assert not any(b"LOGIN" in line or b"AUTHENTICATE" in line for line in heard)


def test_tells_no_password_in_the_clear_to_another_machine(server: MailHost, ada: str) -> None:
    heard: list[bytes] = []
    with (
        absurd(address="0.0.0.0", heard=heard) as port,
        pytest.raises(Refused, match=r"^a password is never sent over a network in the clear$"),
    ):
        sign_in(server, ada, host=outside_address(), port=port)
    assert not any(b"LOGIN" in line or b"AUTHENTICATE" in line for line in heard)


def outside_address() -> str:
    """An address of this machine by which others reach it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        return str(probe.getsockname()[0])


def test_stays_out_of_our_own_network_where_firms_are_strangers(
    server: MailHost, ada: str, settings: Settings
) -> None:
    settings.IMAP_PRIVATE_HOSTS = False
    for how in (TLS, STARTTLS, {}):
        with pytest.raises(Unreachable, match=r"^the server could not be reached$"):
            sign_in(server, ada, **how)
