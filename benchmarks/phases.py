"""One phase of a benchmark, in a process of its own; prints its figures as a JSON line."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import django

MOMENTS = {
    "generate_monthly_invoices": "2025-03-01T18:00:00Z",
    "apply_late_fees": "2025-03-08T18:00:00Z",
    "send_payment_reminders": "2025-03-09T18:00:00Z",
}


def main() -> None:
    """Run the phase named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    name, size = sys.argv[1], int(sys.argv[2])
    if name == "world":
        figures = world(size)
    elif name == "loop":
        figures = loop(size)
    elif name.endswith("-floor"):
        figures = floor()
    else:
        figures = job(name)
    print(json.dumps(figures))


def world(size: int) -> dict[str, Any]:
    """Migrate, and make ``size`` leases."""
    from django.core.management import call_command

    from benchmarks.world import make_leases

    call_command("migrate", verbosity=0)
    make_leases(size)
    return {}


def job(name: str) -> dict[str, Any]:
    """Run a job on the record, as a command does, and note where its rows begin."""
    import time_machine
    from django.db import connection

    from apps.jobs.job import find
    from apps.jobs.models import JobRun
    from apps.jobs.recording import recorded
    from benchmarks import rows

    queries = 0

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    rows.remember()
    declared = find(name)
    with time_machine.travel(MOMENTS[name]), connection.execute_wrapper(count):
        started = time.perf_counter()
        with recorded(declared, {}, source=JobRun.Source.CODE) as recorder:
            declared.service()
        seconds = time.perf_counter() - started
    run = recorder.run
    if run.state != JobRun.State.DONE:
        raise SystemExit(f"{run} ended as {run.state}: {run.problem}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "queries": queries, "done": run.done, "peak_mib": peak}


def floor() -> dict[str, Any]:
    """Delete what the last job wrote and write the same rows by hand-written SQL."""
    from benchmarks import rows

    return rows.write_again()


def loop(size: int) -> dict[str, Any]:
    """Do the rent run as a plain loop that saves one row at a time."""
    import time_machine

    from benchmarks.loop import bill_one_by_one

    world(size)
    with time_machine.travel(MOMENTS["generate_monthly_invoices"]):
        started = time.perf_counter()
        bill_one_by_one()
        return {"seconds": time.perf_counter() - started}


if __name__ == "__main__":
    main()
