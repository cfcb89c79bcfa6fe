"""The rent run as one would first write it: a loop that saves one row at a time."""

from datetime import date

from django.db import transaction
from django.utils import timezone

from apps.billing.models import Invoice, InvoiceLine, NumberSequence
from apps.leasing.models import Lease, RentPeriod
from apps.notifications.models import Channel, Delivery, Notification

MONTH = date(2025, 3, 1)


def bill_one_by_one() -> None:
    """Issue March's invoices and put the messages into the outbox."""
    leases = Lease.objects.filter(status="active").select_related("firm", "account__contact")
    for lease in list(leases):
        with transaction.atomic():
            if not RentPeriod.objects.filter(lease=lease, period_start=MONTH).exists():
                _bill(lease)


def _bill(lease: Lease) -> None:
    sequence, _ = NumberSequence.objects.select_for_update().get_or_create(
        firm=lease.firm, series="INV", year=2025
    )
    number = f"INV-2025-{sequence.next_number:03d}"
    sequence.next_number += 1
    sequence.save()
    invoice = Invoice.objects.create(
        firm=lease.firm,
        account=lease.account,
        number=number,
        kind=Invoice.Kind.RENT,
        period_start=MONTH,
        period_end=date(2025, 4, 1),
        currency=lease.currency,
        subtotal_minor=lease.rent_minor,
        total_minor=lease.rent_minor,
        status=Invoice.Status.SENT,
        issue_date=MONTH,
        due_date=MONTH,
        contractual_due_date=MONTH,
        sent_at=timezone.now(),
    )
    for charge in lease.charges.all():
        InvoiceLine.objects.create(
            firm=lease.firm, invoice=invoice, kind="recurring_charge",
            description=charge.kind, unit_minor=charge.amount_minor,
            amount_minor=charge.amount_minor,
        )  # fmt: skip
    InvoiceLine.objects.create(
        firm=lease.firm, invoice=invoice, kind="rent", description="Rent",
        unit_minor=lease.rent_minor, amount_minor=lease.rent_minor,
    )  # fmt: skip
    RentPeriod.objects.create(
        firm=lease.firm, lease=lease, period_start=MONTH, period_end=date(2025, 4, 1),
        invoice=invoice,
    )  # fmt: skip
    for party in lease.parties.filter(role__in=["primary", "co_renter"]):
        notification = Notification.objects.create(
            firm=lease.firm,
            type="invoice_issued",
            recipient_contact=party.contact,
            recipient_key=f"contact:{party.contact_id}",
            dedupe_key=f"invoice-issued:{invoice.pk}",
            context={"number": number},
        )
        for channel in (Channel.EMAIL, Channel.IN_APP):
            Delivery.objects.create(firm=lease.firm, notification=notification, channel=channel)
