"""Package invoices, in phases."""

from collections.abc import Sequence
from datetime import date

import time_machine

from apps.core.batches import batched
from apps.engagements.models import Engagement
from apps.firms.models import Firm
from benchmarks import rows
from benchmarks.loop import bill_packages_one_by_one
from benchmarks.phases.measuring import Figures, migrate, run_job, timed
from benchmarks.world import make_accounts, make_firms

MOMENT = "2025-03-01T18:00:00Z"  # a day on which every engagement has one period to bill


def world(size: int) -> Figures:
    """Migrate, and make ``size`` engagements over $1000.00 a month, spread over the firms."""
    migrate()
    firms = make_firms()
    for number, batch in enumerate(batched(range(size))):
        _engage(firms[number % len(firms)], batch)
    return {}


def job() -> Figures:
    """Run the job on the first of the month, and note where its rows begin."""
    rows.remember()
    return run_job("generate_package_invoices", at=MOMENT)


def floor() -> Figures:
    """Delete what the job wrote and write the same rows by hand-written SQL."""
    return rows.write_again()


def loop(size: int) -> Figures:
    """Invoice the month as a plain loop that saves one row at a time."""
    world(size)
    with time_machine.travel(MOMENT):
        return {"seconds": timed(bill_packages_one_by_one)}


def _engage(firm: Firm, labels: Sequence[int]) -> None:
    Engagement.objects.bulk_create(
        Engagement(
            firm=firm,
            account=account,
            name=f"Engagement {label}",
            status=Engagement.Status.ACTIVE,
            pricing_mode=Engagement.PricingMode.PACKAGE,
            package_fee_minor=100_000,
            currency="USD",
            start_date=date(2025, 3, 1),
            bill_from=date(2025, 3, 1),
        )
        for label, account in zip(labels, make_accounts(firm, labels), strict=True)
    )
