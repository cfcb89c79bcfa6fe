"""What was measured, and how people at a place write it."""

from decimal import Decimal
from enum import StrEnum

from apps.core.days import zone_country

# Countries that write temperatures in Fahrenheit, the territories of the United States with
# them, and wind in miles per hour; Britain does only the latter.
US = frozenset({"US", "PR", "VI", "GU", "MP", "AS", "UM"})
_FAHRENHEIT = US | {"BS", "BZ", "FM", "KY", "LR", "MH", "PW"}
_MILES = _FAHRENHEIT | {"GB", "IM", "JE", "GG"}


class Measure(StrEnum):
    """What a value is of."""

    HEAT = "heat"  # °C, felt
    COLD = "cold"  # °C, felt in the wind
    WIND = "wind"  # m/s
    GUST = "gust"  # m/s

    @property
    def is_speed(self) -> bool:
        return self in {Measure.WIND, Measure.GUST}


def metric(measure: Measure, value: Decimal) -> str:
    """Write a value as staff read it: ``41.0°C``, ``27.0 m/s``."""
    return f"{value:.1f} m/s" if measure.is_speed else f"{value:.1f}°C"


def local(measure: Measure, value: Decimal, zone_name: str) -> str:
    """Write a value as people at a place do: ``106 °F``, ``60 mph``; elsewhere ``97 km/h``."""
    country = zone_country(zone_name)
    if measure.is_speed:
        if country in _MILES:
            return f"{value / Decimal('0.44704'):.0f} mph"
        return f"{value * Decimal('3.6'):.0f} km/h"
    if country in _FAHRENHEIT:
        return f"{value * 9 / 5 + 32:.0f} °F"
    return f"{value:.0f} °C"


def is_warned_officially(zone_name: str) -> bool:
    """Whether the National Weather Service warns people in a time zone."""
    return zone_country(zone_name) in US or zone_name.startswith("US/")
