"""The ledger of what a firm's customers owe the firm. One for every product (spec B2.3)."""

from apps.billing.models.accounts import BillingAccount, NumberSequence
from apps.billing.models.cards import PaymentAttempt, PaymentMethod
from apps.billing.models.invoices import Invoice, InvoiceLine, InvoiceQuerySet
from apps.billing.models.ledger_views import (
    Bucket,
    LedgerDay,
    LedgerRow,
    Receivables,
    RevenueMonth,
    ViewState,
)
from apps.billing.models.payments import AccountCredit, Payment, PaymentAllocation
from apps.billing.models.refunds import Refund

__all__ = [
    "AccountCredit",
    "BillingAccount",
    "Bucket",
    "Invoice",
    "InvoiceLine",
    "InvoiceQuerySet",
    "LedgerDay",
    "LedgerRow",
    "NumberSequence",
    "Payment",
    "PaymentAllocation",
    "PaymentAttempt",
    "PaymentMethod",
    "Receivables",
    "Refund",
    "RevenueMonth",
    "ViewState",
]
