"""check_weather_alerts, told of an official alert, … (spec D20)."""

from typing import Any

import pytest

from apps.leasing.models import Property
from apps.notifications.models import Notification
from apps.weather.models import WeatherAlert
from sandbox import Sandbox
from tests.weather.watching import alerted, check, episodes, home_of, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("maple")]

ALBANY = (42.65, -73.76)


def vtec(action: str = "NEW", number: int = 15, product: str = "O") -> str:
    return f"/{product}.{action}.KALY.TO.W.{number:04d}.250610T1200Z-250610T1900Z/"


@pytest.mark.parametrize(
    ("facts", "sent"),
    [
        ({}, 1),
        ({"severity": "Extreme", "urgency": "Expected", "certainty": "Likely"}, 1),
        ({"severity": "Moderate"}, 0),
        ({"severity": "Unknown"}, 0),
        ({"urgency": "Future"}, 0),
        ({"urgency": "Past"}, 0),
        ({"certainty": "Possible"}, 0),
        ({"certainty": None}, 0),
        ({"status": "Test"}, 0),
        ({"status": "Exercise"}, 0),
        ({"status": "Draft"}, 0),
        ({"messageType": "Cancel"}, 0),
        ({"vtec": vtec(product="T")}, 0),
        ({"vtec": vtec("CAN")}, 0),
        ({"vtec": vtec("EXP")}, 0),
        ({"vtec": "/O.NEW.BROKEN/"}, 1),
        ({"parameters": None, "references": None}, 1),
    ],
)
def test_passes_on_what_is_severe_near_and_meant(
    facts: dict[str, Any], sent: int, sandbox: Sandbox
) -> None:
    sandbox.nws.warn(*ALBANY, **facts)
    assert alerted() == sent
    assert len(told(type="urgent_weather_alert")) == sent


def test_says_what_it_is_called(sandbox: Sandbox) -> None:
    sandbox.nws.warn(*ALBANY, event="Tornado Warning", vtec=vtec())
    assert check()[1] == "  ⚠ Maple Court: Tornado Warning - alerted 1 tenant"
    alert = WeatherAlert.objects.get()
    assert (alert.source_key, alert.severity) == ("KALY.TO.W.0015", "severe")
    assert Notification.objects.get().context["headline"].startswith("Severe Thunderstorm")


@pytest.mark.parametrize("numbered", [True, False])
def test_takes_an_update_for_the_same_event_and_tells_when_it_is_worse(
    numbered: bool, sandbox: Sandbox
) -> None:
    def warn(action: str, follows: str = "", **facts: Any) -> str:
        code = vtec(action) if numbered else ""
        told = sandbox.nws.warn(*ALBANY, follows=follows, vtec=code, **facts)
        return str(told["id"])

    first = warn("NEW")
    assert alerted(0) == 1
    second = warn("CON", first, messageType="Update")
    assert alerted(1) == 0
    third = warn("CON", second, messageType="Update", severity="Extreme")
    assert check(2)[1] == (
        "  ⚠ Maple Court: Severe Thunderstorm Warning - upgraded to extreme, alerted 1 tenant"
    )
    warn("CON", third, messageType="Update", severity="Severe")
    assert alerted(3) == 0
    assert episodes() == [("Severe Thunderstorm Warning", "extreme", True)]


def test_follows_a_chain_of_which_each_message_names_only_the_last(sandbox: Sandbox) -> None:
    last = sandbox.nws.warn(*ALBANY)["id"]
    for hours in range(3):
        assert alerted(hours) == (hours == 0)
        reference = [{"identifier": last, "sent": "2025-06-10T12:00:00+00:00"}]
        last = sandbox.nws.warn(*ALBANY, follows=last, references=reference)["id"]
    assert WeatherAlert.objects.count() == 1


@pytest.mark.parametrize("how", ["cancelled", "numbered", "replaced", "expired"])
def test_is_over_when_the_authority_says_so(how: str, sandbox: Sandbox) -> None:
    first = sandbox.nws.warn(*ALBANY, vtec=vtec())["id"]
    check()
    if how == "expired":
        sandbox.nws.end(first)
    elif how == "cancelled":
        sandbox.nws.warn(*ALBANY, follows=first, vtec=vtec("CON"), messageType="Cancel")
    else:
        action = "CAN" if how == "numbered" else "UPG"
        sandbox.nws.warn(*ALBANY, follows=first, vtec=vtec(action), messageType="Update")
    assert check(1)[1] == "  ✓ Maple Court: Severe Thunderstorm Warning is over"
    assert episodes() == [("Severe Thunderstorm Warning", "severe", False)]
    assert len(told()) == 1


def test_waits_while_the_event_goes_on_less_severely(sandbox: Sandbox) -> None:
    first = sandbox.nws.warn(*ALBANY, vtec=vtec())["id"]
    check()
    sandbox.nws.warn(*ALBANY, follows=first, vtec=vtec("CON"), severity="Moderate")
    assert alerted(1) == 0
    assert episodes() == [("Severe Thunderstorm Warning", "severe", True)]


def test_tells_of_another_event_at_once(sandbox: Sandbox) -> None:
    first = sandbox.nws.warn(*ALBANY, vtec=vtec())["id"]
    check()
    sandbox.nws.end(first)
    sandbox.nws.warn(*ALBANY, event="Tornado Warning", vtec=vtec(number=16))
    assert alerted(1) == 1
    assert episodes() == [
        ("Severe Thunderstorm Warning", "severe", False), ("Tornado Warning", "severe", True)
    ]  # fmt: skip


def test_believes_nothing_to_have_ended_when_it_cannot_read_all(sandbox: Sandbox) -> None:
    first = sandbox.nws.warn(*ALBANY, vtec=vtec())["id"]
    check()
    sandbox.nws.end(first)
    sandbox.nws.misbehave("malformed")
    assert check(1)[1] == "  ✗ Maple Court: official alerts unavailable"
    assert episodes() == [("Severe Thunderstorm Warning", "severe", True)]
    check(2)
    assert episodes() == [("Severe Thunderstorm Warning", "severe", False)]


def test_tells_only_where_it_is(maple: Property, sandbox: Sandbox) -> None:
    home_of(maple.firm, "Far Away", latitude="43.00")
    sandbox.nws.warn(*ALBANY)
    check()
    assert WeatherAlert.objects.get().property == maple
