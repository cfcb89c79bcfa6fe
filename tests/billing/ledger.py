"""Payments and lines the way the product makes them, and a day to make them on."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from apps.billing import services
from apps.billing.models import BillingAccount, Invoice, InvoiceLine, Payment
from apps.billing.services import LineAddition, LineDraft

NOW = datetime(2025, 3, 1, 17, tzinfo=UTC)
TODAY = date(2025, 3, 1)
LATER = date(2025, 3, 10)


def pay(account: BillingAccount, minor: int, **how: Any) -> Payment:
    """Record a payment made today by bank transfer, unless ``how`` says otherwise."""
    how = {
        "method": Payment.Method.BANK,
        "effective_on": TODAY,
        "now": NOW,
        "today": TODAY,
        **how,
    }
    return services.record_payment(account=account, amount_minor=minor, **how)


def add_fees(
    invoices: Sequence[Invoice], minor: int = 5_000, *, today: date = LATER
) -> list[InvoiceLine]:
    """Charge each invoice the same late fee."""
    fee = LineDraft(InvoiceLine.Kind.LATE_FEE, "Late fee", minor)
    additions = [LineAddition(invoice, fee, today) for invoice in invoices]
    keys = services.add_lines(additions=additions, now=NOW)
    lines = InvoiceLine.objects.in_bulk(keys)
    return [lines[key] for key in keys]


def figures(invoice: Invoice) -> tuple[int, int, int, str]:
    """Return what the row says now: total, paid, credited, status."""
    invoice.refresh_from_db()
    return (
        invoice.total_minor,
        invoice.paid_minor,
        invoice.credited_minor,
        invoice.status,
    )


def credit(account: BillingAccount) -> int:
    """Return the account's credit as its row says now."""
    account.refresh_from_db()
    return account.credit_minor
