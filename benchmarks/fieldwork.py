"""check_compliance_expiry and auto_close_stale_jobs beside hand-written SQL."""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase

SIZES: Sizes = dict.fromkeys(DATABASES, (5_000, 100_000))
JOBS = {"check_compliance_expiry": 0.20, "auto_close_stale_jobs": 0.10}  # part that is done
BATCH = 500
HEADINGS = (
    "Job", "Rows", "Done", "Seconds", "Floor", "× floor", "Queries", "Each 500", "Again",
    "Peak MiB",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Let papers expire and jobs be closed, as many as each size says."""
    figures = [one for size in sizes for one in _look_after(kind, size)]
    console.print(drawn(f"{kind}, field work", HEADINGS, map(_row, figures)))
    return figures


def _look_after(kind: str, size: int) -> list[Figures]:
    figures = []
    with database(kind) as url:
        phase(url, "fieldwork.world", size)
        for job, part in JOBS.items():
            ran = phase(url, "fieldwork.job", job)
            again = phase(url, "fieldwork.again", job)
            floor = phase(url, "fieldwork.floor")
            if (ran["done"], again["done"]) != (int(size * part), 0):
                raise SystemExit(f"{job}: {ran['done']} done, and again {again['done']}")
            figures.append(
                {
                    "database": kind,
                    "job": job,
                    "size": size,
                    **ran,
                    "again_seconds": again["seconds"],
                    "floor_seconds": floor["seconds"],
                    "floor_rows": floor["rows"],
                }
            )
    return figures


def _row(row: Figures) -> tuple[str, ...]:
    return (
        row["job"],
        f"{row['size']:,}",
        f"{row['done']:,}",
        f"{row['seconds']:.2f}",
        f"{row['floor_seconds']:.2f}",
        f"{row['seconds'] / row['floor_seconds']:.1f}",
        f"{row['queries']:,}",
        f"{row['queries'] / max(1, row['done'] / BATCH):.0f}",
        f"{row['again_seconds']:.2f}",
        f"{row['peak_mib']:.0f}",
    )
