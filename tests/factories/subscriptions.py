"""What firms owe the platform."""

from datetime import UTC, date, datetime
from uuid import uuid4

import factory
from factory.django import DjangoModelFactory

from apps.subscriptions.models import PaymentOrder, Plan, Subscription
from tests.factories.people import FirmFactory


class PlanFactory(DjangoModelFactory[Plan]):
    """59.00 GEL for 30 days."""

    class Meta:
        model = Plan

    code = factory.Sequence(lambda n: f"plan-{n}")
    name = "Professional"
    price_minor = 5_900
    currency = "GEL"


class SubscriptionFactory(DjangoModelFactory[Subscription]):
    """Active until 13 June 2025, of a firm in Tbilisi."""

    class Meta:
        model = Subscription

    firm = factory.SubFactory(FirmFactory, timezone="Asia/Tbilisi", currency="GEL")
    plan = factory.SubFactory(PlanFactory)
    status = Subscription.Status.ACTIVE
    started_on = date(2025, 5, 14)
    expires_on = date(2025, 6, 13)


class PaymentOrderFactory(DjangoModelFactory[PaymentOrder]):
    """The completed first payment, which saved the card that pays the renewals."""

    class Meta:
        model = PaymentOrder

    subscription = factory.SubFactory(SubscriptionFactory)
    firm = factory.SelfAttribute("subscription.firm")
    kind = PaymentOrder.Kind.INITIAL
    external_order_id = factory.Sequence(lambda n: f"first-{n}")
    bog_order_id = factory.Sequence(lambda n: f"bog-{n}")
    amount_minor = factory.SelfAttribute("subscription.plan.price_minor")
    currency = factory.SelfAttribute("subscription.plan.currency")
    days = factory.SelfAttribute("subscription.plan.period_count")
    status = PaymentOrder.Status.COMPLETED
    card_saved = True
    card_mask = "412345xxxxxx0100"
    idempotency_key = factory.LazyFunction(uuid4)
    requested_at = datetime(2025, 5, 14, 12, tzinfo=UTC)
    resolved_at = factory.SelfAttribute("requested_at")
    applied_at = factory.SelfAttribute("requested_at")
