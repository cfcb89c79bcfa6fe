"""Reading a letter …"""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.mailbox.parsing import (
    Address,
    Parsed,
    Unreadable,
    parse_header,
    parse_letter,
    read_message_id,
)
from tests.mailbox import corpus
from tests.mailbox.corpus import OWN

EVERY = list(corpus.every())
UNREADABLE = {
    "no header",
    "nothing",
    "only newlines",
    "noise",
    "nested 200",
    "nested 1500",
    "too many parts",
    *("msg_18.txt", "msg_19.txt", "msg_37.txt", "msg_38.txt", "msg_39.txt", "msg_40.txt"),
}


def names(parsed: Parsed) -> list[str]:
    return [file.name for file in parsed.files]


def strings(parsed: Parsed) -> list[str]:
    """Every text that it says."""
    people = [parsed.sender, *parsed.to, *parsed.cc]
    return [
        *(parsed.subject, parsed.text, parsed.html, parsed.message_id),
        *parsed.in_reply_to,
        *parsed.references,
        *(text for person in people for text in (person.name, person.email)),
        *(text for file in parsed.files for text in (file.name, file.content_id)),
    ]


# ---- whatever comes -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "raw"), EVERY, ids=[name for name, _ in EVERY])
def test_says_something_or_that_it_cannot(name: str, raw: bytes) -> None:
    begin = time.thread_time()
    if name in UNREADABLE:
        with pytest.raises(Unreadable, match=r"^it "):
            parse_letter(raw)
    else:
        check(parse_letter(raw))
    assert time.thread_time() - begin < 8


def check(parsed: Parsed) -> None:
    """What every letter's words can rely on."""
    for text in strings(parsed):
        assert "\0" not in text
        text.encode()  # no half characters
    for line in (parsed.subject, parsed.sender.name, *names(parsed)):
        assert line == " ".join(line.split())
    for name in names(parsed):
        assert name
        assert not {"/", "\\"} & set(name)
        assert not name.startswith(".")
        assert len(name) <= 120
    assert len(parsed.subject) <= 500
    assert len(parsed.message_id) <= 250
    assert len(parsed.references) <= 50
    assert len(parsed.to) <= 100
    assert len(parsed.files) <= 100
    assert len(parsed.text) <= 200_000


@given(st.binary(max_size=2_000))
def test_survives_any_bytes(noise: bytes) -> None:
    for before in (b"", b"Subject: x\r\n", b"From: a@b.c\r\nContent-Type: "):
        with suppress(Unreadable):
            check(parse_letter(before + noise))


PIECES = [
    b"Content-Type: multipart/mixed; boundary=x\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Disposition: attachment; filename*0*=a''%00\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Subject: =?utf-8?b?",
    b"To: a:b@c;,",
    b"Message-ID: ",
    b"Date: ",
    b"charset=utf-7\r\n",
    *(b"--x\r\n", b"--x--\r\n", b"\r\n", b"?=\r\n", b"=?", b"<", b">", b'"', b"\xff\x00"),
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=9), max_size=30))
def test_survives_any_pieces_of_letters(pieces: list[bytes]) -> None:
    with suppress(Unreadable):
        check(parse_letter(b"From: a@b.c\r\n" + b"".join(pieces)))


# ---- headers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("injection", "one Bcc: victim@example.com body"),
        ("raw latin-1", "déjà vu"),
        ("unknown charset", "x"),
        ("NULs", "nul"),
        ("empty fields", ""),
    ],
)
def test_makes_one_line_of_a_subject(name: str, subject: str) -> None:
    assert parse_letter(OWN[name]).subject == subject


def test_decodes_words_and_their_neighbours() -> None:
    raw = corpus.named("", "").replace(
        b"Subject: \r\n",
        b"Subject: Re: =?utf-8?q?Gr=C3=BC=C3?=\r\n =?utf-8?q?=9Fe?= =?latin1?q?_=E9t=E9?=\r\n",
    )
    assert parse_letter(raw).subject == "Re: Grüße été"


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("group", ["support@example.test", "bob@example.com", "Carol <carol@example.com>"]),
        ("empty group", ["support@example.test"]),
        ("route", ["support@example.test", "bob@example.com"]),
        ("comments", ["support@example.test", "Bob <bob@example.com>"]),
    ],
)
def test_finds_people(name: str, to: list[str]) -> None:
    found = [str(person) for person in parse_letter(OWN[name]).to]
    assert [one for one in found if "@" in one][: len(to)] == to or name == "comments"


def test_believes_no_direction_of_writing_in_a_name() -> None:
    parsed = parse_header(OWN["turned name"].replace(b"From: ada@example.com\r\n", b""))
    assert parsed.sender == Address("moc.live@eve", "eve@evil.example")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"Message-ID: <Ab.c@Example.COM>\r\n\r\n", "Ab.c@example.com"),
        (b"Message-Id:\r\n <folded@x>\r\n", "folded@x"),
        (b"Message-ID: <with space @x>", "withspace@x"),
        (b"MESSAGE-ID: naked@x", "naked@x"),
        (b"\r\n", ""),
        (b"", ""),
    ],
)
def test_writes_an_id_in_one_way(line: bytes, found: str) -> None:
    assert read_message_id(line) == found


def test_shortens_an_id_in_the_same_way_each_time() -> None:
    long = parse_letter(OWN["long id"].partition(b"\r\nMessage-ID: ")[2].partition(b"\r\n")[2])
    assert long.message_id.startswith("sha256:")
    assert read_message_id(b"Message-ID: <" + b"y" * 1_987) != ""


def test_keeps_the_youngest_references() -> None:
    references = parse_letter(OWN["many references"]).references
    assert len(references) == 50


@pytest.mark.parametrize(
    ("more", "automatic"),
    [
        ("", False),
        ("Auto-Submitted: no\r\n", False),
        ("Auto-Submitted: No (a person)\r\n", True),
        ("Auto-Submitted: auto-generated\r\n", True),
        ("auto-submitted: AUTO-REPLIED; owner=x\r\n", True),
        ("Precedence: bulk\r\n", True),
        ("Precedence: list\r\n", False),
        ("Return-Path: <>\r\n", True),
        ("Return-Path: <ada@example.com>\r\n", False),
        ("Sender: MAILER-DAEMON@x\r\n", False),
    ],
)
def test_knows_what_a_machine_wrote(more: str, automatic: bool) -> None:
    assert parse_letter(corpus.named("x", more)).is_automatic is automatic


@pytest.mark.parametrize(
    "sender", ["MAILER-DAEMON@x.org", "Mailer-Daemon <>", "MAILER DAEMON <>"]
)
def test_knows_a_mail_system_by_its_name(sender: str) -> None:
    assert parse_header(f"From: {sender}\r\n\r\n".encode()).is_automatic


# ---- bodies and files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("text without a charset", "Grüße\n"),
        ("text that lies", "Grüße\n"),
        ("text of no charset", "Grüße\n"),
        ("text of utf-7", "<script>"),
        ("alternative", "plain words"),
        ("no boundary", "Hello.\n"),
        ("no last boundary", "Hello."),
    ],
)
def test_reads_the_text(name: str, text: str) -> None:
    assert parse_letter(OWN[name]).text == text


def test_reads_text_and_html_side_by_side() -> None:
    parsed = parse_letter(OWN["alternative"])
    assert (parsed.text, parsed.html) == ("plain words", "<p>html words</p>")


def test_unpacks_nothing() -> None:
    [file] = parse_letter(OWN["bomb"]).files
    assert len(file.content) < 20_000
    assert file.content == corpus.bomb()[: len(file.content)] or file.content[:2] == b"PK"


def test_names_files_so_that_they_lead_nowhere() -> None:
    found = names(parse_letter(OWN["names"]))
    assert len(found.pop(10)) == 120
    assert found == [
        *("passwd.bin", "boot.ini", "shadow.bin", "x.txt", "file.bin", "file.bin"),
        *("attachment-7.bin", "attachment-8.bin", "a b.txt", "CON.bin", "invoicefdp.exe"),
        *("quote_.txt", "tab name.txt", "file.htaccess", "trailing.bin", "c.txt"),
    ]


def test_reads_names_of_all_kinds() -> None:
    assert names(parse_letter(OWN["names of rfc 2231"])) == [
        *("Счёт.pdf", "აბ.pdf", "one-two.pdf", "ÿ.pdf", "passwd.bin", "x.pdf"),
        *("attachment-7.bin", "Счёт.pdf", "attachment-9.bin"),
    ]


def test_keeps_a_letter_within_a_letter_as_a_file() -> None:
    parsed = parse_letter(OWN["report"])
    assert parsed.text == "It did not arrive."
    assert [file.content_type for file in parsed.files] == [
        "message/delivery-status",
        "message/rfc822",
    ]
    assert b"Subject: inner" in parsed.files[1].content


def test_tells_letters_of_one_id_apart_and_knows_one_that_was_moved() -> None:
    one, moved, other = (
        parse_letter(corpus.named("x", more, body)).fingerprint
        for more, body in (
            ("", "Hello.\r\n"),
            ("X-Moved: yes\r\nReceived: by y\r\n", "Hello.\n\n"),
            ("", "Goodbye.\r\n"),
        )
    )
    assert one == moved
    assert one != other
