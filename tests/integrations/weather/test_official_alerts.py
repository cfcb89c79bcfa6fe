"""What an authority warns of …"""

from typing import Any

import pytest

from apps.integrations.weather import Refused, Unreachable
from apps.integrations.weather.nws import read_alerts
from sandbox import Sandbox
from tests.integrations.weather.asking import ALBANY, BRISTOL, authority, warned

VTEC = "/O.NEW.KALY.TO.W.0015.250610T1200Z-250610T1300Z/"


def test_is_what_it_says(sandbox: Sandbox) -> None:
    told = sandbox.nws.warn(42.65, -73.76, event="Tornado Warning", vtec=VTEC)
    [alert] = warned()
    assert (alert.key, alert.message_id) == ("KALY.TO.W.0015", told["id"])
    assert (alert.event, alert.severity) == ("Tornado Warning", "Severe")
    assert (alert.urgency, alert.certainty, alert.is_over) == ("Immediate", "Observed", False)
    assert alert.instruction == told["instruction"]


def test_is_asked_of_each_place_with_an_address_to_write_to(
    sandbox: Sandbox, settings: Any
) -> None:
    settings.WEATHER_CONTACT = "ops@nightshift.example"
    with authority() as service:
        found = service.alerts([ALBANY, BRISTOL])
    assert found[ALBANY] == []
    assert isinstance(found[BRISTOL], Refused)  # not in America
    assert {call.params["point"] for call in sandbox.requests} == {str(ALBANY), str(BRISTOL)}


def test_has_the_first_messages_name_when_nobody_numbers_it(sandbox: Sandbox) -> None:
    first = sandbox.nws.warn(42.65, -73.76)["id"]
    second = sandbox.nws.warn(42.65, -73.76, follows=first)["id"]
    third = sandbox.nws.warn(42.65, -73.76, follows=second)["id"]
    [alert] = warned()
    assert (alert.key, alert.message_id) == (first, third)
    assert alert.replaces == {first, second}


def test_may_be_several_events_in_one_message() -> None:
    codes = [
        "/O.UPG.KALY.WS.A.0001.250110T1200Z-250110T1800Z/",
        "/O.NEW.KALY.BZ.W.0002.000000T0000Z-250110T1800Z/",
        5,
    ]
    message = {"id": "m-1", "status": "Actual", "parameters": {"VTEC": codes}}
    found = read_alerts({"features": [{"properties": message}]})
    assert [(one.key, one.is_over) for one in found] == [
        ("KALY.WS.A.0001", True), ("KALY.BZ.W.0002", False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {"features": None},
        {"features": [5]},
        {"features": [{"properties": {"status": "Actual"}}]},
    ],
)
def test_cannot_be_read_in_part(told: Any) -> None:
    with pytest.raises(Unreachable):
        read_alerts(told)


def test_is_short_enough_to_keep() -> None:
    message = {
        "id": "m" * 999, "status": "Actual", "event": "E" * 999, "instruction": "i" * 9_999,
        "headline": ["?"], "references": [5, {"identifier": "r" * 999}],
    }  # fmt: skip
    [alert] = read_alerts({"features": [{"properties": message}]})
    assert (len(alert.key), len(alert.message_id), len(alert.event)) == (200, 200, 120)
    assert (len(alert.instruction), alert.headline) == (2_000, "")
