"""How long the law has records kept."""

from django.db.models import Q

from apps.core.problems import Problem
from apps.privacy.models import StatutoryPeriod


def period_of(country: str) -> StatutoryPeriod:
    """Return the statutory period of a country, or the one for wherever none is named."""
    named = StatutoryPeriod.objects.filter(Q(country=country) | Q(country=""))
    period = named.order_by("-country").first()
    if period is None:
        raise Problem("There is no statutory period to keep records for; add one.")
    return period
