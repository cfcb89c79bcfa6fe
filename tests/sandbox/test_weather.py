"""The sandbox's weather services …"""

from typing import Any

import pytest
import requests

from sandbox import Sandbox

AGENT = {"User-Agent": "Nightshift (nightshift@example.com)"}


def forecast(sandbox: Sandbox, **asked: Any) -> requests.Response:
    question = {"latitude": "42.65", "longitude": "-73.76", "current": "temperature_2m"}
    url = f"{sandbox.url}/open-meteo/v1/forecast"
    return requests.get(url, params={**question, **asked}, timeout=5)


def active(sandbox: Sandbox, point: str = "42.65,-73.76", **how: Any) -> requests.Response:
    how = {"headers": AGENT, **how}
    params = {"point": point, **how.pop("params", {})}
    return requests.get(f"{sandbox.url}/nws/alerts/active", params, timeout=5, **how)


def test_tell_of_one_place_as_an_object_and_of_several_as_an_array(sandbox: Sandbox) -> None:
    sandbox.open_meteo.set_weather(42.65, -73.76, temperature_2m=36.4)
    one = forecast(sandbox).json()
    assert one["current"]["temperature_2m"] == 36.4
    assert one["latitude"] != 42.65
    many = forecast(sandbox, latitude="42.65,10", longitude="-73.76,10").json()
    assert [told["current"]["temperature_2m"] for told in many] == [36.4, 18.0]
    assert [told.get("location_id") for told in many] == [None, 1]


def test_tell_speeds_in_the_unit_that_is_asked_for(sandbox: Sandbox) -> None:
    sandbox.open_meteo.set_weather(42.65, -73.76, wind_speed_10m=10.0, wind_gusts_10m=None)
    names = {"current": "wind_speed_10m,wind_gusts_10m"}
    told = forecast(sandbox, **names).json()
    assert told["current"]["wind_speed_10m"] == 36.0
    assert told["current"]["wind_gusts_10m"] is None
    assert forecast(sandbox, **names, wind_speed_unit="ms").json()["current"][
        "wind_speed_10m"
    ] == 10.0  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"latitude": "100"}, "Latitude must be in range of -90 to 90°. Given: 100.0."),
        ({"latitude": "1,2"}, "must have the same number of elements"),
        ({"latitude": ",".join(["1"] * 1001), "longitude": ",".join(["1"] * 1001)}, "1000"),
        ({"latitude": "north"}, "north"),
        ({"current": "mood"}, "invalid String value mood"),
        ({"wind_speed_unit": "warp"}, "invalid String value warp"),
        ({"colour": "red"}, "Unknown parameter: colour"),
    ],
)
def test_refuse_what_they_cannot_answer(
    sandbox: Sandbox, asked: dict[str, str], reason: str
) -> None:
    refused = forecast(sandbox, **asked)
    assert refused.status_code == 400
    assert refused.json()["error"] is True
    assert reason in refused.json()["reason"]


def test_answer_only_who_has_the_key(sandbox: Sandbox) -> None:
    sandbox.open_meteo.set_key("right")
    assert forecast(sandbox).status_code == 403
    assert forecast(sandbox, apikey="right").status_code == 200
    assert "right" not in str(sandbox.requests)


def test_warn_at_a_point_until_it_is_over(sandbox: Sandbox) -> None:
    first = sandbox.nws.warn(42.65, -73.76)
    second = sandbox.nws.warn(42.65, -73.76, follows=first["id"])
    [told] = active(sandbox).json()["features"]
    assert told["properties"]["id"] == second["id"]
    [reference] = told["properties"]["references"]
    assert reference["identifier"] == first["id"]
    assert active(sandbox, "42.66,-73.76").json()["features"] == []
    sandbox.nws.end(second["id"])
    assert active(sandbox).json()["features"] == []


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"headers": {"User-Agent": "python-requests"}}, 403),
        ({"point": "51.45,-2.60"}, 400),
        ({"point": "here"}, 400),
        ({"params": {"colour": "red"}}, 400),
    ],
)
def test_warn_nobody_who_asks_badly(sandbox: Sandbox, how: dict[str, Any], status: int) -> None:
    assert active(sandbox, **how).status_code == status


def test_are_remembered_with_all_they_know(sandbox: Sandbox) -> None:
    sandbox.open_meteo.set_weather(42.65, -73.76, temperature_2m=36.4)
    sandbox.nws.warn(42.65, -73.76)
    kept = {name: sandbox.vendors[name].kept() for name in ("open_meteo", "nws")}
    sandbox.reset(world=False)
    assert active(sandbox).json()["features"] == []
    for name, known in kept.items():
        sandbox.vendors[name].recall(known)
    assert forecast(sandbox).json()["current"]["temperature_2m"] == 36.4
    assert len(active(sandbox).json()["features"]) == 1
