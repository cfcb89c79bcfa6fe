"""The weather at a place …"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from apps.integrations.weather import Nowhere, Place, Refused, Unreachable
from apps.integrations.weather.open_meteo import _read, wind_chill
from sandbox import Sandbox
from tests.integrations.weather.asking import ALBANY, BRISTOL, TOKYO, seen, weather


@time_machine.travel("2025-06-10T12:07:00Z", tick=False)
def test_is_what_the_service_says_in_metric_units(sandbox: Sandbox) -> None:
    sandbox.open_meteo.set_weather(
        42.65, -73.76, temperature_2m=36.4, apparent_temperature=41.0, wind_speed_10m=3.5
    )
    found = seen()
    assert found.at == datetime(2025, 6, 10, 12, tzinfo=UTC)
    assert (found.apparent, found.chill) == (Decimal("41.0"), Decimal("36.4"))
    assert (found.wind, found.gust) == (Decimal("3.5"), Decimal("6.0"))


def test_is_each_places_own(sandbox: Sandbox) -> None:
    for degrees, place in enumerate((ALBANY, BRISTOL, TOKYO)):
        sandbox.open_meteo.set_weather(
            float(place.latitude), float(place.longitude), apparent_temperature=degrees
        )
    with weather() as service:
        found = service.observe([TOKYO, ALBANY, BRISTOL])
    told = [getattr(found[place], "apparent", None) for place in (ALBANY, BRISTOL, TOKYO)]
    assert told == [0, 1, 2]
    assert len(sandbox.requests) == 1


def test_is_asked_for_a_hundred_places_at_a_time(sandbox: Sandbox) -> None:
    places = [Place.near(Decimal(n) / 4, Decimal(0)) for n in range(250)]
    with weather() as service:
        assert len(service.observe(places)) == 250
        assert service.observe([]) == {}
    sizes = [call.params["latitude"].count(",") + 1 for call in sandbox.requests]
    assert sizes == [100, 100, 50]


def test_that_is_refused_is_not_its_neighbours_fault(sandbox: Sandbox) -> None:
    bad = Place(Decimal("91.00"), Decimal("0.00"))  # as no Place.near would make it
    with weather() as service:
        found = service.observe([ALBANY, BRISTOL, bad, TOKYO])
    assert isinstance(found[bad], Refused)
    assert [place for place in found if isinstance(found[place], Exception)] == [bad]


@pytest.mark.parametrize("name", ["apparent_temperature", "wind_gusts_10m"])
def test_is_unknown_where_the_service_says_null(sandbox: Sandbox, name: str) -> None:
    sandbox.open_meteo.set_weather(42.65, -73.76, **{name: None})
    found = seen()
    assert (found.apparent is None, found.gust is None) == (
        name == "apparent_temperature", name == "wind_gusts_10m"
    )  # fmt: skip


NOON = {"time": "2025-06-10T12:00", "temperature_2m": Decimal("1.5"), "wind_speed_10m": 1}


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({}, "no weather"),
        ([], "no weather"),
        (None, "no weather"),
        ({"error": True, "reason": "?"}, "no weather"),
        ({"current": None, "utc_offset_seconds": 0}, "no weather"),
        ({"current": NOON}, "no time"),
        ({"current": {**NOON, "time": None}, "utc_offset_seconds": 0}, "no time"),
        ({"current": {**NOON, "time": "noon"}, "utc_offset_seconds": 0}, "no time"),
        ({"current": {**NOON, "time": 5}, "utc_offset_seconds": 0}, "no time"),
        ({"current": NOON, "utc_offset_seconds": "0"}, "no time"),
        ({"current": NOON, "utc_offset_seconds": 10**9}, "no time"),
    ],
)
def test_cannot_be_read_from(told: Any, problem: str) -> None:
    found = _read(told)
    assert isinstance(found, Unreachable)
    assert problem in str(found)


@pytest.mark.parametrize(
    ("time", "offset", "at"),
    [
        ("2025-06-10T12:00", 0, "2025-06-10T12:00:00+00:00"),
        ("2025-06-10T08:00", -14_400, "2025-06-10T12:00:00+00:00"),
        ("2025-06-10T21:00", 32_400, "2025-06-10T12:00:00+00:00"),
        ("2025-06-10T12:00Z", 32_400, "2025-06-10T12:00:00+00:00"),
    ],
)
def test_is_of_an_instant_although_its_time_has_no_zone(
    time: str, offset: int, at: str
) -> None:
    found = _read({"current": {**NOON, "time": time}, "utc_offset_seconds": offset})
    assert not isinstance(found, Unreachable)
    assert found.at == datetime.fromisoformat(at)


@pytest.mark.parametrize("value", [None, "hot", True, [], Decimal(101), -101, 10**30])
def test_is_unknown_where_a_value_makes_no_sense(value: Any) -> None:
    told = {"current": {**NOON, "apparent_temperature": value}, "utc_offset_seconds": 0}
    found = _read(told)
    assert not isinstance(found, Unreachable)
    assert found.apparent is None


@pytest.mark.parametrize(
    ("degrees", "speed", "feels"),
    [
        # Environment Canada's chart has whole degrees: -18 at 20 km/h, -33 at 30 km/h.
        ("-10", "5.5556", "-17.9"),
        ("-20", "8.3333", "-32.6"),
        ("-17.8", "1.3", "-17.8"),  # no wind to speak of
        ("-17.8", "1.4", "-21.8"),
        ("10.1", "20", "10.1"),  # too warm to be chilled
        ("10", "5", "7.6"),
        (None, "5", None),
        ("-10", None, None),
    ],
)
def test_feels_colder_in_the_wind(
    degrees: str | None, speed: str | None, feels: str | None
) -> None:
    known = [None if one is None else Decimal(one) for one in (degrees, speed, feels)]
    assert wind_chill(known[0], known[1]) == known[2]


@pytest.mark.parametrize(
    ("north", "east", "place"),
    [
        ("42.65258", "-73.75623", "42.65,-73.76"),
        ("-0.004", "179.996", "-0.00,180.00"),
        ("90", "-180", "90.00,-180.00"),
    ],
)
def test_is_that_of_a_grid(north: str, east: str, place: str) -> None:
    assert str(Place.near(Decimal(north), Decimal(east))) == place


@pytest.mark.parametrize(("north", "east"), [("90.01", "0"), ("-91", "0"), ("0", "180.5")])
def test_is_only_on_earth(north: str, east: str) -> None:
    with pytest.raises(Nowhere):
        Place.near(Decimal(north), Decimal(east))
