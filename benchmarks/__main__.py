"""Measure the rent cycle on both databases: ``python -m benchmarks [--sizes 1000 10000]``.

For each database and size, one database is filled with leases and lives through a rent
cycle: invoices on 1 March, late fees on 8 March, reminders on 9 March. Each job runs in a
process of its own, so that its peak memory is its own; right after it, another process
deletes the rows it wrote and writes the same ones with hand-written SQL (the floor). A plain
one-row-at-a-time ORM loop does the rent run on a thousand leases of its own.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.servers.postgres import postgres

JOBS = ("generate_monthly_invoices", "apply_late_fees", "send_payment_reminders")
LOOP = 1_000  # leases for the loop, whose cost per lease does not depend on their number


def main() -> None:
    """Measure, print the tables, and keep the figures in ``var/bench.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument(
        "--databases",
        nargs="+",
        default=["sqlite", "postgresql"],
        choices=["sqlite", "postgresql"],
    )
    options = parser.parse_args()
    console = Console(width=118)
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    figures: list[dict[str, Any]] = []
    for kind in options.databases:
        with database(kind) as url:
            loop = phase(url(), "loop", LOOP)["seconds"] / LOOP
        for size in options.sizes:
            with database(kind) as url:
                figures += cycle(url(), kind, size, loop)
            console.print(table(figures[-len(JOBS) :], kind, size))
    Path("var/bench.json").write_text(json.dumps(figures, indent=1))


def cycle(url: str, kind: str, size: int, loop: float) -> list[dict[str, Any]]:
    """Run the rent cycle on a fresh database and return a row of figures for each job."""
    phase(url, "world", size)
    rows = []
    for job in JOBS:
        ran = phase(url, job, size)
        floor = phase(url, f"{job}-floor", size)
        rows.append(
            {
                "database": kind,
                "leases": size,
                "job": job,
                **ran,
                "floor_seconds": floor["seconds"],
                "floor_rows": floor["rows"],
                "loop_seconds": loop * size if job == JOBS[0] else None,
            }
        )
    return rows


def table(rows: list[dict[str, Any]], kind: str, size: int) -> Table:
    """Draw the figures of one database and size."""
    drawn = Table(title=f"{kind}, {size:,} leases", title_justify="left")
    headings = ("Job", "Done", "Seconds", "Floor", "× floor", "Loop ×", "Queries", "Peak MiB")
    for heading in headings:
        drawn.add_column(heading, justify="left" if heading == "Job" else "right")
    for row in rows:
        loop = row["loop_seconds"]
        drawn.add_row(
            row["job"],
            f"{row['done']:,}",
            f"{row['seconds']:.2f}",
            f"{row['floor_seconds']:.2f}",
            f"{row['seconds'] / row['floor_seconds']:.1f}",
            f"{loop / row['seconds']:.1f}" if loop else "",
            f"{row['queries']:,}",
            f"{row['peak_mib']:.0f}",
        )
    return drawn


def phase(url: str, name: str, size: int) -> dict[str, Any]:
    """Run one phase in a process of its own and return its figures."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.phases", name, str(size)],
        env={**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "ERROR", "DEBUG": "false"},
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


@contextmanager
def database(kind: str) -> Iterator[Any]:
    """Give a function that returns the URL of a fresh, empty database of that kind."""
    if kind == "postgresql":
        with postgres() as url:
            yield lambda: url
    else:
        with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
            yield lambda: f"sqlite:///{folder}/bench.sqlite3"


if __name__ == "__main__":
    main()
