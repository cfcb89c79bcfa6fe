"""check_compliance_expiry and auto_close_stale_jobs beside hand-written SQL."""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes
from benchmarks.upkeep import measure_jobs

SIZES: Sizes = dict.fromkeys(DATABASES, (5_000, 100_000))
JOBS = {"check_compliance_expiry": 0.20, "auto_close_stale_jobs": 0.10}  # the part that is done


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Let papers expire and jobs be closed, as many as each size says."""
    return measure_jobs(kind, sizes, console, world="fieldwork", jobs=JOBS)
