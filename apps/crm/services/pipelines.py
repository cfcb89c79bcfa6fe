"""What a firm begins with."""

from apps.core.days import Clock
from apps.crm.models import Pipeline, Stage
from apps.firms.models import Firm

USUAL = ("Lead", "Qualified", "Proposal", "Negotiation")


def open_pipeline(*, firm: Firm, clock: Clock) -> Pipeline:
    """Give a new firm its pipeline with the usual stages; a step of ``provision_firm``."""
    pipeline = Pipeline.objects.create(firm=firm, name="Sales", created_at=clock.now)
    Stage.objects.bulk_create(
        Stage(firm=firm, pipeline=pipeline, name=name, position=number)
        for number, name in enumerate(USUAL, start=1)
    )
    return pipeline
