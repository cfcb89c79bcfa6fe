"""Run a job on the record, as a command does, and say what it took."""

import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import time_machine
from django.core.management import call_command
from django.db import connection

from apps.jobs.job import find
from apps.jobs.models import JobRun
from apps.jobs.recording import recorded

Figures = dict[str, Any]


class Queries:
    """Counts the statements that pass: ``with connection.execute_wrapper(queries)``."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0  # seconds

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.count += 1
        started = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            self.longest = max(self.longest, time.perf_counter() - started)


def migrate() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0)


def run_job(name: str, *, at: str = "", **arguments: Any) -> Figures:
    """Run a job, at an instant or now; anything but a whole success ends the measurement."""
    declared, queries = find(name), Queries()
    with time_machine.travel(at) if at else nullcontext(), connection.execute_wrapper(queries):
        started = time.perf_counter()
        with recorded(declared, arguments, source=JobRun.Source.CODE) as recorder:
            declared.service(**arguments)
        seconds = time.perf_counter() - started
    run = recorder.run
    if run.state != JobRun.State.DONE:
        raise SystemExit(f"{run} ended as {run.state}: {run.problem}")
    return {
        "seconds": seconds,
        "queries": queries.count,
        "longest_ms": queries.longest * 1000,
        "done": run.done,
        "peak_mib": _peak_kib() / 1024,
    }


def timed(act: Callable[[], Any]) -> float:
    """Return the seconds that it takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _peak_kib() -> int:
    """Return the most memory that this process has had.

    Linux counts in ``ru_maxrss`` also what the process had that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        told = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(told["VmHWM"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
