"""reconcile_stripe over a firm whose payments are at the gateway and in the books.

One payment of a thousand is missing in the books, and every one of those must be found. Beside
it, on the same gateway: reading the list and nothing else, and asking for each payment by
itself, one after the other, as one would first write it.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.stage import (
    DATABASES,
    Figures,
    Sizes,
    counted,
    database,
    drawn,
    phase,
    sandbox,
)

SIZES: Sizes = dict.fromkeys(DATABASES, (5_000, 20_000))
LATENCY = 0.05  # seconds
SAMPLE = 200  # payments asked for by themselves, one costs what any other does
HEADINGS = (
    "Payments", "Seconds", "List alone", "× list", "One by one ÷ job", "Calls", "Queries",
    "Found", "Peak MiB",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Compare as many payments as each size says."""
    figures = [_reconcile(kind, size) for size in sizes]
    title = f"{kind}, reconcile_stripe, {LATENCY * 1000:.0f} ms an answer"
    console.print(drawn(title, HEADINGS, map(_row, figures)))
    return figures


def _reconcile(kind: str, size: int) -> Figures:
    with database(kind) as url, tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world.json"
        missing = phase(url, "reconciling.world", size, str(world))["missing"]
        with sandbox(world, latency=LATENCY) as vendors:
            at = partial(phase, url, vendors=vendors.url)
            ran, calls = counted(vendors, partial(at, "reconciling.job"))
            listed = at("reconciling.listed")
            asked = at("reconciling.one_by_one", min(SAMPLE, size))
    if (ran["found"], ran["others"], listed["payments"]) != (missing, 0, size):
        raise SystemExit(f"{missing} of {size} are missing: {ran}, {listed}")
    return {
        "database": kind,
        "payments": size,
        **ran,
        "calls": calls,
        "list_seconds": listed["seconds"],
        "one_by_one_seconds": asked["seconds"] / min(SAMPLE, size) * size,
    }


def _row(row: Figures) -> tuple[str, ...]:
    seconds = row["seconds"]
    return (
        f"{row['payments']:,}",
        f"{seconds:.1f}",
        f"{row['list_seconds']:.1f}",
        f"{seconds / row['list_seconds']:.1f}",
        f"{row['one_by_one_seconds'] / seconds:.1f}",
        f"{row['calls']:,}",
        f"{row['queries']:,}",
        f"{row['found']:,}",
        f"{row['peak_mib']:.0f}",
    )
