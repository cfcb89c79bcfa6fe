"""The first sync of a mailbox: sync_emails, letters on a real Dovecot, files in a folder.

Of ten letters six are plain, three have HTML, one has a file.

Beside it, in processes of their own: IMAPClient fetching the same bytes, as many letters at a
time as the job does, and the standard library reading them (``policy.default``: header,
bodies, files); and the same files put into the storage, eight at a time, with nothing written
down. What the job takes beyond these is the books: letters, entries, tickets, documents.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase
from tests.servers.dovecot import dovecot
from tests.servers.imap import MailHost

SIZES: Sizes = dict.fromkeys(DATABASES, (2_000, 20_000))
HEADINGS = (
    "Letters", "MiB", "Seconds", "Fetch", "Parse", "Store", "× fetch + parse", "× all three",
    "Queries each", "Peak MiB",
)  # fmt: skip
_WORDS = (
    *("please", "see", "the", "order", "of", "yesterday", "which", "has", "not"),
    *("arrived", "and", "tell", "us", "when"),
)


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Read as many letters as each size says, from an empty database."""
    figures = [_sync(kind, size) for size in sizes]
    console.print(drawn(f"{kind}, sync_emails, first sync", HEADINGS, map(_row, figures)))
    return figures


def _sync(kind: str, size: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        os.environ["STORAGE_URL"] = Path(folder, "storage").as_uri()
        with dovecot() as server, database(kind) as url:
            user = server.add_user()
            weight = deliver(server, user, size)
            phase(url, "letters.world", server.port, user)
            bare = phase(url, "letters.bare", server.port, user)
            stored = phase(url, "letters.store", str(server.maildir(user)))
            ran = phase(url, "letters.job", size)
    if ran["stored"] != size or ran["kept"] != size:
        raise SystemExit(f"{ran['stored']} of {size} letters stored, {ran['kept']} kept whole")
    return {"database": kind, "letters": size, "mib": weight / 2**20, **ran, **bare, **stored}


def _row(row: Figures) -> tuple[str, ...]:
    seconds, size = row["seconds"], row["letters"]
    parsed = row["fetch_seconds"] + row["parse_seconds"]
    return (
        f"{size:,}",
        f"{row['mib']:.0f}",
        f"{seconds:.1f}",
        f"{row['fetch_seconds']:.1f}",
        f"{row['parse_seconds']:.1f}",
        f"{row['store_seconds']:.1f}",
        f"{seconds / parsed:.1f}",
        f"{seconds / (parsed + row['store_seconds']):.1f}",
        f"{row['queries'] / size:.2f}",
        f"{row['peak_mib']:.0f}",
    )


# ---- the letters -------------------------------------------------------------------------


def deliver(server: MailHost, user: str, count: int) -> int:
    """Put letters into a mailbox, and return how many bytes they are."""
    dice = Random(count)
    weight = 0
    for number in range(count):
        raw = _letter(number, dice)
        weight += len(raw)
        server.deliver(user, raw)
    return weight


def _letter(number: int, dice: Random) -> bytes:
    """Return a letter; every third answers the one before."""
    answers = f"In-Reply-To: <{number - 1}@bench.example>\r\n" if number % 3 == 2 else ""
    head = (
        f"Received: from mx.bench.example by imap.bench.example; {number}\r\n"
        f"From: =?utf-8?q?Custom=C3=A9r_{number % 997}?= <c{number % 997}@bench.example>\r\n"
        "To: Support <support@example.test>, Sales <sales@example.test>\r\n"
        f"Subject: Order {number}\r\nDate: Sun, 1 Jun 2025 10:00:00 +0400\r\n"
        f"Message-ID: <{number}@bench.example>\r\n{answers}MIME-Version: 1.0\r\n"
    )
    text = _text(dice, 400)
    if number % 10 < 6:
        return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}".encode()
    plain = f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    if number % 10 < 9:
        rows = "".join(f"<tr><td>{_text(dice, 12)}</td></tr>\r\n" for _ in range(100))
        html = f"<html><body><table>{rows}</table></body></html>"
        more = f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n"
        kind = "alternative"
    else:
        coded = "\r\n".join(["QUJD" * 19] * 800)
        more = (
            "--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
            f"Content-Disposition: attachment; filename=order.pdf\r\n\r\n{coded}\r\n"
        )
        kind = "mixed"
    head += f"Content-Type: multipart/{kind}; boundary=b\r\n"
    return f"{head}\r\n{plain}{more}--b--\r\n".encode()


def _text(dice: Random, words: int) -> str:
    lines = [" ".join(dice.choices(_WORDS, k=12)) for _ in range(max(1, words // 12))]
    return "\r\n".join(lines)
