"""What customers are told: what work costs them."""

from collections.abc import Sequence

from apps.billing import links
from apps.billing.messages import voided
from apps.billing.models import Invoice
from apps.billing.services.checkout import find_invoice, why_not_payable
from apps.core import money
from apps.core.days import write_day
from apps.fieldwork.messages.letters import Button, Facts, Part, letter
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words


def _invoice_issued(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    invoice, facts = find_invoice(int(one.subject_id)), one.context
    assert invoice is not None  # nobody deletes invoices
    assert invoice.due_date is not None  # it is issued
    total, balance = map(money.write_grouped, (invoice.total, invoice.balance))
    due, is_paid = write_day(invoice.due_date), invoice.status == Invoice.Status.PAID
    left = "" if is_paid or balance == total else balance
    parts: list[Part] = [
        f"Your invoice {invoice} for “{facts['title']}” is ready.",
        Facts(
            [
                ("Job", facts["number"]),
                ("Total", total),
                ("Still to pay after your credit", left),
                ("Due", due),
            ]
        ),
    ]
    if is_paid:
        parts.append("It is paid; there is nothing for you to do.")
    else:
        parts.append(f"Please pay by {due}.")
        if why_not_payable(invoice) is None:
            parts.append(Button("Pay this invoice", links.pay_link(invoice.pk)))
    return letter(f"Invoice {invoice} from {invoice.firm}: {total}", *parts, "Thank you.")


WORK_INVOICE_ISSUED = NotificationType(
    "work_invoice_issued", Category.BILLING, _invoice_issued, still_wanted=voided
)

TYPES: tuple[NotificationType, ...] = (WORK_INVOICE_ISSUED,)
