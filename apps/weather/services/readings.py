"""What an observation means against a property's limits: over them, near, or well back."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from apps.integrations.weather import Observation
from apps.weather.models import WeatherAlert
from apps.weather.services.thresholds import Limits
from apps.weather.units import Measure

Kind, Severity = WeatherAlert.Kind, WeatherAlert.Severity

DEGREES = Decimal(2)  # back by so much, or it flaps; °C
SPEED = Decimal("2.2")  # m/s: 5 mph

# From here on it is extreme, whatever a firm's own limit.
EXTREME = {
    Measure.HEAT: Decimal("51.7"),  # 125 °F: "extreme danger" on the NWS's heat index chart
    Measure.COLD: Decimal("-31.7"),  # -25 °F: an extreme cold warning in most of the States
    Measure.WIND: Decimal("33.1"),  # 74 mph: a hurricane
    Measure.GUST: Decimal("35.8"),  # 80 mph: a destructive thunderstorm
}


class State(Enum):
    """Where the weather stands."""

    HIT = "hit"  # people are to be warned
    NEAR = "near"  # not any more, but it may well come back
    CALM = "calm"  # well back
    OVER = "over"  # said to have ended by who announced it


@dataclass(frozen=True, slots=True)
class Reading:
    """What was observed of one kind of weather; of a hit, what was worst and the limit."""

    kind: WeatherAlert.Kind
    state: State
    severity: WeatherAlert.Severity = Severity.MODERATE
    measure: Measure = Measure.HEAT
    value: Decimal = Decimal(0)
    limit: Decimal = Decimal(0)


def read(seen: Observation, limits: Limits) -> Iterator[Reading]:
    """Yield what is known of each kind; what is not known is left out, and never zero."""
    if seen.apparent is not None:
        yield _read(Kind.HEAT, Measure.HEAT, seen.apparent, limits.heat)
    if seen.chill is not None:
        yield _read(Kind.COLD, Measure.COLD, seen.chill, limits.cold)
    yield from _winds(seen, limits)


def _winds(seen: Observation, limits: Limits) -> Iterator[Reading]:
    """Yield the worse of wind and gusts; while one is unknown, it may not have calmed down."""
    told = ((Measure.GUST, seen.gust, limits.gust), (Measure.WIND, seen.wind, limits.wind))
    found = [
        _read(Kind.WIND, measure, value, limit)
        for measure, value, limit in told
        if value is not None
    ]
    hits = [reading for reading in found if reading.state is State.HIT]
    if hits:
        yield max(hits, key=lambda reading: reading.severity.rank)
    elif len(found) == len(told):
        all_calm = all(reading.state is State.CALM for reading in found)
        yield Reading(Kind.WIND, State.CALM if all_calm else State.NEAR)


def _read(kind: WeatherAlert.Kind, measure: Measure, value: Decimal, limit: Decimal) -> Reading:
    sign = -1 if measure is Measure.COLD else 1  # the colder the worse
    margin = SPEED if kind == Kind.WIND else DEGREES
    over = sign * (value - limit)
    if over >= 0:
        severity = Severity.SEVERE if kind == Kind.WIND else Severity.MODERATE
        if sign * value >= sign * EXTREME[measure]:
            severity = Severity.EXTREME
        return Reading(kind, State.HIT, severity, measure, value, limit)
    return Reading(kind, State.CALM if over <= -margin else State.NEAR)
