"""Bank payments that have been started and not yet arrived, and what they will cover."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from apps.billing.models import Invoice, Payment
from apps.core.days import zone

BANK = (Payment.Method.BANK, Payment.Method.BANK_DEBIT)


@dataclass(frozen=True, slots=True)
class Underway:
    """The part of a pending bank payment that one invoice can expect, in minor units."""

    initiated_at: datetime
    amount_minor: int

    def started_by(self, day: date, zone_name: str) -> bool:
        """Tell whether the payer had started it on or before a local day."""
        return self.initiated_at.astimezone(zone(zone_name)).date() <= day


def under_way(invoices: Sequence[Invoice]) -> dict[int, list[Underway]]:
    """Return what pending bank payments will bring to invoices, by invoice.

    Money covers what its account owes, the first due first, as ``settle_payment`` will do
    it. One query, and a second one when there is any.
    """
    wanted = {invoice.pk for invoice in invoices}
    coming: dict[int, list[Underway]] = defaultdict(list)
    pending = Payment.objects.filter(
        account__in={invoice.account_id for invoice in invoices},
        status=Payment.Status.PENDING,
        method__in=BANK,
    ).order_by("initiated_at", "pk")
    accounts = {payment.account_id for payment in pending}
    if not accounts:
        return coming
    owed: dict[int, dict[int, int]] = defaultdict(dict)
    open_ = Invoice.objects.collectable().filter(account__in=accounts)
    for invoice in open_.order_by("due_date", "pk"):
        owed[invoice.account_id][invoice.pk] = invoice.open_minor
    for payment in pending:
        left = payment.amount_minor
        for pk, amount in owed[payment.account_id].items():
            part = min(left, amount)
            left -= part
            owed[payment.account_id][pk] = amount - part
            if part and pk in wanted:
                coming[pk].append(Underway(payment.initiated_at, part))
    return coming
