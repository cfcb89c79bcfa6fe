"""What the customer pays for a work order: one invoice, in the firm's one ledger."""

from datetime import date, datetime, timedelta

from django.db import transaction

from apps.audit.services import record
from apps.billing.models import BillingAccount, Invoice, InvoiceLine
from apps.billing.services import InvoiceDraft, LineDraft, issue_invoices
from apps.core.problems import Problem
from apps.fieldwork.models import WorkOrder
from apps.fieldwork.services.telling import tell_customer
from apps.fieldwork.services.transitions import Kind, Status, lock_work_order, note_event
from apps.firms.models import FirmSettings, User

LINE_LENGTH = 200  # of an invoice line's description


def invoice_work_order(
    *, order: WorkOrder, by: User | None, today: date, now: datetime
) -> Invoice:
    """Issue the customer's invoice for a work order, who is told.

    Due after the firm's usual days; ``today`` is the firm's. Also before the work is done,
    for whoever is paid in advance. Raises ``Problem`` when there is no customer, nothing to
    pay, an invoice that is not void, or the work was given up.
    """
    with transaction.atomic():
        order = lock_work_order(order)
        _check_billable(order)
        assert order.customer is not None
        account, _ = BillingAccount.objects.get_or_create(
            firm_id=order.firm_id, contact=order.customer, currency=order.currency
        )
        words = f"{order.number}: {order.title}"[:LINE_LENGTH]
        draft = InvoiceDraft(
            account=account,
            kind=Invoice.Kind.WORK,
            lines=[LineDraft(InvoiceLine.Kind.JOB, words, order.customer_price_minor)],
            issue_date=today,
            due_date=today + timedelta(days=_net_days(order)),
        )
        [invoice] = issue_invoices([draft], now=now)
        # The state of the row that was read: of two at once, one invoices.
        same = WorkOrder.objects.filter(pk=order.pk, invoice=order.invoice)
        if not same.update(invoice=invoice, updated_at=now):
            raise Problem(f"{order.number} has changed meanwhile.")
        order.invoice = invoice
        changes = {"invoice": invoice.number, "total_minor": invoice.total_minor}
        record("work_order_invoiced", order, actor=by, changes=changes)
        note_event(order, Kind.INVOICED, by=by, now=now, detail=invoice.number)
        tell_customer(order, invoice)
    return invoice


def _check_billable(order: WorkOrder) -> None:
    if order.status == Status.CANCELLED:
        raise Problem(f"{order.number} cannot be invoiced: it is cancelled.")
    if order.customer is None:
        raise Problem(f"{order.number} cannot be invoiced: it has no customer.")
    if order.customer_price_minor <= 0:
        raise Problem(f"{order.number} cannot be invoiced: it costs the customer nothing.")
    if order.invoice is not None and order.invoice.status != Invoice.Status.VOID:
        raise Problem(f"{order.number} has been invoiced: {order.invoice}.")


def _net_days(order: WorkOrder) -> int:
    settings = FirmSettings.objects.filter(firm=order.firm_id).first()
    return (settings or FirmSettings()).net_days
