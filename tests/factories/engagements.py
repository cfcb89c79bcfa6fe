"""Consulting engagements."""

from datetime import date

import factory
from factory.django import DjangoModelFactory

from apps.engagements.models import Engagement, EngagementPeriod
from tests.factories.ledger import BillingAccountFactory, InvoiceFactory


class EngagementFactory(DjangoModelFactory[Engagement]):
    """An active engagement over $1000.00 a month, in advance, from 1 January 2025."""

    class Meta:
        model = Engagement

    account = factory.SubFactory(BillingAccountFactory)
    firm = factory.SelfAttribute("account.firm")
    name = factory.Sequence(lambda n: f"Engagement {n}")
    status = Engagement.Status.ACTIVE
    pricing_mode = Engagement.PricingMode.PACKAGE
    package_fee_minor = 100_000
    currency = factory.SelfAttribute("account.currency")
    start_date = date(2025, 1, 1)
    bill_from = factory.SelfAttribute("start_date")


class EngagementPeriodFactory(DjangoModelFactory[EngagementPeriod]):
    """The claim on January 2025 of an engagement, with its invoice."""

    class Meta:
        model = EngagementPeriod

    engagement = factory.SubFactory(EngagementFactory)
    firm = factory.SelfAttribute("engagement.firm")
    period_start = date(2025, 1, 1)
    period_end = date(2025, 2, 1)
    invoice = factory.SubFactory(
        InvoiceFactory, account=factory.SelfAttribute("..engagement.account")
    )
