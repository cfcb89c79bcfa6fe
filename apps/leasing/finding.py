"""How leases and properties are found, and what belongs to them."""

from typing import Any

from django.db.models import QuerySet, Value

from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.core.finding import Finder, Relation, words
from apps.leasing.models import LateFeeAssessment, Lease, Property, RewardGrant

_LEASE = words(
    Value("Lease "),
    "pk",
    Value(" ("),
    "unit__property__name",
    Value(" "),
    "unit__label",
    Value(")"),
)


def _month_of(invoice: Any) -> str:
    period = getattr(invoice, "rent_period", None)
    return f"{period.period_start:%Y-%m}" if period else ""


def _lease_of(invoice: Invoice) -> "QuerySet[Lease]":
    return Lease.objects.filter(rent_periods__invoice=invoice)


FINDERS = (
    Finder(
        model=Lease,
        columns=("unit__label",),
        label=_LEASE,
        loads=("firm", "unit__property", "account__contact"),
    ),
    Finder(model=Property, columns=("name", "address"), label="name", loads=("firm",)),
)

RELATIONS = (
    Relation(to=Invoice, rows=_lease_of, label=_LEASE, part=_month_of, told=True),
    Relation(
        to=Invoice,
        rows=lambda invoice: LateFeeAssessment.objects.filter(invoice=invoice),
        label=words(Value("late fee "), "assessment_key"),
        told=True,
    ),
    Relation(
        to=Lease,
        rows=lambda lease: Invoice.objects.filter(rent_period__lease=lease),
        label="number",
    ),
    Relation(
        to=Contact,
        rows=lambda contact: Lease.objects.filter(parties__contact=contact),
        label=_LEASE,
    ),
    Relation(
        to=Contact,
        rows=lambda contact: RewardGrant.objects.filter(contact=contact),
        label=words(Value("reward "), "qualifying_key"),
        told=True,
    ),
    Relation(
        to=Property, rows=lambda home: Lease.objects.filter(unit__property=home), label=_LEASE
    ),
)
