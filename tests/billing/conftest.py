"""A neighbour that nothing may touch, and books that must add up after every test."""

from collections.abc import Iterator
from datetime import date

import pytest

from apps.billing import services
from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentAllocation,
)
from tests.billing.ledger import pay
from tests.factories import InvoiceFactory

LEDGER = (BillingAccount, Invoice, InvoiceLine, Payment, PaymentAllocation, AccountCredit)


@pytest.fixture
def books(db: None) -> Iterator[None]:
    """Let a test work beside a firm with an open, a paid and a credited account."""
    first = InvoiceFactory(total_minor=90_000)
    second = InvoiceFactory(account=first.account, due_date=date(2025, 4, 1))
    pay(first.account, 100_000, invoices=[first])
    services.use_credit(invoice=second, today=date(2025, 3, 1), now=first.sent_at)
    before = _rows_of(first.firm_id)
    yield
    assert services.find_inconsistencies() == []
    assert _rows_of(first.firm_id) == before


def _rows_of(firm_id: int) -> list[object]:
    return [
        row
        for model in LEDGER
        for row in model._default_manager.filter(firm=firm_id).order_by("pk").values()
    ]
