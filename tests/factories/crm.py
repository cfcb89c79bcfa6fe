"""Deals and what is done about them."""

from datetime import UTC, date, datetime

import factory
from factory.django import DjangoModelFactory

from apps.crm.models import Deal, DealActivity, Pipeline, Stage, StaleDealAlert
from tests.factories.people import ContactFactory, FirmFactory


class PipelineFactory(DjangoModelFactory[Pipeline]):
    class Meta:
        model = Pipeline

    firm = factory.SubFactory(FirmFactory)
    name = factory.Sequence(lambda n: f"Pipeline {n}")


class StageFactory(DjangoModelFactory[Stage]):
    class Meta:
        model = Stage

    pipeline = factory.SubFactory(PipelineFactory)
    firm = factory.SelfAttribute("pipeline.firm")
    name = factory.Sequence(lambda n: f"Stage {n}")
    position = factory.Sequence(lambda n: n + 1)


class DealFactory(DjangoModelFactory[Deal]):
    """An open deal over $1000.00 that nobody owns or has touched since 1 March 2025."""

    class Meta:
        model = Deal

    stage = factory.SubFactory(StageFactory)
    pipeline = factory.SelfAttribute("stage.pipeline")
    firm = factory.SelfAttribute("stage.firm")
    title = factory.Sequence(lambda n: f"Deal {n}")
    contact = factory.SubFactory(ContactFactory, firm=factory.SelfAttribute("..firm"))
    amount_minor = 100_000
    currency = factory.SelfAttribute("firm.currency")
    created_at = datetime(2025, 3, 1, 17, tzinfo=UTC)
    stage_entered_at = factory.SelfAttribute("created_at")


class DealActivityFactory(DjangoModelFactory[DealActivity]):
    """A call on 1 March 2025; the deal does not know of it, which ``log_activity`` sees to."""

    class Meta:
        model = DealActivity

    deal = factory.SubFactory(DealFactory)
    firm = factory.SelfAttribute("deal.firm")
    type = DealActivity.Type.CALL
    occurred_at = datetime(2025, 3, 1, 17, tzinfo=UTC)


class StaleDealAlertFactory(DjangoModelFactory[StaleDealAlert]):
    """The open alert of a deal that is flagged as stale since 15 March 2025."""

    class Meta:
        model = StaleDealAlert

    deal = factory.SubFactory(DealFactory, is_stale=True, stale_since=date(2025, 3, 15))
    firm = factory.SelfAttribute("deal.firm")
    opened_on = date(2025, 3, 15)
    created_at = datetime(2025, 3, 15, 14, 35, tzinfo=UTC)
