"""What agreements with clients hold about people."""

from collections.abc import Iterator

from django.db.models import Q

from apps.core.personal import Basis, Blocker, Fate, Holding, People, by_contact
from apps.engagements.models import Engagement, EngagementPeriod, EngagementRate

_DRAFT = Engagement.Status.DRAFT

HOLDINGS = (
    Holding(
        EngagementPeriod,
        category="engagements",
        of=by_contact("engagement__account__contact"),
        basis=Basis.DERIVED,
        exports=(
            "engagement__name",
            "period_start",
            "period_end",
            "invoice__number",
            "outcome",
        ),
        fate=Fate.RETAIN,
        since="period_end",
    ),
    Holding(
        EngagementRate,
        category="engagements",
        of=by_contact("engagement__account__contact"),
        basis=Basis.DERIVED,
        exports=("engagement__name", "effective_from", "fee_minor"),
        currency="engagement__currency",
        fate=Fate.RETAIN,
        since="engagement__end_date",
        retains=~Q(engagement__status=_DRAFT),
    ),
    Holding(
        Engagement,
        category="engagements",
        of=by_contact("account__contact"),
        basis=Basis.DERIVED,
        exports=(
            *("name", "status", "pricing_mode", "package_fee_minor", "currency"),
            *("billing_interval", "billing_timing", "start_date", "end_date"),
            *("billing_anchor", "proration", "net_days", "tax_percent", "autopay_opt_in"),
            *("paused_on", "created_at"),
        ),
        fate=Fate.RETAIN,
        becomes={"name": lambda key: f"Engagement {key}"},
        since="end_date",
        retains=~Q(status=_DRAFT),
    ),
)


# ---- what has to be settled before somebody can be erased -------------------------------

_GOING_ON = (Engagement.Status.ACTIVE, Engagement.Status.PAUSED)


def going_on(people: People, firm_id: int) -> Iterator[str]:
    """Yield the engagements that would go on billing somebody."""
    engagements = Engagement.objects.filter(
        firm=firm_id, account__contact__in=people.contacts, status__in=_GOING_ON
    )
    for engagement in engagements.order_by("pk"):
        yield f"engagement {engagement.pk} is {engagement.get_status_display().lower()}"


BLOCKERS: tuple[Blocker, ...] = (going_on,)
