"""Jobs that look through much and change little, beside hand-written SQL."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from benchmarks.stage import Figures, database, drawn, phase

BATCH = 500
HEADINGS = (
    "Job", "Rows", "Done", "Seconds", "Floor", "× floor", "Queries", "Each 500", "Again",
    "Peak MiB",
)  # fmt: skip


def measure_jobs(
    kind: str, sizes: Sequence[int], console: Console, *, world: str, jobs: Mapping[str, float]
) -> list[Figures]:
    """Run jobs over as many rows as each size says; of these they do the part that is named."""
    figures = [one for size in sizes for one in _look_after(kind, size, world, jobs)]
    console.print(drawn(f"{kind}, {world}", HEADINGS, map(_row, figures)))
    return figures


def _look_after(kind: str, size: int, world: str, jobs: Mapping[str, float]) -> list[Figures]:
    figures = []
    with database(kind) as url:
        phase(url, f"{world}.world", size)
        for job, part in jobs.items():
            ran = phase(url, "upkeep.job", job)
            again = phase(url, "upkeep.again", job)
            floor = phase(url, "upkeep.floor")
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
