"""export_user_data beside a bare SELECT written into a ZIP.

The same records, read by one statement for each table and written as lines of JSON.
"""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase

SIZES: Sizes = dict.fromkeys(DATABASES, (5_000, 100_000))
HEADINGS = (
    "Records", "Seconds", "A second", "Bare", "× bare", "Queries", "ZIP, kB", "Peak MiB",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Give somebody a copy of as many records as each size says."""
    figures = [_copy(kind, size) for size in sizes]
    console.print(drawn(f"{kind}, export_user_data", HEADINGS, map(_row, figures)))
    return figures


def _copy(kind: str, size: int) -> Figures:
    with database(kind) as url:
        phase(url, "exporting.world", size)
        ran = phase(url, "exporting.job")
        floor = phase(url, "exporting.floor")
    if ran["records"] < size:
        raise SystemExit(f"{ran['records']} records of {size} were copied")
    return {"database": kind, "size": size, **ran, "floor_seconds": floor["seconds"]}


def _row(row: Figures) -> tuple[str, ...]:
    return (
        f"{row['records']:,}",
        f"{row['seconds']:.1f}",
        f"{row['records'] / row['seconds']:,.0f}",
        f"{row['floor_seconds']:.1f}",
        f"{row['seconds'] / row['floor_seconds']:.1f}",
        f"{row['queries']:,}",
        f"{row['kilobytes']:,.0f}",
        f"{row['peak_mib']:.0f}",
    )
