"""execute_retention_policies beside one bare DELETE of the same rows.

For the audit trail and for messages: as many rows that are too old as each size says, and
a tenth as many that stay, of the same firm and of a neighbour.
"""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase

SIZES: Sizes = dict.fromkeys(DATABASES, (20_000, 1_000_000))
TYPES = ("audit_logs", "emails")
HEADINGS = (
    "Type", "Rows", "Seconds", "A second", "DELETE", "× DELETE", "Statements", "Each 1000",
    "Longest, ms", "Peak MiB",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Let as many rows of each type go as each size says."""
    figures = [_let_go(kind, data_type, size) for data_type in TYPES for size in sizes]
    title = f"{kind}, execute_retention_policies"
    console.print(drawn(title, HEADINGS, map(_row, figures)))
    return figures


def _let_go(kind: str, data_type: str, size: int) -> Figures:
    with database(kind) as url:
        phase(url, "retention.world", data_type, size)
        ran = phase(url, "retention.job", data_type)
    with database(kind) as url:  # right after, for the machine's mood is the same then
        phase(url, "retention.world", data_type, size)
        floor = phase(url, "retention.floor", data_type)
    if (ran["processed"], ran["left"]) != (size, 2 * (size // 10)):
        raise SystemExit(f"{ran['processed']} of {size} went, {ran['left']} are left")
    return {
        "database": kind,
        "data_type": data_type,
        "rows": size,
        **ran,
        "floor_seconds": floor["seconds"],
    }


def _row(row: Figures) -> tuple[str, ...]:
    seconds, size = row["seconds"], row["rows"]
    return (
        row["data_type"],
        f"{size:,}",
        f"{seconds:.1f}",
        f"{size / seconds:,.0f}",
        f"{row['floor_seconds']:.1f}",
        f"{seconds / row['floor_seconds']:.1f}",
        f"{row['queries']:,}",
        f"{row['queries'] / max(1, size / 1000):.0f}",
        f"{row['longest_ms']:.0f}",
        f"{row['peak_mib']:.0f}",
    )
