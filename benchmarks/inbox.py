"""The webhook inbox: events that are new, and the same ones again.

Django's test client posts them in the process that takes them in: no socket, no server, one
at a time. Beside it: the same client turned away before anything is read (what client and
middleware cost), and the least an inbox must do, an HMAC and a committed INSERT.
"""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase

SIZES: Sizes = dict.fromkeys(DATABASES, (5_000,))
HEADINGS = (
    "Events", "New a second", "Queries each", "Again a second", "Queries each", "Turned away",
    "HMAC + INSERT", "× of both",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Take in as many events as each size says, twice."""
    figures = []
    for size in sizes:
        with database(kind) as url:
            ran = phase(url, "inbox.take_in", size)
        if ran["kept"] != size:
            raise SystemExit(f"{ran['kept']} of {size} events were kept")
        figures.append({"database": kind, "events": size, **ran})
    console.print(
        drawn(f"{kind}, webhook inbox, requests a second", HEADINGS, map(_row, figures))
    )
    return figures


def _row(row: Figures) -> tuple[str, ...]:
    size = row["events"]
    least = row["away_seconds"] + row["floor_seconds"]
    return (
        f"{size:,}",
        f"{size / row['new_seconds']:,.0f}",
        f"{row['new_queries'] / size:.1f}",
        f"{size / row['again_seconds']:,.0f}",
        f"{row['again_queries'] / size:.1f}",
        f"{size / row['away_seconds']:,.0f}",
        f"{size / row['floor_seconds']:,.0f}",
        f"{row['new_seconds'] / least:.1f}",
    )
