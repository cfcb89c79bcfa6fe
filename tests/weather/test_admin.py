"""In the admin, an office …"""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.firms.models import Firm
from apps.leasing.models import Property
from apps.weather.models import WeatherAlert, WeatherThreshold
from sandbox import Sandbox
from tests.admin.world import staff_of
from tests.factories import PropertyFactory, WeatherAlertFactory
from tests.weather.watching import HOT, alerted, at, feels

pytestmark = pytest.mark.django_db

LIST = "admin:weather_weatheralert_changelist"


@pytest.fixture
def desk(client: Client, firm: Firm) -> Client:
    """The browser of somebody who works for the firm."""
    client.force_login(staff_of(firm))
    return client


def save(desk: Client, name: str = "add", key: int | None = None, **typed: Any) -> Any:
    address = reverse(f"admin:weather_weatherthreshold_{name}", args=[key] if key else [])
    return desk.post(address, {"heat": "", "cold": "", "wind": "", "gust": "", **typed})


def test_sets_from_when_on_it_warns(desk: Client, firm: Firm) -> None:
    home = PropertyFactory(firm=firm)
    assert save(desk, firm=firm.pk, property=home.pk, heat="35").status_code == 302
    threshold = WeatherThreshold.objects.get()
    assert (threshold.property, str(threshold.heat), threshold.cold) == (home, "35.0", None)
    event = AuditEvent.objects.get()
    assert (event.action, event.changes) == ("weather_threshold_changed", {"heat": "35"})
    save(desk, "change", threshold.pk, property=home.pk, cold="-10")
    threshold.refresh_from_db()
    assert (threshold.heat, str(threshold.cold)) == (None, "-10.0")
    desk.post(
        reverse("admin:weather_weatherthreshold_delete", args=[threshold.pk]), {"post": "yes"}
    )
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions)[2:] == ["weather_threshold_dropped"]


@pytest.mark.parametrize("typed", [{"heat": "98"}, {"cold": "-80"}, {"wind": "-3"}])
def test_is_told_of_a_threshold_that_makes_no_sense(
    desk: Client, firm: Firm, typed: dict[str, str]
) -> None:
    assert save(desk, firm=firm.pk, **typed).status_code == 200
    assert not WeatherThreshold.objects.exists()


def test_has_one_set_of_thresholds_for_all(desk: Client, firm: Firm) -> None:
    assert save(desk, firm=firm.pk, heat="35").status_code == 302
    assert save(desk, firm=firm.pk, heat="36").status_code == 200
    assert WeatherThreshold.objects.count() == 1


def test_closes_an_alert_and_is_left_alone_for_a_while(
    desk: Client, maple: Property, sandbox: Sandbox
) -> None:
    feels(sandbox, HOT)
    assert alerted() == 1
    alert = WeatherAlert.objects.get()
    pressed = {
        "action": "close", "_selected_action": [alert.pk], "confirmed": "1",
        "reason": "The sensor is broken",
    }  # fmt: skip
    with at(1):
        page = desk.post(reverse(LIST), pressed, follow=True)
    assert "1 alert closed." in page.content.decode()
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.reason) == ("weather_alert_closed", "The sensor is broken")
    assert [alerted(hours) for hours in (2, 12.75, 13)] == [0, 0, 1]


def test_closes_nothing_twice_and_nothing_of_others(desk: Client, firm: Firm) -> None:
    closed = WeatherAlertFactory(
        property__firm=firm, property__name="Oak", closed_at="2025-06-11T12:00:00Z"
    )
    theirs = WeatherAlertFactory()
    pressed = {"action": "close", "confirmed": "1", "reason": "Because"}
    keys = [closed.pk, theirs.pk]
    page = desk.post(reverse(LIST), {**pressed, "_selected_action": keys}, follow=True)
    assert "0 alerts closed, 1 skipped: extreme heat at Oak is over already." in (
        page.content.decode()
    )
    theirs.refresh_from_db()
    assert theirs.closed_at is None
