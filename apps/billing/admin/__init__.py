"""What staff see of the ledger, of stored cards, and of the ledger's reports."""

from apps.billing.admin.cards import PaymentAttemptAdmin, PaymentMethodAdmin
from apps.billing.admin.ledger import (
    BillingAccountAdmin,
    InvoiceAdmin,
    PaymentAdmin,
    only_one,
    take_payment,
)
from apps.billing.admin.reports import ReceivablesAdmin, RevenueMonthAdmin

__all__ = [
    "BillingAccountAdmin",
    "InvoiceAdmin",
    "PaymentAdmin",
    "PaymentAttemptAdmin",
    "PaymentMethodAdmin",
    "ReceivablesAdmin",
    "RevenueMonthAdmin",
    "only_one",
    "take_payment",
]
