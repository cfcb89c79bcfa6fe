"""The rent cycle: invoices on 1 March, late fees on 8 March, reminders on 9 March.

Right after each job, another process deletes the rows it wrote and writes the same ones with
hand-written SQL (the floor). A plain one-row-at-a-time ORM loop does the rent run on a
thousand leases of its own.
"""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase

SIZES: Sizes = dict.fromkeys(DATABASES, (1_000, 10_000, 100_000))
JOBS = ("generate_monthly_invoices", "apply_late_fees", "send_payment_reminders")
LOOP = 1_000  # leases for the loop, whose cost per lease does not depend on their number
HEADINGS = ("Job", "Done", "Seconds", "Floor", "× floor", "Loop ×", "Queries", "Peak MiB")


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Let a database of each size live through the cycle."""
    with database(kind) as url:
        loop = phase(url, "rent.loop", LOOP)["seconds"] / LOOP
    figures = []
    for size in sizes:
        with database(kind) as url:
            rows = _cycle(url, kind, size, loop)
        console.print(drawn(f"{kind}, {size:,} leases", HEADINGS, map(_row, rows)))
        figures += rows
    return figures


def _cycle(url: str, kind: str, size: int, loop: float) -> list[Figures]:
    """Run the rent cycle on a fresh database and return a row of figures for each job."""
    phase(url, "rent.world", size)
    rows = []
    for job in JOBS:
        ran = phase(url, "rent.job", job)
        floor = phase(url, "rent.floor")
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


def _row(row: Figures) -> tuple[str, ...]:
    loop = row["loop_seconds"]
    return (
        row["job"],
        f"{row['done']:,}",
        f"{row['seconds']:.2f}",
        f"{row['floor_seconds']:.2f}",
        f"{row['seconds'] / row['floor_seconds']:.1f}",
        f"{loop / row['seconds']:.1f}" if loop else "",
        f"{row['queries']:,}",
        f"{row['peak_mib']:.0f}",
    )
