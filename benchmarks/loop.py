"""Billing as one would first write it: loops that save one row at a time."""

from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.billing.models import BillingAccount, Invoice, InvoiceLine, NumberSequence
from apps.contacts.models import Contact
from apps.engagements.models import Engagement, EngagementPeriod
from apps.leasing.models import Lease, RentPeriod
from apps.notifications.models import Channel, Delivery, Notification

MONTH, NEXT = date(2025, 3, 1), date(2025, 4, 1)


def bill_one_by_one() -> None:
    """Issue March's rent invoices and put the messages into the outbox."""
    leases = Lease.objects.filter(status="active").select_related("firm", "account__contact")
    for lease in list(leases):
        with transaction.atomic():
            if not RentPeriod.objects.filter(lease=lease, period_start=MONTH).exists():
                _bill(lease)


def bill_packages_one_by_one() -> None:
    """Issue March's package invoices and put the messages into the outbox."""
    engagements = Engagement.objects.filter(status="active").select_related("account__contact")
    for engagement in list(engagements):
        with transaction.atomic():
            periods = EngagementPeriod.objects.filter(engagement=engagement, period_start=MONTH)
            if not periods.exists():
                _bill_package(engagement)


def _bill(lease: Lease) -> None:
    invoice = _issue(lease.account, Invoice.Kind.RENT, lease.rent_minor)
    for charge in lease.charges.all():
        _add_line(invoice, "recurring_charge", charge.kind, charge.amount_minor)
    _add_line(invoice, "rent", "Rent", lease.rent_minor)
    RentPeriod.objects.create(
        firm=lease.firm, lease=lease, period_start=MONTH, period_end=NEXT, invoice=invoice
    )
    for party in lease.parties.filter(role__in=["primary", "co_renter"]):
        _tell(party.contact, invoice)


def _bill_package(engagement: Engagement) -> None:
    rate = engagement.rates.filter(effective_from__lte=MONTH).order_by("effective_from").last()
    fee = rate.fee_minor if rate else engagement.package_fee_minor
    invoice = _issue(engagement.account, Invoice.Kind.PACKAGE, fee)
    _add_line(invoice, "package_fee", engagement.name, fee)
    EngagementPeriod.objects.create(
        firm_id=engagement.firm_id,
        engagement=engagement,
        period_start=MONTH,
        period_end=NEXT,
        invoice=invoice,
    )
    _tell(engagement.account.contact, invoice)


def _issue(account: BillingAccount, kind: Any, total: int) -> Invoice:
    sequence, _ = NumberSequence.objects.select_for_update().get_or_create(
        firm_id=account.firm_id, series="INV", year=2025
    )
    number = f"INV-2025-{sequence.next_number:03d}"
    sequence.next_number += 1
    sequence.save()
    return Invoice.objects.create(
        firm_id=account.firm_id,
        account=account,
        number=number,
        kind=kind,
        period_start=MONTH,
        period_end=NEXT,
        currency=account.currency,
        subtotal_minor=total,
        total_minor=total,
        status=Invoice.Status.SENT,
        issue_date=MONTH,
        due_date=MONTH,
        contractual_due_date=MONTH,
        sent_at=timezone.now(),
    )


def _add_line(invoice: Invoice, kind: str, description: str, minor: int) -> None:
    InvoiceLine.objects.create(
        firm_id=invoice.firm_id, invoice=invoice, kind=kind, description=description,
        unit_minor=minor, amount_minor=minor,
    )  # fmt: skip


def _tell(contact: Contact, invoice: Invoice) -> None:
    notification = Notification.objects.create(
        firm_id=invoice.firm_id,
        type="invoice_issued",
        recipient_contact=contact,
        recipient_key=f"contact:{contact.pk}",
        dedupe_key=f"invoice-issued:{invoice.pk}",
        context={"number": invoice.number},
    )
    for channel in (Channel.EMAIL, Channel.IN_APP):
        Delivery.objects.create(
            firm_id=invoice.firm_id, notification=notification, channel=channel
        )
