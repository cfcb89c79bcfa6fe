"""Rent that is owed, at a home with terms, and money that comes in for it."""

from datetime import date, timedelta
from typing import Any

import time_machine

from apps.billing.models import Invoice, Payment
from apps.billing.services import record_payment
from apps.core.days import Clock
from apps.leasing.models import Lease, Property, RentPeriod
from tests.factories import (
    BillingConfigFactory,
    InvoiceFactory,
    LeaseFactory,
    PropertyFactory,
    UnitFactory,
)

PERCENT = {"late_fee_type": "percentage", "late_fee_percent": 5}


def at(moment: str) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def home_with(*, property: dict[str, Any] | None = None, **config: Any) -> Property:
    """Make a property and its terms: by default $50.00 after 5 days of grace."""
    home = PropertyFactory(**(property or {}))
    BillingConfigFactory(property=home, **config)
    return home


def rent(
    *,
    home: Property | None = None,
    lease: Lease | None = None,
    due: date = date(2025, 3, 1),
    total: int = 150_000,
    **how: Any,
) -> Invoice:
    """Make a rent invoice, and around it whatever is not given."""
    if lease is None:
        home = home or home_with()
        lease = LeaseFactory(unit=UnitFactory(property=home), rent_minor=total)
    first = due.replace(day=1)
    invoice = InvoiceFactory(
        account=lease.account,
        total_minor=total,
        due_date=due,
        issue_date=due - timedelta(days=10),
        period_start=first,
        period_end=first + timedelta(days=28),
        **how,
    )
    RentPeriod.objects.create(
        firm=lease.firm,
        lease=lease,
        period_start=first,
        period_end=first + timedelta(days=28),
        invoice=invoice,
    )
    return invoice


def pay(invoice: Invoice, amount: int, *, on: date, **how: Any) -> Payment:
    """Record money for an invoice's account that was paid on a local day."""
    clock = Clock.read()
    return record_payment(
        account=invoice.account,
        amount_minor=amount,
        method=how.pop("method", Payment.Method.BANK),
        effective_on=on,
        now=clock.now,
        today=invoice.rent_period.lease.unit.property.today(clock),
        **how,
    )
