"""Let late fees be charged and taken back, and see what they come to."""

from datetime import date

from apps.billing.models import Invoice, InvoiceLine
from apps.core.days import Clock
from apps.leasing.models import LateFeeAssessment
from apps.leasing.services import apply_late_fees, waive_late_fee
from tests.factories import UserFactory
from tests.leasing.renting import at

SEVENTH = "2025-03-07T18:00:00Z"  # six days after the due date, one after the grace days
DAILY = {"fee_frequency": "daily", "daily_minor": 500, "daily_max_days": 3}


def fees(invoice: Invoice) -> list[int]:
    lines = invoice.lines.filter(kind=InvoiceLine.Kind.LATE_FEE).order_by("pk")
    return list(lines.values_list("amount_minor", flat=True))


def run_on(*days: str) -> list[int]:
    """Run at noon in New York on each of these days and return how many fees it applied."""
    counts = []
    for day in days:
        with at(f"{day}T17:00:00Z"):
            counts.append(apply_late_fees().tallies["applied"])
    return counts


def waive(assessment: LateFeeAssessment) -> LateFeeAssessment:
    return waive_late_fee(
        assessment=assessment, actor=UserFactory(), reason="first time late",
        today=date(2025, 3, 8), now=Clock.read().now,
    )  # fmt: skip
