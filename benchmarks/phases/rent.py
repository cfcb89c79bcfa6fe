"""The rent cycle, in phases."""

import time_machine

from benchmarks import rows
from benchmarks.loop import bill_one_by_one
from benchmarks.phases.measuring import Figures, migrate, run_job, timed
from benchmarks.world import make_leases

MOMENTS = {
    "generate_monthly_invoices": "2025-03-01T18:00:00Z",
    "apply_late_fees": "2025-03-08T18:00:00Z",
    "send_payment_reminders": "2025-03-09T18:00:00Z",
}


def world(size: int) -> Figures:
    """Migrate, and make ``size`` leases."""
    migrate()
    make_leases(size)
    return {}


def job(name: str) -> Figures:
    """Run a job on its day, and note where its rows begin."""
    rows.remember()
    return run_job(name, at=MOMENTS[name])


def floor() -> Figures:
    """Delete what the last job wrote and write the same rows by hand-written SQL."""
    return rows.write_again()


def loop(size: int) -> Figures:
    """Do the rent run as a plain loop that saves one row at a time."""
    world(size)
    with time_machine.travel(MOMENTS["generate_monthly_invoices"]):
        return {"seconds": timed(bill_one_by_one)}
