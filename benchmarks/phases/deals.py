"""Deals that nobody takes care of."""

from collections.abc import Sequence
from datetime import timedelta

from apps.contacts.models import Contact
from apps.core.batches import batched
from apps.core.days import Clock
from apps.crm.models import Deal, StaleDealAlert
from apps.crm.services import open_pipeline
from apps.firms.models import Firm
from benchmarks.phases.measuring import Figures, migrate
from benchmarks.phases.upkeep import NOW, TODAY
from benchmarks.world import make_firms

IDLE, FRESH = 60, 2  # days; the usual limit is 14
STALE_FOR = timedelta(days=30)


def world(size: int) -> Figures:
    """Migrate, and make ``size`` open deals, spread over ten firms.

    Of a hundred 10 have become stale, 5 were and have been touched, and 5 are as was known.
    """
    migrate()
    firms = make_firms()
    for firm in firms:
        open_pipeline(firm=firm, clock=Clock(now=NOW))
    for number, batch in enumerate(batched(range(size))):
        _offer(firms[number % len(firms)], batch)
    return {}


def _offer(firm: Firm, labels: Sequence[int]) -> None:
    """Make a deal for each label, all with one customer."""
    stage = firm.pipelines.get().stages.order_by("position")[0]
    contact = Contact.objects.create(firm=firm, display_name=f"Customer {labels[0]}")
    deals = Deal.objects.bulk_create(
        Deal(
            firm=firm,
            pipeline_id=stage.pipeline_id,
            stage=stage,
            title=f"Deal {n}",
            contact=contact,
            currency="USD",
            created_at=NOW - timedelta(days=_idle(n % 100)),
            stage_entered_at=NOW - timedelta(days=_idle(n % 100)),
            is_stale=_was_stale(n % 100),
            stale_since=TODAY - STALE_FOR if _was_stale(n % 100) else None,
        )
        for n in labels
    )
    StaleDealAlert.objects.bulk_create(
        StaleDealAlert(
            firm=firm,
            deal=deal,
            opened_on=TODAY - STALE_FOR,
            created_at=NOW - STALE_FOR,
        )
        for deal in deals
        if deal.is_stale
    )


def _idle(of_a_hundred: int) -> int:
    return IDLE if of_a_hundred < 10 or of_a_hundred >= 95 else FRESH


def _was_stale(of_a_hundred: int) -> bool:
    return of_a_hundred >= 90
