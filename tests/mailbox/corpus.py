"""Letters that one has to survive: what mail programs get wrong, and what is meant to harm.

CPython's own corpus is used as well where the interpreter has it (Debian's has not).
"""

import base64
import io
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

HEAD = (
    "From: ada@example.com\r\nTo: support@example.test\r\nSubject: {}\r\nMessage-ID: <{}>\r\n"
)


def named(name: str, more: str, body: str | bytes = "Hello.\r\n") -> bytes:
    """A letter whose subject and id are its name, with more of a header."""
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape")
    known = sha256(more.encode("utf-8", "surrogateescape") + raw).hexdigest()[:12]
    head = HEAD.format(name, f"{known}@corpus.example")
    return (head + more + "\r\n").encode("utf-8", "surrogateescape") + raw


def multipart(name: str, *parts: str, kind: str = "mixed", boundary: str = "b") -> bytes:
    lines = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    more = f'MIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary="{boundary}"\r\n'
    return named(name, more, f"preamble\r\n{lines}--{boundary}--\r\nepilogue\r\n")


def attachment(name: str, *, how: str = "", content: bytes = b"content") -> str:
    told = how or f'Content-Disposition: attachment; filename="{name}"'
    coded = base64.encodebytes(content).decode().replace("\n", "\r\n")
    kind = "Content-Type: application/octet-stream\r\n"
    return f"{kind}{told}\r\nContent-Transfer-Encoding: base64\r\n\r\n{coded}"


def bomb() -> bytes:
    """Ten megabytes of nothing, in ten thousand bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nothing", b"\0" * 10_000_000)
    return packed.getvalue()


def nested(depth: int) -> bytes:
    """Parts within parts."""
    inner = "Content-Type: text/plain\r\n\r\nat the bottom\r\n"
    for level in range(depth):
        kind = f'Content-Type: multipart/mixed; boundary="b{level}"\r\n\r\n'
        inner = f"{kind}--b{level}\r\n{inner}\r\n--b{level}--\r\n"
    more, _, body = inner.partition("\r\n\r\n")
    return named(f"nested {depth}", f"MIME-Version: 1.0\r\n{more}\r\n", body)


TEXT = "Content-Type: text/plain; charset={}\r\nContent-Transfer-Encoding: 8bit\r\n"

OWN: dict[str, bytes] = {
    # ---- headers ----------------------------------------------------------------------------
    "no header": b"just words\r\nand more words\r\n",
    "nothing": b"",
    "only newlines": b"\r\n\r\n\r\n",
    "noise": bytes(range(256)) * 40,
    "no body": HEAD.format("no body", "no-body@x").encode(),
    "header without an end": b"From: a@b.c\r\nSubject: cut o",
    "lines end with LF": named("lf", "").replace(b"\r\n", b"\n"),
    "lines end with CR": named("cr", "").replace(b"\r\n", b"\r"),
    "mbox line": b"From ada@example.com Sat Jan  3 01:05:34 1996\r\n" + named("mbox", ""),
    "no colon": named("no colon", "this is no field\r\n"),
    "empty fields": b"From:\r\nTo:\r\nSubject:\r\nMessage-ID:\r\nDate:\r\n\r\nHello.\r\n",
    "no sender": b"Subject: no sender\r\nMessage-ID: <no-sender@x>\r\n\r\nHello.\r\n",
    "two senders": named("two", "From: eve@example.com\r\nSender: mallory@example.com\r\n"),
    "injection": named(
        "injection",
        "Subject: =?utf-8?q?one=0D=0ABcc:_victim@example.com=0D=0A=0D=0Abody?=\r\n",
    ).replace(b"Subject: injection\r\n", b""),
    "injected sender": named(
        "sender",
        "From: =?utf-8?b?" + base64.b64encode(b"a\r\nBcc: v@x").decode() + "?= <a@b.c>\r\n",
    ).replace(b"From: ada@example.com\r\n", b""),
    "raw utf-8": named("raw", "From: Ünïcode Ⓢender <u@example.com>\r\n"),
    "raw latin-1": named("raw", "").replace(b"Subject: raw", b"Subject: d\xe9j\xe0 vu"),
    "unknown charset": named("x", "Subject: =?x-nobody-knows?q?caf=E9?=\r\n"),
    "bad base64 word": named(
        "x", "Subject: =?utf-8?b?####?= =?utf-8?b?QQ?= =?utf-8?q?=ZZ?=\r\n"
    ),
    "codec that is none": named("x", "Subject: =?rot13?q?uryyb?= =?zip?b?eJw=?=\r\n"),
    "NUL in a charset": named("x", "Subject: =?utf\x00-8?q?a?=\r\n"),
    "NULs": named("nul", "X: \x00\r\nSubject: a\x00b\r\n", b"a\x00b\x00\r\n"),
    "half characters": named("x", "Subject: =?utf-16?q?=D8=00?= \udced\udca0\udc80\r\n"),
    "turned name": named("x", "From: =?utf-8?q?=E2=80=AEmoc.live@eve?= <eve@evil.example>\r\n"),
    "group": named("group", "To: Friends: bob@example.com, Carol <carol@example.com>;\r\n"),
    "empty group": named("group", "To: undisclosed-recipients:;\r\nCc: nobody:;\r\n"),
    "nested group": named("group", "To: A: B: c@example.com;;, ;;:\r\n"),
    "quotes without an end": named("q", 'To: "Bob <bob@example.com>, (x (y\r\n'),
    "comments": named("c", "To: bob(co(m)ment)@example.com (Bob), <>, @, a@, @b\r\n"),
    "route": named("r", "To: <@relay.example,@other.example:bob@example.com>\r\n"),
    "many people": named(
        "many", "To: " + ", ".join(f"p{n}@x.com" for n in range(5_000)) + "\r\n"
    ),
    "commas": named("commas", "To: " + "," * 60_000 + "\r\n"),
    "long header": named("long", "Subject: " + "x" * 1_000_000 + "\r\n"),
    "many headers": named("many", "".join(f"X-{n}: y\r\n" for n in range(20_000))),
    "long id": named("id", "Message-ID: <" + "y" * 5_000 + "@Example.COM>\r\n"),
    "id of words": named("id", "Message-ID: not an id at all\r\n"),
    "many references": named(
        "refs", "References: " + " ".join(f"<{n}@refs.example>" for n in range(10_000)) + "\r\n"
    ),
    "references to itself": named("self", "Message-ID: <self@x>\r\nReferences: <self@x>\r\n"),
    "words in answer": named(
        "w", "In-Reply-To: Your message of Monday <m@x.example> thanks\r\n"
    ),
    **{
        f"date {number}": named(f"date {number}", f"Date: {date}\r\n")
        for number, date in enumerate(
            (
                "yesterday",
                "Fri, 99 Foo 2025 99:99:99 +9999",
                "0",
                "1 Jan 0000 00:00:00 +0000",
                "31 Dec 9999 23:59:59 -1200",
                "1 Jan 99999 00:00:00 +0000",
                "Mon, 1 Jun 25 -0000",
                "Thu, 1 Jan 1970 00:00:00 GMT",
                "1" * 5_000,
                "Sat, 30 Feb 2025 10:00:00 +0000",
            )
        )
    },
    # ---- bodies -----------------------------------------------------------------------------
    "text without a charset": named("t", "Content-Type: text/plain\r\n", "Grüße\r\n"),
    "text that lies": named("t", TEXT.format("us-ascii"), "Grüße\r\n"),
    "text of no charset": named("t", TEXT.format("x-nobody-knows"), "Grüße\r\n"),
    "text of idna": named("t", TEXT.format("idna"), "x" * 200_000),
    "text of punycode": named("t", TEXT.format("punycode"), "x" * 200_000),
    "text of zip": named("t", TEXT.format("zip"), "x"),
    "text of utf-7": named("t", TEXT.format("utf-7"), "+ADw-script+AD4-"),
    "text of utf-16": named("t", TEXT.format("utf-16"), "Hé".encode("utf-16") + b"\xff"),
    "charset twice": named("t", 'Content-Type: text/plain; charset="a"; charset="b"\r\n'),
    "charset of rfc 2231": named("t", "Content-Type: text/plain; charset*=utf-8''%FF%00\r\n"),
    "bad base64": named("t", "Content-Transfer-Encoding: base64\r\n", "####====AAA"),
    "bad quoted": named("t", "Content-Transfer-Encoding: quoted-printable\r\n", "=ZZ=\r\n=E"),
    "unknown encoding": named("t", "Content-Transfer-Encoding: x-rot13\r\n"),
    "uuencoded": named(
        "t", "Content-Transfer-Encoding: x-uuencode\r\n", "begin 644 x\r\n#0V%T\r\n"
    ),
    "long line": named("t", "", "x" * 3_000_000),
    "type of nonsense": named("t", "Content-Type: ;;;=/\x01\r\n"),
    "type without an end": named("t", 'Content-Type: text/plain; charset="utf-8\r\n'),
    "script": named(
        "html", "Content-Type: text/html; charset=utf-8\r\n", "<script>alert(1)</script>Hello"
    ),
    # ---- parts ------------------------------------------------------------------------------
    "no boundary": named("m", "Content-Type: multipart/mixed\r\n"),
    "empty boundary": named("m", 'Content-Type: multipart/mixed; boundary=""\r\n'),
    "boundary that never comes": named("m", "Content-Type: multipart/mixed; boundary=x\r\n"),
    "no last boundary": named(
        "m", "Content-Type: multipart/mixed; boundary=x\r\n", "--x\r\n\r\nHello.\r\n"
    ),
    "empty multipart": named("m", "Content-Type: multipart/mixed; boundary=x\r\n", "--x--\r\n"),
    "boundary of its child": multipart(
        "m", 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nx'
    ),
    "alternative": multipart(
        "alternative",
        "Content-Type: text/plain\r\n\r\nplain words",
        "Content-Type: text/html\r\n\r\n<p>html words</p>",
        kind="alternative",
    ),
    "report": multipart(
        "report",
        "Content-Type: text/plain\r\n\r\nIt did not arrive.",
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: x\r\n\r\nAction: failed",
        "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nHello",
        kind="report",
    ),
    "letter within a letter": multipart(
        "forwarded", "Content-Type: message/rfc822\r\n\r\nSubject: \xe9 inner\r\n\r\nHello \xe9"
    ),
    "partial": named("p", 'Content-Type: message/partial; id="x"; number=1; total=2\r\n'),
    "external body": named(
        "e", 'Content-Type: message/external-body; access-type=URL; URL="http://x"\r\n', "\r\n"
    ),
    "nested 20": nested(20),
    "nested 200": nested(200),
    "nested 1500": nested(1_500),
    "many parts": multipart("parts", *["\r\nx"] * 900),
    "too many parts": multipart("parts", *["\r\nx"] * 5_000),
    # ---- files ------------------------------------------------------------------------------
    "bomb": multipart("bomb", attachment("nothing.zip", content=bomb())),
    "virus": multipart("virus", attachment("eicar.com", content=EICAR)),
    "many files": multipart("files", *(attachment(f"{n}.txt") for n in range(300))),
    "names": multipart(
        "names",
        *map(
            attachment,
            (
                "../../../etc/passwd",
                "..\\..\\boot.ini",
                "/etc/shadow",
                "C:\\x.txt",
                "..",
                ".",
                "",
                " ",
                "a\x00b.txt",
                "CON",
                "x" * 5_000 + ".pdf",
                "invoice\u202efdp.exe",
                'quote".txt',
                "tab\tname.txt",
                ".htaccess",
                "trailing. . .",
                "a/b/c.txt",
            ),
        ),
    ),
    "names of rfc 2231": multipart(
        "names",
        *(
            attachment("", how=f"Content-Disposition: attachment; {how}")
            for how in (
                "filename*=utf-8''%D0%A1%D1%87%D1%91%D1%82.pdf",
                "filename*0*=utf-8''%E1%83%90; filename*1*=%E1%83%91.pdf",
                "filename*0=one; filename*1=-two.pdf",
                "filename*=x-nobody''%FF.pdf",
                "filename*=utf-8''..%2F..%2Fetc%2Fpasswd",
                "filename*9999999999=x.pdf",
                "filename*a*=x.pdf",
                "filename==?utf-8?b?0KHRh9GR0YI=?=.pdf",
                "filename=",
            )
        ),
    ),
    "inline picture": multipart(
        "inline",
        'Content-Type: text/html\r\n\r\n<img src="cid:logo@x">',
        "Content-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Disposition: inline\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=",
        kind="related",
    ),
    # ---- automatic --------------------------------------------------------------------------
    "auto reply": named("auto", "Auto-Submitted: auto-replied\r\n"),
    "bounce": named("bounce", "Return-Path: <>\r\n"),
}


def cpython() -> dict[str, bytes]:
    """The corpus of CPython's own tests of its parser, if the interpreter ships it."""
    try:
        spec = find_spec("test.test_email")
    except ModuleNotFoundError:
        return {}
    places = spec.submodule_search_locations if spec else None
    return {
        path.name: path.read_bytes()
        for place in places or ()
        for path in sorted(Path(place, "data").glob("msg_*"))
    }


def every() -> Iterator[tuple[str, bytes]]:
    yield from OWN.items()
    yield from cpython().items()
