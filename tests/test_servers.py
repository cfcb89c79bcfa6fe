"""The servers other tests rely on really serve, and really misbehave."""

import os
import shutil
import smtplib
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from django.core.mail import get_connection, send_mail
from django.db import connection
from pytest_django import Settings

from tests.servers.smtp import MailServer, mail_server


def send(recipient: str) -> None:
    send_mail("Rent", "It is due.", "nightshift@example.com", [recipient])


def test_mail_arrives_with_its_words(smtp_server: MailServer) -> None:
    send("ada@example.com")

    [mail] = smtp_server.messages
    assert (mail.sender, mail.recipients) == ("nightshift@example.com", ["ada@example.com"])
    assert mail.message["Subject"] == "Rent"
    assert mail.message.get_content() == "It is due.\n"
    assert smtp_server.connections == 1


@pytest.mark.parametrize("code", [450, 550, 552])
def test_a_recipient_is_refused_until_accepted_again(
    smtp_server: MailServer, code: int
) -> None:
    smtp_server.refuse("bob@example.com", code=code)

    with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        send("bob@example.com")
    send("ada@example.com")
    smtp_server.accept("bob@example.com")
    send("bob@example.com")

    assert refusal.value.recipients["bob@example.com"][0] == code
    assert [mail.recipients for mail in smtp_server.messages] == [
        ["ada@example.com"],
        ["bob@example.com"],
    ]


def test_only_the_next_message_is_refused(smtp_server: MailServer) -> None:
    smtp_server.refuse_next(code=552)

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        send("ada@example.com")
    send("ada@example.com")

    assert refusal.value.smtp_code == 552
    assert len(smtp_server.messages) == 1


@pytest.mark.parametrize(("keep", "kept"), [(False, 0), (True, 1)])
def test_a_connection_is_cut_before_the_answer(
    smtp_server: MailServer, keep: bool, kept: int
) -> None:
    smtp_server.drop_next(keep=keep)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send("ada@example.com")

    assert len(smtp_server.messages) == kept


def test_a_hanging_server_runs_into_the_time_out(
    smtp_server: MailServer, settings: Settings
) -> None:
    settings.EMAIL_TIMEOUT = 0.2
    smtp_server.hang_next()

    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        send("ada@example.com")

    assert smtp_server.messages == []


def test_a_login_over_tls_delivers(strict_smtp_server: MailServer) -> None:
    send("ada@example.com")

    assert len(strict_smtp_server.messages) == 1


def test_a_wrong_password_does_not(strict_smtp_server: MailServer, settings: Settings) -> None:
    settings.EMAIL_HOST_PASSWORD = "guess"

    with closing(get_connection()) as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.open()


def test_an_unknown_certificate_is_not_trusted(
    strict_smtp_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    with (
        closing(get_connection()) as client,
        pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.open()


def test_plain_text_is_not_taken_where_tls_is_demanded(
    strict_smtp_server: MailServer, settings: Settings
) -> None:
    settings.EMAIL_USE_TLS = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""

    with pytest.raises(smtplib.SMTPException, match="STARTTLS"):
        send("ada@example.com")

    assert strict_smtp_server.messages == []


def test_a_login_can_be_demanded_without_tls(settings: Settings) -> None:
    with mail_server(login=("nightshift", "a-mail-password")) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "nightshift", "a-mail-password"
        send("ada@example.com")

    assert len(server.messages) == 1


@pytest.mark.postgres
@pytest.mark.django_db
def test_postgresql_says_its_version() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        assert cursor.fetchone()[0].startswith("PostgreSQL ")


@pytest.mark.postgres
@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="the server is not ours")
def test_postgresql_ends_with_the_process_that_started_it() -> None:
    program = (
        "import time\n"
        "from tests.servers.postgres import postgres\n"
        "with postgres() as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    port = urlsplit(starter.stdout.readline()).port
    [server] = [
        process
        for process in psutil.process_iter(["cmdline"])
        if {"-k", str(port)} <= set(process.info["cmdline"] or [])
    ]
    home = server.cmdline()[server.cmdline().index("-k") + 1]

    starter.kill()
    starter.communicate()

    psutil.wait_procs([server], timeout=10)
    assert not server.is_running()
    shutil.rmtree(home)
