"""An invoice's status after a change, and the locks that every change takes first.

The order is the same everywhere, so that two changes wait for each other and never block
each other: the account, its payment, its invoices by primary key.
"""

from collections.abc import Iterable
from datetime import date, datetime

from django.db.models.functions import Now

from apps.billing.models import BillingAccount, Invoice, InvoiceQuerySet, Payment

FIGURES = ("paid_minor", "credited_minor", "status", "paid_at", "updated_at")


def lock_account(account_id: int) -> BillingAccount:
    """Lock an account until the transaction ends and return it as it is now.

    ``no_key`` lets others insert rows that point to the account meanwhile.
    """
    return BillingAccount.objects.select_for_update(no_key=True).get(pk=account_id)


def lock_payment(payment_id: int) -> Payment:
    """Lock a payment until the transaction ends and return it as it is now."""
    return Payment.objects.select_for_update(no_key=True).get(pk=payment_id)


def lock_invoices(invoices: InvoiceQuerySet) -> list[Invoice]:
    """Lock invoices until the transaction ends and return them as they are now."""
    return list(invoices.select_for_update(no_key=True).order_by("pk"))


def lock_invoice(invoice: Invoice) -> Invoice:
    """Lock an invoice and its account, and return the invoice as it is now."""
    lock_account(invoice.account_id)
    [locked] = lock_invoices(Invoice.objects.filter(pk=invoice.pk))
    return locked


def lock_open_invoices(account_id: int) -> list[Invoice]:
    """Lock the collectable invoices of a locked account and return them, first due first."""
    found = lock_invoices(Invoice.objects.filter(account=account_id).collectable())
    return sorted(found, key=lambda invoice: (invoice.due_date or date.max, invoice.pk))


def settle(invoice: Invoice, *, today: date, now: datetime) -> None:
    """Set in memory what follows from an invoice's figures: ``status`` and ``paid_at``."""
    invoice.status = invoice.status_on(today)
    if invoice.status != Invoice.Status.PAID:
        invoice.paid_at = None
    elif invoice.paid_at is None:
        invoice.paid_at = now


def save_settled(
    invoices: Iterable[Invoice], *, today: date, now: datetime, also: Iterable[str] = ()
) -> None:
    """Settle locked invoices and save their figures; ``also`` names further changed fields."""
    for invoice in invoices:
        settle(invoice, today=today, now=now)
        invoice.save(update_fields=[*FIGURES, *also])


def mark_overdue(*, invoices: InvoiceQuerySet, today: date) -> int:
    """Mark the open invoices as overdue whose due date a local day has passed.

    For rows that only time changes: ``today`` is the day where these invoices are (a
    property's, a firm's). One statement; the rule is that of ``Invoice.status_on``.
    """
    fresh = newly_overdue(invoices, on=today)
    return fresh.update(status=Invoice.Status.OVERDUE, updated_at=Now())


def newly_overdue(invoices: InvoiceQuerySet, *, on: date) -> InvoiceQuerySet:
    """Return the open invoices that are overdue on a local day, and do not say so yet."""
    passed = invoices.collectable().filter(due_date__lt=on)
    return passed.exclude(status=Invoice.Status.OVERDUE)
