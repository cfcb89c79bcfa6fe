"""What the weather is at some places, and what the authorities warn of there.

Values are metric: degrees Celsius and metres per second. What a service does not say is
``None``, never zero. No verb may be called inside a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol, Self, TypeVar

from apps.core.problems import Problem
from apps.installations.leaving import refuse_if_strange

__all__ = [
    "BadCredentials",
    "Found",
    "Nowhere",
    "Observation",
    "OfficialAlert",
    "OfficialAlerts",
    "Place",
    "Refused",
    "Unreachable",
    "Weather",
    "WeatherError",
    "get_official_alerts",
    "get_weather",
]


class WeatherError(Problem):
    """A weather service could not say it. The text is safe to show."""


class Unreachable(WeatherError):
    """No answer, or none that can be read; another time there may be one."""


class BadCredentials(WeatherError):
    """The service wants a key that is right, or to know whom to write to."""


class Refused(WeatherError):
    """The service will never say this as it was asked."""


class Nowhere(Problem):
    """The coordinates are nowhere on Earth."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A point on a grid of a hundredth of a degree: about a kilometre, which weather shares."""

    latitude: Decimal
    longitude: Decimal

    @classmethod
    def near(cls, latitude: Decimal, longitude: Decimal) -> Self:
        """Return the place next to a point; raises ``Nowhere``."""
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise Nowhere("its coordinates are nowhere on Earth")
        grid = Decimal("0.01")
        return cls(*(part.quantize(grid, ROUND_HALF_EVEN) for part in (latitude, longitude)))

    def __str__(self) -> str:
        return f"{self.latitude},{self.longitude}"


@dataclass(frozen=True, slots=True)
class Observation:
    """The weather at a place at an instant."""

    at: datetime
    apparent: Decimal | None  # °C: what the heat feels like, with humidity and sun
    chill: Decimal | None  # °C: what the cold feels like in the wind
    wind: Decimal | None  # m/s, sustained
    gust: Decimal | None  # m/s


@dataclass(frozen=True, slots=True)
class OfficialAlert:
    """What an authority says of one event, in its latest message.

    ``key`` is the event's own through all of its messages: who warns of what, and the number
    of the event, else the first message. Messages that this one replaces are in ``replaces``.
    """

    key: str
    message_id: str
    replaces: frozenset[str]
    event: str  # "Tornado Warning"
    headline: str
    instruction: str
    severity: str  # Minor, Moderate, Severe, Extreme, Unknown
    urgency: str  # Immediate, Expected, Future, Past, Unknown
    certainty: str  # Observed, Likely, Possible, Unlikely, Unknown
    is_over: bool


T = TypeVar("T")
Found = Mapping[Place, T | WeatherError]  # a place's trouble is not another's


class Weather(Protocol):
    """A service that knows the weather now."""

    def observe(self, places: Sequence[Place]) -> Found[Observation]:
        """Return the weather at each place, or why it cannot be known."""

    def close(self) -> None:
        """Give the connections back."""


class OfficialAlerts(Protocol):
    """An authority that warns."""

    def alerts(self, places: Sequence[Place]) -> Found[Sequence[OfficialAlert]]:
        """Return what is in force at each place, or why it cannot be known."""

    def close(self) -> None:
        """Give the connections back."""


def get_weather(*, ends: float) -> Weather:
    """Return the service that knows the weather; not asked after ``ends`` (``monotonic()``)."""
    refuse_if_strange()
    from apps.integrations.weather.open_meteo import OpenMeteo  # noqa: PLC0415 - as in payments

    return OpenMeteo(ends=ends)


def get_official_alerts(*, ends: float) -> OfficialAlerts:
    """Return the authority of the United States; not asked after ``ends`` (``monotonic()``)."""
    refuse_if_strange()
    from apps.integrations.weather.nws import WeatherService  # noqa: PLC0415 - as in payments

    return WeatherService(ends=ends)
