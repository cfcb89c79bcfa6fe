"""Open-Meteo: the weather now, of many places in one call (https://open-meteo.com/en/docs)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from django.conf import settings

from apps.core.batches import batched
from apps.integrations.weather import (
    Found,
    Observation,
    Place,
    Refused,
    Unreachable,
    WeatherError,
)
from apps.integrations.weather.wire import Wire

TOGETHER = 100  # places in one call: it takes a thousand, but not every proxy such an address
ASKED = ("temperature_2m", "apparent_temperature", "wind_speed_10m", "wind_gusts_10m")
# What was ever measured, and a little; anything else is a mistake of somebody's.
COLDEST, HOTTEST, WINDIEST = Decimal(-100), Decimal(100), Decimal(150)


class OpenMeteo:
    """The service that knows the weather, for one run of a job."""

    def __init__(self, *, ends: float) -> None:
        self._wire = Wire({}, ends=ends)

    def observe(self, places: Sequence[Place]) -> Found[Observation]:
        """Return the weather at each place, or why it cannot be known."""
        found: dict[Place, Observation | WeatherError] = {}
        for some in batched(places, TOGETHER):
            found |= self._observe(some)
        return found

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def _observe(self, places: Sequence[Place]) -> Found[Observation]:
        """Ask for some places at once; for halves of them when one is refused."""
        try:
            answers = self._ask(places)
        except Refused as refused:
            if len(places) == 1:
                return {places[0]: refused}
            half = len(places) // 2
            return {**self._observe(places[:half]), **self._observe(places[half:])}
        except WeatherError as error:
            return dict.fromkeys(places, error)
        return {place: _read(told) for place, told in zip(places, answers, strict=True)}

    def _ask(self, places: Sequence[Place]) -> Sequence[Any]:
        question = {
            "latitude": ",".join(str(place.latitude) for place in places),
            "longitude": ",".join(str(place.longitude) for place in places),
            "current": ",".join(ASKED),
            "wind_speed_unit": "ms",
            "timezone": "GMT",
        }
        if settings.OPEN_METEO_KEY:
            question["apikey"] = settings.OPEN_METEO_KEY
        told = self._wire.ask(f"{settings.OPEN_METEO_API}/v1/forecast", question)
        answers = told if isinstance(told, list) else [told]  # one place is no list
        if len(answers) != len(places):
            raise Unreachable("The weather service's answer is about other places.")
        return answers


def _read(told: Any) -> Observation | WeatherError:
    """Return what the service says of one place; what it says of others may still be good."""
    current = told.get("current") if isinstance(told, dict) else None
    if not isinstance(current, dict):
        return Unreachable("The weather service's answer has no weather.")
    at = _instant(current.get("time"), told.get("utc_offset_seconds"))
    if at is None:
        return Unreachable("The weather service's answer has no time.")
    temperature = _number(current, "temperature_2m", COLDEST, HOTTEST)
    wind = _number(current, "wind_speed_10m", Decimal(0), WINDIEST)
    return Observation(
        at=at,
        apparent=_number(current, "apparent_temperature", COLDEST, HOTTEST),
        chill=wind_chill(temperature, wind),
        wind=wind,
        gust=_number(current, "wind_gusts_10m", Decimal(0), WINDIEST),
    )


def wind_chill(temperature: Decimal | None, wind: Decimal | None) -> Decimal | None:
    """Return what a temperature (°C) feels like in wind (m/s), to a tenth of a degree.

    The formula that the United States and Canada share since 2001
    (https://www.weather.gov/media/epz/wxcalc/windChill.pdf), which holds up to 10 °C and from
    4.8 km/h; beyond that nothing is chilled. Unknown when one of the two is.
    """
    if temperature is None or wind is None:
        return None
    speed = wind * Decimal("3.6")
    if temperature > 10 or speed < Decimal("4.8"):
        return temperature
    power = speed ** Decimal("0.16")
    chill = (
        Decimal("13.12")
        + Decimal("0.6215") * temperature
        - Decimal("11.37") * power
        + Decimal("0.3965") * temperature * power
    )
    return chill.quantize(Decimal("0.1"))


def _instant(told: object, offset: object) -> datetime | None:
    """Read a local time, which does not say of which zone it is: the offset stands beside."""
    if not isinstance(told, str) or not isinstance(offset, int) or abs(offset) > 86_000:
        return None
    try:
        local = datetime.fromisoformat(told)
    except ValueError:
        return None
    if local.tzinfo is None:
        local = local.replace(tzinfo=timezone(timedelta(seconds=offset)))
    return local.astimezone(UTC)


def _number(
    told: Mapping[str, Any], name: str, least: Decimal, most: Decimal
) -> Decimal | None:
    """Return a value, or nothing: a missing one is unknown, and so is an absurd one."""
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value) if least <= value <= most else None
