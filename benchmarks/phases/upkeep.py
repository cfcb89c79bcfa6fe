"""Jobs that look through much and change little, in phases."""

from datetime import UTC, datetime

from benchmarks import rows
from benchmarks.phases.measuring import Figures, run_job

NOW = datetime(2025, 6, 15, 18, tzinfo=UTC)  # a Sunday
TODAY = NOW.date()


def job(name: str) -> Figures:
    """Run a job, and note where its rows begin."""
    rows.remember()
    forced = {"force": True} if name == "auto_close_stale_jobs" else {}
    return run_job(name, at=NOW.isoformat(), **forced)


def again(name: str) -> Figures:
    """Run a job that has nothing left to do."""
    return run_job(name, at=NOW.isoformat())


def floor() -> Figures:
    """Delete what the job wrote and write the same rows by hand-written SQL."""
    return rows.write_again()
