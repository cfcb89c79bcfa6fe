"""What there is to measure with: ten firms, their customers, and leases.

A property has a hundred units, a unit one renter.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

from apps.billing.models import BillingAccount
from apps.contacts.models import Contact
from apps.core.batches import batched
from apps.firms.models import Firm, FirmSettings
from apps.leasing.models import Lease, LeaseParty, Property, PropertyBillingConfig, Unit

FIRMS = 10
UNITS = 100  # per property


def make_firms(count: int = FIRMS) -> list[Firm]:
    """Make active firms in New York."""
    firms = [
        Firm.objects.create(
            name=f"Firm {n}", slug=f"firm-{n}", status="active", timezone="America/New_York"
        )
        for n in range(count)
    ]
    for firm in firms:
        FirmSettings.objects.create(firm=firm)
    return firms


def make_accounts(firm: Firm, labels: Iterable[int], **facts: Any) -> list[BillingAccount]:
    """Make a customer for each label, and the customer's account in dollars."""
    contacts = Contact.objects.bulk_create(
        Contact(firm=firm, display_name=f"Customer {n}", email=f"customer{n}@example.com")
        for n in labels
    )
    return BillingAccount.objects.bulk_create(
        BillingAccount(firm=firm, contact=contact, currency="USD", **facts)
        for contact in contacts
    )


def make_leases(size: int) -> None:
    """Make ``size`` active leases over $1500.00 due on the 1st, with a late fee of 5 %."""
    firms = make_firms()
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
    accounts = make_accounts(firm, labels)
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
        LeaseParty(firm=firm, lease=lease, contact=account.contact)
        for lease, account in zip(leases, accounts, strict=True)
    )
