"""generate_package_invoices beside hand-written SQL and a plain loop, as for the rent run."""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase

SIZES: Sizes = dict.fromkeys(DATABASES, (1_000, 20_000))
LOOP = 1_000  # engagements for the loop, one costs what any other does
BATCH = 500  # engagements in one transaction of the job
HEADINGS = (
    "Engagements", "Seconds", "Floor", "× floor", "Loop ÷ job", "Queries", "Each 500",
    "Peak MiB",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Invoice a month of as many engagements as each size says."""
    figures = [_invoice(kind, size) for size in sizes]
    title = f"{kind}, generate_package_invoices"
    console.print(drawn(title, HEADINGS, map(_row, figures)))
    return figures


def _invoice(kind: str, size: int) -> Figures:
    with database(kind) as url:
        phase(url, "packages.world", size)
        ran = phase(url, "packages.job")
        floor = phase(url, "packages.floor")
    with database(kind) as url:  # right after, for the machine's mood is the same then
        loop = phase(url, "packages.loop", LOOP)["seconds"] / LOOP
    if ran["done"] != size:
        raise SystemExit(f"{ran['done']} of {size} engagements were invoiced")
    return {
        "database": kind,
        "engagements": size,
        **ran,
        "floor_seconds": floor["seconds"],
        "floor_rows": floor["rows"],
        "loop_seconds": loop * size,
    }


def _row(row: Figures) -> tuple[str, ...]:
    seconds, size = row["seconds"], row["engagements"]
    return (
        f"{size:,}",
        f"{seconds:.2f}",
        f"{row['floor_seconds']:.2f}",
        f"{seconds / row['floor_seconds']:.1f}",
        f"{row['loop_seconds'] / seconds:.1f}",
        f"{row['queries']:,}",
        f"{row['queries'] / max(1, size / BATCH):.0f}",
        f"{row['peak_mib']:.0f}",
    )
