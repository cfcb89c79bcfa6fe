"""Homes, leases and what follows from them."""

from datetime import date
from typing import Any

import factory
from factory.django import DjangoModelFactory

from apps.leasing.models import (
    LateFeeAssessment,
    Lease,
    LeaseParty,
    Property,
    PropertyBillingConfig,
    RentPeriod,
    RewardConfiguration,
    RewardGrant,
    Unit,
)
from tests.factories.ledger import BillingAccountFactory, InvoiceFactory
from tests.factories.people import ContactFactory, FirmFactory


class PropertyFactory(DjangoModelFactory[Property]):
    class Meta:
        model = Property

    firm = factory.SubFactory(FirmFactory)
    name = factory.Sequence(lambda n: f"Property {n}")
    timezone = "America/New_York"
    currency = "USD"


class UnitFactory(DjangoModelFactory[Unit]):
    class Meta:
        model = Unit

    property = factory.SubFactory(PropertyFactory)
    firm = factory.SelfAttribute("property.firm")
    label = factory.Sequence(lambda n: f"{n}")
    status = Unit.Status.OCCUPIED


class LeaseFactory(DjangoModelFactory[Lease]):
    """An active lease over $1500.00 due on the 1st, with one primary renter."""

    class Meta:
        model = Lease
        skip_postgeneration_save = True

    unit = factory.SubFactory(UnitFactory)
    firm = factory.SelfAttribute("unit.firm")
    currency = factory.SelfAttribute("unit.property.currency")
    account = factory.SubFactory(
        BillingAccountFactory,
        contact=factory.SubFactory(ContactFactory, firm=factory.SelfAttribute("...firm")),
        currency=factory.SelfAttribute("..currency"),
    )
    status = Lease.Status.ACTIVE
    start_date = date(2024, 1, 1)
    rent_minor = 150_000
    due_day = 1

    @factory.post_generation
    def renter(obj: Lease, create: bool, extracted: Any, **_: Any) -> None:  # noqa: N805
        LeaseParty.objects.create(
            firm=obj.firm, lease=obj, contact=extracted or obj.account.contact
        )


class BillingConfigFactory(DjangoModelFactory[PropertyBillingConfig]):
    """A property's terms from 2000 on: by default a flat fee of $50.00 after 5 days."""

    class Meta:
        model = PropertyBillingConfig

    property = factory.SubFactory(PropertyFactory)
    firm = factory.SelfAttribute("property.firm")
    effective_from = date(2000, 1, 1)
    grace_days = 5
    late_fee_type = PropertyBillingConfig.LateFee.FLAT
    late_fee_minor = 5_000


class RentPeriodFactory(DjangoModelFactory[RentPeriod]):
    """The claim on March 2025 of a lease, with its invoice."""

    class Meta:
        model = RentPeriod

    lease = factory.SubFactory(LeaseFactory)
    firm = factory.SelfAttribute("lease.firm")
    period_start = date(2025, 3, 1)
    period_end = date(2025, 4, 1)
    invoice = factory.SubFactory(
        InvoiceFactory, account=factory.SelfAttribute("..lease.account")
    )


class AssessmentFactory(DjangoModelFactory[LateFeeAssessment]):
    """A fee on record; without its line on the invoice, which ``apply_late_fees`` makes."""

    class Meta:
        model = LateFeeAssessment

    invoice = factory.SubFactory(InvoiceFactory)
    firm = factory.SelfAttribute("invoice.firm")
    assessment_key = "initial"
    assessed_on = date(2025, 3, 7)
    base_minor = 150_000
    fee_minor = 5_000


class RewardConfigurationFactory(DjangoModelFactory[RewardConfiguration]):
    class Meta:
        model = RewardConfiguration

    firm = factory.SubFactory(FirmFactory)
    kind = RewardConfiguration.Kind.STREAK
    currency = "USD"
    amount_minor = 2_500
    threshold = 6
    starts_on = date(2024, 1, 1)


class RewardGrantFactory(DjangoModelFactory[RewardGrant]):
    class Meta:
        model = RewardGrant

    contact = factory.SubFactory(ContactFactory)
    firm = factory.SelfAttribute("contact.firm")
    configuration = factory.SubFactory(
        RewardConfigurationFactory, firm=factory.SelfAttribute("..firm")
    )
    qualifying_key = factory.Sequence(lambda n: f"streak:{n}")
    covers_from = date(2024, 9, 1)
    covers_to = date(2025, 2, 1)
    amount_minor = 2_500
    currency = "USD"
