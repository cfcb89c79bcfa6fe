"""Whichever server it is, the adapter ..."""

import os
from contextlib import closing
from datetime import UTC, date, datetime

import pytest

from apps.integrations.mailboxes import (
    AuthenticationFailed,
    Folder,
    Refused,
    open_mailbox,
)
from apps.integrations.mailboxes.imap import CHUNK, SMALL, TOGETHER
from tests.integrations.mailboxes.letters import letter, listed, raw, reading, unix
from tests.servers.imap import MailHost

AT = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)


def test_names_the_folders(server: MailHost, ada: str) -> None:
    server.deliver(ada, letter(1), folder="Sent")
    with reading(server, ada) as mailbox:
        assert mailbox.folders() == ["INBOX", "Sent"]


def test_opens_a_folder(server: MailHost, ada: str) -> None:
    for number in (1, 2):
        server.deliver(ada, letter(number))
    with closing(open_mailbox(server.account(ada))) as mailbox:
        folder = mailbox.open("INBOX")
    assert folder == Folder("INBOX", folder.uidvalidity, 2)


def test_is_refused_a_folder_that_is_not_there(server: MailHost, ada: str) -> None:
    with reading(server, ada) as mailbox:
        with pytest.raises(Refused, match=r"^the server refused to open the folder “Archive”$"):
            mailbox.open("Archive")
        assert mailbox.open("INBOX").highest == 0


@pytest.mark.parametrize("name", ["a\r\nA1 DELETE INBOX", "a\x00b", "\x7f"])
def test_sends_no_folder_name_with_a_command_in_it(
    server: MailHost, ada: str, name: str
) -> None:
    with reading(server, ada) as mailbox, pytest.raises(Refused, match="no folder has"):
        mailbox.open(name)


@pytest.mark.parametrize("name", ["Ärger", "Ответы", 'with "quotes"', "with space"])
def test_opens_folders_of_any_name(server: MailHost, ada: str, name: str) -> None:
    with server.client(ada) as client:
        client.create_folder(name)
    with reading(server, ada) as mailbox:
        assert name in mailbox.folders()
        assert mailbox.open(name).highest == 0


def test_finds_only_what_is_above(server: MailHost, ada: str) -> None:
    for number in (1, 2, 3):
        server.deliver(ada, letter(number))
    with reading(server, ada) as mailbox:
        assert [mailbox.uids(above=n) for n in (0, 2, 3, 900)] == [[1, 2, 3], [3], [], []]


def test_finds_what_came_since_a_day(server: MailHost, ada: str) -> None:
    for number, day in enumerate((1, 2, 3)):
        server.deliver(ada, letter(number), received=datetime(2026, 5, day, 12, tzinfo=UTC))
    with reading(server, ada) as mailbox:
        found = mailbox.look(mailbox.uids(above=0, since=date(2026, 5, 2)))
        days = sorted(one.received_at.day for one in found if one.received_at)
        assert days == [2, 3]


def test_looks_at_size_date_and_id(server: MailHost, ada: str) -> None:
    server.deliver(ada, letter(1), received=AT)
    with reading(server, ada) as mailbox:
        [found] = mailbox.look([1, 99])
    assert (found.uid, found.received_at) == (1, AT)
    assert found.size in {len(letter(1)), len(unix(letter(1)))}
    assert found.message_id.strip() == b"Message-ID: <1@example.test>"


def test_looks_at_a_letter_without_an_id(server: MailHost, ada: str) -> None:
    server.deliver(ada, b"Subject: Hello\r\n\r\nHello.\r\n", received=AT)
    with reading(server, ada) as mailbox:
        [found] = mailbox.look([1])
        assert found.message_id.strip() == b""


def test_fetches_letters_in_their_order(server: MailHost, ada: str) -> None:
    many = TOGETHER + 3
    with server.client(ada) as client:  # which numbers them as they come
        for number in range(many):
            client.append("INBOX", letter(number))
    with reading(server, ada) as mailbox:
        found = list(mailbox.fetch([listed(uid) for uid in range(many, 0, -1)]))
    assert [one.uid for one in found] == list(range(1, many + 1))
    assert raw(iter(found)) == [unix(letter(number)) for number in range(many)]


@pytest.mark.parametrize("size", [SMALL, SMALL + 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_fetches_letters_of_any_size(server: MailHost, ada: str, size: int) -> None:
    line = b"0123456789" * 7 + b"\r\n"
    whole = letter(1, body=line * (size // len(line)))
    whole = whole[:size] + os.urandom(4).hex().encode() + b"\r\n"
    server.deliver(ada, whole)
    with reading(server, ada) as mailbox:
        [found] = mailbox.look([1])
        assert raw(mailbox.fetch([found])) == [unix(whole)]


def test_fetches_bytes_that_are_no_text(server: MailHost, ada: str) -> None:
    odd = letter(1, body=bytes(range(1, 10)) + bytes(range(14, 256)) + b"\r\n")
    server.deliver(ada, odd)
    with reading(server, ada) as mailbox:
        assert raw(mailbox.fetch([listed(1)])) == [unix(odd)]


@pytest.mark.parametrize("size", [100, CHUNK + 1])
def test_leaves_out_what_somebody_deleted_meanwhile(
    server: MailHost, ada: str, size: int
) -> None:
    for number in (1, 2, 3):
        server.deliver(ada, letter(number))
    with reading(server, ada) as mailbox:
        with server.client(ada) as client:
            client.select_folder("INBOX")
            client.delete_messages([2])
            client.expunge()
        mailbox.open("INBOX")
        asked = [listed(1), listed(2, size), listed(3)]
        assert [one.uid for one in mailbox.fetch(asked)] == [1, 3]
        assert [one.uid for one in mailbox.look([1, 2, 3])] == [1, 3]


def test_reads_a_header_alone(server: MailHost, ada: str) -> None:
    server.deliver(ada, letter(1, body=b"x" * 100_000))
    with reading(server, ada) as mailbox:
        assert raw(mailbox.headers([listed(1), listed(99)])) == [unix(letter(1, body=b""))]


def test_leaves_every_letter_unread(server: MailHost, ada: str) -> None:
    for number, flags in enumerate(("", "S", "F", "")):
        server.deliver(ada, letter(number, body=b"x" * number * SMALL), flags=flags)
    before = kept_flags(server, ada)
    with reading(server, ada) as mailbox:
        found = mailbox.look(mailbox.uids(above=0))
        assert len(raw(mailbox.fetch(found))) == 4
        assert len(raw(mailbox.headers(found))) == 4
    assert kept_flags(server, ada) == before


def kept_flags(server: MailHost, user: str) -> list[list[bytes]]:
    """The flags of all letters, without the one that servers take away by themselves."""
    return sorted(sorted(set(flags) - {b"\\Recent"}) for flags in server.flags(user))


@pytest.mark.parametrize("secret", ["wrong", "", 'quo"te\\', "pässwört"])
def test_is_turned_away_with_a_wrong_password(server: MailHost, ada: str, secret: str) -> None:
    with pytest.raises(AuthenticationFailed, match=r"^authentication failed$"):
        open_mailbox(server.account(ada, secret=secret))


@pytest.mark.parametrize("password", ['quo"te', "back\\slash", "with space", "pässwört ✓"])
def test_signs_in_with_any_password(server: MailHost, password: str) -> None:
    user = server.add_user(password=password)
    with reading(server, user) as mailbox:
        assert mailbox.uids(above=0) == []


def test_sees_that_all_numbers_are_new(server: MailHost, ada: str) -> None:
    server.deliver(ada, letter(1))
    with closing(open_mailbox(server.account(ada))) as mailbox:
        before = mailbox.open("INBOX")
    server.renumber(ada)
    with closing(open_mailbox(server.account(ada))) as mailbox:
        after = mailbox.open("INBOX")
    assert before.uidvalidity != after.uidvalidity
