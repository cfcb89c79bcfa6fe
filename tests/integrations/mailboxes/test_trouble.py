"""When the mail server is in trouble, the adapter ..."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pytest_django import Settings

from apps.integrations.mailboxes import (
    Account,
    Auth,
    AuthenticationFailed,
    Broken,
    Mailbox,
    MailboxError,
    Security,
    Unreachable,
    open_mailbox,
)
from apps.integrations.mailboxes.imap import SMALL
from tests.integrations.mailboxes.letters import letter, listed, raw, reading
from tests.servers.absurd import DRIP, FLOOD, HANG_UP, OK, SILENCE, absurd, cutting
from tests.servers.imap import HOST, MailHost, free_ports

SOON = 0.4  # seconds: how long the adapter waits in these tests

LATE = (Unreachable, "the server did not answer in time")
LOST = (Unreachable, "the connection was lost")
UNREADABLE = (Broken, "the server's answer cannot be read")
ENDLESS = (Broken, "the server's answer does not end")
GONE = (Unreachable, "the server could not be reached")
NOT_IMAP = (Broken, "the server does not speak IMAP")


@pytest.fixture(autouse=True)
def soon(settings: Settings) -> Iterator[None]:
    """Nothing here takes longer than the time-out and a bit."""
    settings.IMAP_TIMEOUT = SOON
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < 10 * SOON


def account(port: int, **how: Any) -> Account:
    given = {"security": Security.NONE, "auth": Auth.PASSWORD, "secret": "a-mail-password"}
    return Account(**{"host": HOST, "port": port, "username": "ada", **given, **how})


def sign_in(port: int, **how: Any) -> Mailbox:
    return open_mailbox(account(port, **how))


# ---- before there is a mailbox -------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "trouble"),
    [
        ({"GREETING": [SILENCE]}, LATE),
        ({"GREETING": [DRIP]}, LATE),
        ({"GREETING": [HANG_UP]}, LOST),
        ({"GREETING": [b"* OK ready\r\n", FLOOD]}, ENDLESS),
        ({"GREETING": [b"HTTP/1.1 400 Bad Request\r\n"]}, UNREADABLE),
        ({"GREETING": [b"* BYE too busy\r\n"]}, NOT_IMAP),
        ({"GREETING": [b"* OK ready\n"]}, LOST),
        ({"GREETING": [b"\x00\xff" * 2_000_000, SILENCE]}, ENDLESS),
        ({"CAPABILITY": [OK]}, NOT_IMAP),
        ({"CAPABILITY": [b"* CAPABILITY POP3\r\n", OK]}, NOT_IMAP),
        ({"CAPABILITY": [b"* CAPABILITY \xff\r\n", OK]}, UNREADABLE),
        ({"CAPABILITY": [FLOOD]}, ENDLESS),
        ({"LOGIN": [SILENCE]}, LATE),
        ({"LOGIN": [b"* OK half", HANG_UP]}, LOST),
        ({"LOGIN": [b"X99 OK somebody else's\r\n"]}, UNREADABLE),
        ({"LOGIN": [b"* BYE shutting down\r\n"]}, LOST),
        ({"LOGIN": [FLOOD]}, ENDLESS),
    ],
)
def test_says_what_kept_it_from_signing_in(
    answers: dict[str, Any], trouble: tuple[type[MailboxError], str] | None
) -> None:
    with absurd(**answers) as port, pytest.raises(MailboxError) as caught:
        sign_in(port)
    if trouble:
        assert (type(caught.value), str(caught.value)) == trouble


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (b"NO [AUTHENTICATIONFAILED] Invalid credentials", AuthenticationFailed),
        (b"NO LOGIN failed.", AuthenticationFailed),
        (b"NO [PRIVACYREQUIRED] Plaintext authentication disallowed", AuthenticationFailed),
        (b"BAD Command not understood", AuthenticationFailed),
        (b"NO [UNAVAILABLE] Temporary authentication failure", Unreachable),
        (b"NO [INUSE] Mailbox is locked", Unreachable),
        (b"NO [ALERT] Too many simultaneous connections. (Failure)", Unreachable),
        (b"NO [LIMIT] Rate limit hit", Unreachable),
    ],
)
def test_knows_wrong_credentials_from_a_bad_moment(
    said: bytes, trouble: type[MailboxError]
) -> None:
    with absurd(LOGIN=[b"TAG " + said + b"\r\n"]) as port, pytest.raises(trouble) as caught:
        sign_in(port)
    assert type(caught.value) is trouble


def test_tells_a_refused_connection() -> None:
    [port] = free_ports(1)
    with pytest.raises(Unreachable, match=f"^{GONE[1]}$"):
        sign_in(port)


def test_tells_a_name_that_leads_nowhere() -> None:
    with pytest.raises(Unreachable, match=f"^{GONE[1]}$"):
        sign_in(143, host="mail.nowhere.invalid")


def test_ends_a_handshake_that_does_not_end() -> None:
    record = b"\x16\x03\x03\x40\x00"  # sixteen thousand bytes are coming
    with absurd(GREETING=[record, DRIP]) as port, pytest.raises(Unreachable):
        sign_in(port, security=Security.TLS)


# ---- in a folder -----------------------------------------------------------------------------

BODY = b"* 1 FETCH (UID 1 BODY[] {5}\r\nHello)\r\n"


@pytest.mark.parametrize(
    ("answers", "trouble"),
    [
        ([SILENCE], LATE),
        ([DRIP], LATE),
        ([FLOOD], ENDLESS),
        ([HANG_UP], LOST),
        ([b"* BYE going down\r\n", HANG_UP], LOST),
        ([b"* 1 FETCH (UID 1 BODY[] {500}\r\nHello", HANG_UP], LOST),
        ([b"* 1 FETCH (UID 1 BODY[] {500}\r\nHello", SILENCE], LATE),
        ([b"* 1 FETCH (UID 1 BODY[] {500}\r\nHello", DRIP], LATE),
        ([b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\nHello", SILENCE], ENDLESS),
        ([b"* 1 FETCH (UID 1 BODY[] {5}\r\nHello\r\n", OK], UNREADABLE),
        ([b"* 1 FETCH (UID x BODY[] {5}\r\nHello)\r\n", OK], UNREADABLE),
        ([b"* 1 FETCH (UID 1 BODY[])\r\n", OK], UNREADABLE),
        ([b"* 1 FETCH 7\r\n", OK], UNREADABLE),
        ([b"* 1 FETCH " + b"(" * 100_000 + b"\r\n", OK], UNREADABLE),
        ([b"nonsense\r\n"], UNREADABLE),
        ([BODY, b"X99 OK somebody else's\r\n"], None),
    ],
)
def test_says_what_kept_it_from_reading(
    answers: list[Any], trouble: tuple[type[MailboxError], str] | None
) -> None:
    with absurd(FETCH=answers) as port, closing(sign_in(port)) as mailbox:
        mailbox.open("INBOX")
        with pytest.raises(MailboxError) as caught:
            list(mailbox.fetch([listed(1), listed(2)]))
    if trouble:
        assert (type(caught.value), str(caught.value)) == trouble


@pytest.mark.parametrize(
    "examined",
    [
        [OK],
        [b"* OK [UIDVALIDITY 0] .\r\n", OK],
        [b"* OK [UIDVALIDITY -1] .\r\n", OK],
        [b"* OK [UIDVALIDITY 99999999999] .\r\n", OK],
        [b"* OK [UIDVALIDITY x] .\r\n", OK],
        [b"* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 99999999999] .\r\n", OK],
    ],
)
def test_believes_in_no_absurd_numbering(examined: list[Any]) -> None:
    with (
        absurd(EXAMINE=examined) as port,
        closing(sign_in(port)) as mailbox,
        pytest.raises(Broken),
    ):
        mailbox.open("INBOX")


@pytest.mark.parametrize("found", [b"0", b"-3", b"99999999999", b"x", b"(1 2)"])
def test_believes_in_no_absurd_uid(found: bytes) -> None:
    answer = [b"* SEARCH " + found + b"\r\n", OK]
    with absurd(SEARCH=answer) as port, closing(sign_in(port)) as mailbox:
        mailbox.open("INBOX")
        with pytest.raises(Broken):
            mailbox.uids(above=0)


@pytest.mark.parametrize(
    ("told", "size", "dated"),
    [
        (b'RFC822.SIZE 9 INTERNALDATE "01-May-2026 09:30:00 +0000"', 9, True),
        (b'RFC822.SIZE 99999999999 INTERNALDATE "yesterday"', 99_999_999_999, False),
        (b'RFC822.SIZE -1 INTERNALDATE "31-Dec-9999 23:59:59 -1200"', 0, False),
        (b"RFC822.SIZE NIL INTERNALDATE NIL", 0, False),
        (b"FLAGS ()", 0, False),
    ],
)
def test_puts_up_with_absurd_sizes_and_dates(told: bytes, size: int, dated: bool) -> None:
    answer = [b"* 1 FETCH (UID 1 " + told + b")\r\n", OK]
    with absurd(FETCH=answer) as port, closing(sign_in(port)) as mailbox:
        mailbox.open("INBOX")
        [found] = mailbox.look([1])
    assert (found.size, found.received_at is not None) == (size, dated)


def test_goes_past_a_letter_that_the_server_will_not_hand_out() -> None:
    heard: list[bytes] = []
    refusal = [b"TAG NO [SERVERBUG] cannot be retrieved\r\n"]
    with absurd(FETCH=refusal, heard=heard) as port, closing(sign_in(port)) as mailbox:
        mailbox.open("INBOX")
        found = list(mailbox.fetch([listed(1), listed(2), listed(3, SMALL + 1)]))
        found += mailbox.headers([listed(4)])
    assert [(one.uid, one.raw) for one in found] == [(n, None) for n in (1, 2, 3, 4)]
    assert sum(b"FETCH" in line for line in heard) == 5  # together, then one by one


def test_goes_past_a_letter_without_an_end(settings: Settings) -> None:
    settings.MAIL_LARGEST = 1_000_000
    chunk = b"x" * 524_288
    part = b"* 1 FETCH (UID 1 BODY[]<0> {524288}\r\n" + chunk + b")\r\n"
    with absurd(FETCH=[part, OK]) as port, closing(sign_in(port)) as mailbox:
        mailbox.open("INBOX")
        [found] = mailbox.fetch([listed(1, SMALL + 1)])
    assert found.raw is None


def test_is_not_misled_by_what_nobody_asked_for() -> None:
    news = (
        b"* 4 EXISTS\r\n* 9 FETCH (UID 9 BODY[] {3}\r\nxyz)\r\n* 1 FETCH (FLAGS (\\Seen))\r\n"
    )
    with absurd(FETCH=[news, BODY, OK]) as port, closing(sign_in(port)) as mailbox:
        mailbox.open("INBOX")
        assert [(one.uid, one.raw) for one in mailbox.fetch([listed(1), listed(2)])] == [
            (1, b"Hello")
        ]


# ---- half-way, and afterwards ----------------------------------------------------------------


@pytest.mark.dovecot
@pytest.mark.parametrize("after", [0, 1, 7, 19])
def test_hands_over_what_arrived_before_the_connection_was_lost(
    dovecot_server: MailHost, settings: Settings, after: int
) -> None:
    settings.IMAP_TIMEOUT = 5.0
    ada = dovecot_server.add_user()
    for number in range(20):
        dovecot_server.deliver(ada, letter(number))
    with cutting(dovecot_server.port, after=after) as port:
        with reading(dovecot_server, ada, port=port) as mailbox:
            found = mailbox.fetch(mailbox.look(mailbox.uids(above=0)))
            arrived = [next(found).uid for _ in range(after)]
            with pytest.raises(Unreachable, match="connection was lost"):
                next(found)
        assert arrived == list(range(1, after + 1))
        with reading(dovecot_server, ada, port=port) as mailbox:  # and then all is well
            rest = mailbox.look(mailbox.uids(above=after))
            assert len(raw(mailbox.fetch(rest))) == 20 - after


@pytest.mark.parametrize("how", [{"username": "ada\r\nA1 NOOP"}, {"secret": "a\r\nA1 NOOP"}])
def test_sends_no_credentials_with_a_command_in_them(how: Any) -> None:
    heard: list[bytes] = []
    with absurd(heard=heard) as port, pytest.raises(AuthenticationFailed):
        sign_in(port, **how)
    assert not any(b"NOOP" in line for line in heard)
