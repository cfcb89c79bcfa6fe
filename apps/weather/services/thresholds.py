"""From which weather on people at a property are warned (spec D20)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from apps.audit.services import record
from apps.firms.models import User
from apps.leasing.models import Property
from apps.weather.models import WeatherThreshold


@dataclass(frozen=True, slots=True)
class Limits:
    """What a property's people are warned of: °C and m/s, and where each comes from."""

    heat: Decimal = Decimal("39.4")  # 103 °F, "danger" on the heat index chart of the NWS
    cold: Decimal = Decimal("-17.8")  # 0 °F of wind chill
    wind: Decimal = Decimal("17.9")  # 40 mph, sustained: a high wind warning
    gust: Decimal = Decimal("25.9")  # 58 mph: a severe thunderstorm


USUAL = Limits()
COLUMNS = ("heat", "cold", "wind", "gust")


def limits_of(homes: Iterable[Property]) -> dict[int, Limits]:
    """Return the limits of some properties: their own, else their firm's, else the usual.

    Each of the four by itself. One query.
    """
    firms = {home.pk: home.firm_id for home in homes}
    rows = WeatherThreshold.objects.filter(firm__in=set(firms.values()))
    of_firm = {row.firm_id: row for row in rows if row.property_id is None}
    of_home = {row.property_id: row for row in rows if row.property_id is not None}
    return {
        home: _inherited(of_home.get(home), of_firm.get(firm)) for home, firm in firms.items()
    }


def save_threshold(
    *, threshold: WeatherThreshold, changed: Iterable[str], actor: User | None
) -> WeatherThreshold:
    """Write down from which weather on a firm wants to warn, and in the audit trail by whom."""
    values = {name: str(getattr(threshold, name)) for name in changed if name in COLUMNS}
    with transaction.atomic():
        threshold.save()
        record("weather_threshold_changed", threshold, actor=actor, changes=values)
    return threshold


def drop_threshold(*, threshold: WeatherThreshold, actor: User | None) -> None:
    """Go back to what the firm says, or to what is usual."""
    with transaction.atomic():
        record("weather_threshold_dropped", threshold, actor=actor)
        threshold.delete()


def _inherited(*rows: WeatherThreshold | None) -> Limits:
    known = {
        name: value
        for row in reversed(rows)
        if row is not None
        for name in COLUMNS
        if (value := getattr(row, name)) is not None
    }
    return Limits(**known)
