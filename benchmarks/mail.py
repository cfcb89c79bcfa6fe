"""Delivering e-mail: every message of an outbox, beside a loop of smtplib's.

The mail server is a program of its own on loopback that takes everything and keeps nothing.
The loop knows the words of every message, text and HTML, before it begins; it makes a message
of them with the standard library, sends it over one connection that it keeps open, and writes
nothing down. Beside both, the same messages as ready bytes: what the wire alone costs.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase

SIZES: Sizes = dict.fromkeys(DATABASES, (10_000,))
HEADINGS = (
    "E-mails", "Delivered a second", "Queries", "Connections", "Loop a second", "× of it",
    "Bytes a second", "× of it", "Peak MiB",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Deliver as many messages as each size says."""
    figures = []
    for size in sizes:
        with database(kind) as url, mail_server() as port:
            ran = phase(url, "mail.deliver", size, port)
        if ran["sent"] != size:
            raise SystemExit(f"{ran['sent']} of {size} messages were sent")
        figures.append({"database": kind, "emails": size, **ran})
    console.print(drawn(f"{kind}, e-mail", HEADINGS, map(_row, figures)))
    return figures


@contextmanager
def mail_server() -> Iterator[int]:
    """Take mail on a port of loopback, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.mailbox"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def _row(row: Figures) -> tuple[str, ...]:
    size = row["emails"]
    return (
        f"{size:,}",
        f"{size / row['seconds']:,.0f}",
        f"{row['queries']:,}",
        f"{row['connections']:,}",
        f"{size / row['loop_seconds']:,.0f}",
        f"{row['seconds'] / row['loop_seconds']:.2f}",
        f"{size / row['bytes_seconds']:,.0f}",
        f"{row['seconds'] / row['bytes_seconds']:.2f}",
        f"{row['peak_mib']:.0f}",
    )
