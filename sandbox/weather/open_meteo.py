"""Open-Meteo's half of the weather: values at places (https://open-meteo.com/en/docs).

    sandbox.open_meteo.set_weather(42.65, -73.76, apparent_temperature=41.0)

Everywhere else it is a mild day. Values are °C and m/s and told in the unit that is asked for;
``None`` is told as ``null``, ``minutes_ago`` makes an observation old.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from flask import Blueprint, Response, request

from sandbox.callbacks import Signer
from sandbox.core import Core, Json, Vendor, current_call
from sandbox.misbehaviour import Misbehaviour
from sandbox.weather.places import Point, answer, no_signer, point

__all__ = ["OpenMeteo"]

MILD: Json = {
    "temperature_2m": 18.0,
    "apparent_temperature": 17.5,
    "relative_humidity_2m": 55,
    "wind_speed_10m": 3.0,
    "wind_gusts_10m": 6.0,
    "weather_code": 1,
}
MOST = 1_000  # places in one call
STEP = 15  # minutes between two observations
PARAMETERS = frozenset(
    {
        "latitude", "longitude", "elevation", "current", "hourly", "daily", "timezone",
        "temperature_unit", "wind_speed_unit", "precipitation_unit", "timeformat",
        "forecast_days", "past_days", "models", "cell_selection", "apikey", "format",
    }
)  # fmt: skip
SPEEDS: dict[str, tuple[str, float]] = {
    "kmh": ("km/h", 3.6),
    "ms": ("m/s", 1.0),
    "mph": ("mp/h", 2.236936),
    "kn": ("kn", 1.943844),
}


class OpenMeteo(Vendor):
    """The weather of the world, as far as somebody has set it."""

    name: ClassVar[str] = "open_meteo"
    prefixes: ClassVar[tuple[str, ...]] = ("/open-meteo/",)
    verbs: ClassVar[frozenset[str]] = frozenset({"set_weather", "set_key"})

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.reset()

    # ---- as every vendor ------------------------------------------------------------------

    def reset(self) -> None:
        with self.core.lock:
            self.key = ""
            self.places: dict[Point, Json] = {}

    def load(self, world: Mapping[str, Any], *, now: datetime) -> None:
        for told in world.get("places", []):
            self.set_weather(**told)

    def state(self) -> Json:
        with self.core.lock:
            return {"places": [{"at": at, **told} for at, told in self.places.items()]}

    def kept(self) -> Json:
        with self.core.lock:
            return {
                "key": self.key,
                "places": [[*at, told] for at, told in self.places.items()],
            }

    def recall(self, kept: Json) -> None:
        with self.core.lock:
            self.key = kept["key"]
            self.places = {(north, east): told for north, east, told in kept["places"]}

    def signer(self, id: str) -> Signer:
        return no_signer(id)

    def blueprint(self) -> Blueprint:
        return _routes(self)

    # ---- what can be done to it -------------------------------------------------------------

    def misbehave(self, kind: str, *, method: str = "GET", **how: Any) -> Misbehaviour:
        """Misbehave from now on; see ``sandbox/misbehaviour.py``."""
        return self.core.misbehaviours.add(kind, vendor=self.name, method=method, **how)

    def set_weather(
        self, latitude: float, longitude: float, *, minutes_ago: float = 0, **values: Any
    ) -> None:
        """Let the weather around a place be this; what is not said is mild."""
        if unknown := values.keys() - MILD.keys():
            raise ValueError(f"nobody measures {', '.join(sorted(unknown))}")
        with self.core.lock:
            told = {**MILD, **values, "minutes_ago": minutes_ago}
            self.places[point(latitude, longitude)] = told
            self.core.touched.set()

    def set_key(self, key: str) -> None:
        """Answer only those who know this key."""
        with self.core.lock:
            self.key = key

    # ---- what is asked for, always under the lock -------------------------------------------

    def weather_at(self, at: Point, names: list[str], speed: str) -> Json:
        """Return what the service says of a place."""
        told = self.places.get(at, MILD)
        seen = datetime.fromtimestamp(self.core.now(), UTC)
        seen -= timedelta(minutes=float(told.get("minutes_ago", 0)))
        seen = seen.replace(minute=seen.minute // STEP * STEP)
        unit, factor = SPEEDS[speed]
        units = {name: unit if "wind" in name else "°C" for name in names}
        return {
            "latitude": float(at[0]) + 0.003,  # of its own grid, not as it was asked
            "longitude": float(at[1]) - 0.002,
            "generationtime_ms": 0.05,
            "utc_offset_seconds": 0,
            "timezone": "GMT",
            "timezone_abbreviation": "GMT",
            "elevation": 38.0,
            "current_units": {"time": "iso8601", "interval": "seconds", **units},
            "current": {
                "time": f"{seen:%Y-%m-%dT%H:%M}",
                "interval": STEP * 60,
                **{name: _in_unit(name, told[name], factor) for name in names},
            },
        }


def _in_unit(name: str, value: Any, factor: float) -> Any:
    return round(value * factor, 2) if "wind" in name and value is not None else value


def _routes(service: OpenMeteo) -> Blueprint:
    routes = Blueprint("open_meteo", __name__)

    @routes.get("/open-meteo/v1/forecast")
    def forecast() -> Response:
        service.core.during(current_call())
        with service.core.lock:
            if service.key and request.args.get("apikey") != service.key:
                return _refused("The supplied API key is invalid.", 403)
            try:
                return answer(200, _forecast(service, request.args))
            except ValueError as problem:
                return _refused(str(problem))

    return routes


def _forecast(service: OpenMeteo, asked: Mapping[str, str]) -> Json | list[Json]:
    if unknown := asked.keys() - PARAMETERS:
        raise ValueError(f"Unknown parameter: {', '.join(sorted(unknown))}")
    north, east = (asked.get(name, "").split(",") for name in ("latitude", "longitude"))
    if len(north) != len(east):
        raise ValueError(
            "Parameter 'latitude' and 'longitude' must have the same number of elements"
        )
    if len(north) > MOST:
        raise ValueError(f"Only up to {MOST} locations can be requested at once")
    names = [name for name in asked.get("current", "").split(",") if name]
    _check(names, MILD.keys(), "current")
    speed = asked.get("wind_speed_unit", "kmh")
    _check([speed], SPEEDS.keys(), "wind_speed_unit")
    places = [point(*pair) for pair in zip(north, east, strict=True)]
    told = [service.weather_at(at, names, speed) for at in places]
    for number, one in enumerate(told[1:], 1):
        one["location_id"] = number
    return told if len(told) > 1 else told[0]


def _check(words: list[str], known: Any, where: str) -> None:
    for word in words:
        if word not in known:
            raise ValueError(
                f"Data corrupted at path '{where}'. Cannot initialize {where} "
                f"from invalid String value {word}."
            )


def _refused(reason: str, status: int = 400) -> Response:
    return answer(status, {"error": True, "reason": reason})
