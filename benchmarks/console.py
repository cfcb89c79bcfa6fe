"""The console's pages over a long record of runs, as the server answers them."""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase

SIZES: Sizes = dict.fromkeys(DATABASES, (100_000,)) | {"postgresql": (1_000_000,)}
HEADINGS = ("Page", "Who", "Median ms", "p95 ms", "Statements", "kB", "kB compressed")
MOST_MS, MOST_STATEMENTS = 150, 12


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Open each page of the console over records of as many items as each size says."""
    figures = []
    for size in sizes:
        with database(kind) as url:
            made = phase(url, "console.world", size)
            pages = phase(url, "console.pages", made["firm"], made["runs"])["pages"]
        rows = [{"database": kind, "size": size, **row} for row in pages]
        title = f"{kind}, the console over {size:,} items of {made['count']:,} runs"
        console.print(drawn(title, HEADINGS, map(_row, rows)))
        figures += rows
    return figures


def _row(row: Figures) -> tuple[str, ...]:
    slow = " !" if row["p95_ms"] > MOST_MS else ""
    many = " !" if row["queries"] > MOST_STATEMENTS else ""
    return (
        row["page"],
        row["who"],
        f"{row['median_ms']:.0f}",
        f"{row['p95_ms']:.0f}{slow}",
        f"{row['queries']}{many}",
        f"{row['bytes'] / 1000:.0f}",
        f"{row['compressed'] / 1000:.0f}",
    )
