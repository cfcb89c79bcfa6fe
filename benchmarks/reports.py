"""refresh_materialized_views over many invoices, and what its readers notice.

Each report is filled, then refreshed after one invoice in a hundred was paid: beside its
readers, and (PostgreSQL) plainly. Meanwhile three readers in another process ask each report
every 10 ms for some rows that an index leads to; their longest wait is what a person would
notice. The floor is the report's SELECT written into a temporary table.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from benchmarks.stage import Figures, Sizes, command, database, drawn, environment, phase

SIZES: Sizes = {"sqlite": (100_000,), "postgresql": (1_000_000,)}
HEADINGS = (
    "Report", "Rows", "Floor", "First fill", "Beside", "× floor", "Wait", "Plain", "× floor",
    "Wait",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Refresh the reports over as many invoices as each size says."""
    figures = []
    for size in sizes:
        rows = _refresh(kind, size)
        title = f"{kind}, refresh_materialized_views, {size:,} invoices (waits in ms)"
        console.print(drawn(title, HEADINGS, map(_row, rows)))
        console.print(
            f"The whole job beside readers: {rows[0]['job_seconds']:.1f} s, "
            f"{rows[0]['peak_mib']:.0f} MiB at most; with no refresh a reader waits "
            f"{max(row['quiet_ms'] for row in rows):.0f} ms at most."
        )
        figures += rows
    return figures


def _refresh(kind: str, size: int) -> list[Figures]:
    """Return a row of figures for each report."""
    with database(kind) as url:
        phase(url, "reports.world", size)
        first = phase(url, "reports.refresh", False)
        floors = phase(url, "reports.floors")
        with _readers(url) as quiet:
            phase(url, "reports.pay", 7)
        with _readers(url) as waits:
            beside = phase(url, "reports.refresh", False)
        plain, blocked = None, None
        if kind == "postgresql":
            phase(url, "reports.pay", 8)
            with _readers(url) as blocked:
                plain = phase(url, "reports.refresh", True)
    return [
        {
            "database": kind,
            "invoices": size,
            "report": name,
            "rows": state["rows"],
            "floor_seconds": floors[name],
            "first_seconds": first["reports"][name]["seconds"],
            "seconds": state["seconds"],
            "wait_ms": waits[name],
            "quiet_ms": quiet[name],
            "plain_seconds": plain["reports"][name]["seconds"] if plain else None,
            "plain_wait_ms": blocked[name] if blocked else None,
            "job_seconds": beside["seconds"],
            "peak_mib": beside["peak_mib"],
        }
        for name, state in beside["reports"].items()
    ]


@contextmanager
def _readers(url: str) -> Iterator[Figures]:
    """Read the reports during the block; afterwards, the longest wait in ms for each."""
    longest: Figures = {}
    with subprocess.Popen(
        command("reports.read"),
        env=environment(url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()  # they have begun
        yield longest
        told, _ = process.communicate("")  # which ends their input
        longest |= json.loads(told.splitlines()[-1])


def _row(row: Figures) -> tuple[str, ...]:
    floor, plain = row["floor_seconds"], row["plain_seconds"]
    return (
        row["report"],
        f"{row['rows']:,}",
        f"{floor:.2f}",
        f"{row['first_seconds']:.2f}",
        f"{row['seconds']:.2f}",
        f"{row['seconds'] / floor:.1f}",
        f"{row['wait_ms']:.0f}",
        f"{plain:.2f}" if plain is not None else "",
        f"{plain / floor:.1f}" if plain is not None else "",
        f"{row['plain_wait_ms']:.0f}" if plain is not None else "",
    )
