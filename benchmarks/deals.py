"""check_stale_deals beside hand-written SQL."""

from collections.abc import Sequence

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes
from benchmarks.upkeep import measure_jobs

SIZES: Sizes = dict.fromkeys(DATABASES, (5_000, 100_000))
JOBS = {"check_stale_deals": 0.15}  # the part that is done


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Let deals become stale and recover, among as many as each size says."""
    return measure_jobs(kind, sizes, console, world="deals", jobs=JOBS)
