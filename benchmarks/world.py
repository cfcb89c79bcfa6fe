"""Leases to measure with: ten firms, a hundred units to a property, one renter to a unit."""

from datetime import date

from apps.billing.models import BillingAccount
from apps.contacts.models import Contact
from apps.core.batches import batched
from apps.firms.models import Firm, FirmSettings
from apps.leasing.models import Lease, LeaseParty, Property, PropertyBillingConfig, Unit

FIRMS = 10
UNITS = 100  # per property


def make_leases(size: int) -> None:
    """Make ``size`` active leases over $1500.00 due on the 1st, with a late fee of 5 %."""
    firms = [
        Firm.objects.create(
            name=f"Firm {n}", slug=f"firm-{n}", status="active", timezone="America/New_York"
        )
        for n in range(FIRMS)
    ]
    for firm in firms:
        FirmSettings.objects.create(firm=firm)
    for batch in batched(range(size), UNITS):
        _make_property(firms[batch[0] // UNITS % FIRMS], batch[0], len(batch))


def _make_property(firm: Firm, number: int, units: int) -> None:
    home = Property.objects.create(
        firm=firm, name=f"House {number}", timezone=firm.timezone, currency="USD"
    )
    PropertyBillingConfig.objects.create(
        firm=firm,
        property=home,
        effective_from=date(2020, 1, 1),
        grace_days=5,
        late_fee_type=PropertyBillingConfig.LateFee.PERCENTAGE,
        late_fee_percent=5,
    )
    labels = range(number, number + units)
    contacts = Contact.objects.bulk_create(
        Contact(firm=firm, display_name=f"Renter {n}", email=f"renter{n}@example.com")
        for n in labels
    )
    accounts = BillingAccount.objects.bulk_create(
        BillingAccount(firm=firm, contact=contact, currency="USD") for contact in contacts
    )
    homes = Unit.objects.bulk_create(
        Unit(firm=firm, property=home, label=str(n), status="occupied") for n in labels
    )
    leases = Lease.objects.bulk_create(
        Lease(
            firm=firm,
            unit=unit,
            account=account,
            status=Lease.Status.ACTIVE,
            start_date=date(2024, 1, 1),
            rent_minor=150_000,
            currency="USD",
        )
        for unit, account in zip(homes, accounts, strict=True)
    )
    LeaseParty.objects.bulk_create(
        LeaseParty(firm=firm, lease=lease, contact=contact)
        for lease, contact in zip(leases, contacts, strict=True)
    )
