"""A weather alert says …"""

from typing import Any

import pytest

from apps.leasing.models import Property
from apps.notifications.models import Delivery, Notification
from apps.notifications.services import deliver_notifications
from apps.notifications.types import Words
from apps.weather.models import WeatherAlert
from sandbox import Sandbox
from tests.factories import SmsConsentFactory
from tests.fieldwork.nightly import no_longer_wanted, words
from tests.servers.smtp import MailServer
from tests.weather.watching import HOT, at, check, feels, home_of

pytestmark = pytest.mark.django_db


def warned(firm: Any, sandbox: Sandbox, timezone: str, **weather: Any) -> Words:
    """Return what somebody reads who lives in a zone where this is the weather."""
    home_of(firm, "Maple Court", timezone=timezone)
    sandbox.open_meteo.set_weather(42.65, -73.76, **weather)
    check()
    return words(Notification.objects.get())


@pytest.mark.parametrize(
    ("timezone", "weather", "subject"),
    [
        (
            "America/New_York",
            {"apparent_temperature": 41},
            "Extreme heat at Maple Court: 106 °F",
        ),
        ("Europe/London", {"apparent_temperature": 41}, "Extreme heat at Maple Court: 41 °C"),
        (
            "America/Chicago",
            {"temperature_2m": -20, "wind_speed_10m": 5},
            "Extreme cold at Maple Court: -22 °F",
        ),
        ("Pacific/Guam", {"wind_gusts_10m": 27.5}, "High winds at Maple Court: 62 mph"),
        ("Europe/London", {"wind_gusts_10m": 27.5}, "High winds at Maple Court: 62 mph"),
        ("Asia/Tokyo", {"wind_speed_10m": 20}, "High winds at Maple Court: 72 km/h"),
    ],
)
def test_how_bad_it_is_in_the_units_of_the_place(
    firm: Any, sandbox: Sandbox, timezone: str, weather: dict[str, Any], subject: str
) -> None:
    assert warned(firm, sandbox, timezone, **weather).subject == subject


def test_what_to_do(firm: Any, sandbox: Sandbox) -> None:
    assert warned(firm, sandbox, "America/New_York", apparent_temperature=41).text == (
        "It feels like 106 °F at Maple Court now.\n\n"
        "Drink water, keep the sun out, and look after neighbours who live alone. Call for "
        "help when somebody is confused or faints."
    )


@pytest.mark.usefixtures("maple")
def test_that_it_has_become_worse(sandbox: Sandbox) -> None:
    for hours, degrees in ((0, HOT), (6, 52)):
        feels(sandbox, degrees)
        check(hours)
    said = words(Notification.objects.latest("pk"))
    assert said.subject == "Upgraded: Extreme heat at Maple Court: 126 °F"
    assert said.text.startswith("This alert has been upgraded: it is worse than when we wrote")


@pytest.mark.usefixtures("maple")
def test_what_the_authority_says(sandbox: Sandbox) -> None:
    sandbox.nws.warn(
        42.65, -73.76, event="Tornado\nWarning", headline="Tornado Warning until 3 PM",
        instruction="TAKE COVER NOW!",
    )  # fmt: skip
    check()
    said = words(Notification.objects.get())
    assert said.subject == "Tornado Warning at Maple Court"
    assert said.text == "Tornado Warning until 3 PM\n\nTAKE COVER NOW!"


@pytest.mark.usefixtures("maple")
def test_something_even_if_the_authority_is_short(sandbox: Sandbox) -> None:
    sandbox.nws.warn(42.65, -73.76, event="Tornado Warning", headline=None, instruction=None)
    check()
    assert words(Notification.objects.get()).text == (
        "Tornado Warning for Maple Court.\n\nPlease do what the authorities say."
    )


@pytest.mark.usefixtures("maple")
def test_nothing_any_more_when_it_is_over(sandbox: Sandbox) -> None:
    feels(sandbox, HOT)
    check()
    alert = Notification.objects.get()
    assert no_longer_wanted(alert) == [""]
    WeatherAlert.objects.update(closed_at="2025-06-11T12:00:00Z")
    assert no_longer_wanted(alert) == ["over"]


@pytest.mark.parametrize(("gusts", "held"), [(6, True), (27, False)])
def test_at_night_only_what_is_severe(
    maple: Property,
    sandbox: Sandbox,
    smtp_server: MailServer,
    gusts: float,
    held: bool,
) -> None:
    maple.firm.settings.email_quiet_hours = True
    maple.firm.settings.save()
    apparent = HOT if held else 20
    sandbox.open_meteo.set_weather(
        42.65, -73.76, apparent_temperature=apparent, wind_gusts_10m=gusts
    )
    with at(14.5):  # half past ten in the evening
        check(14.5)
        deliver_notifications()
    mail = Delivery.objects.get(channel="email")
    assert mail.status == ("queued" if held else "sent")
    assert len(smtp_server.messages) == (not held)


def test_to_nobody_by_sms_who_has_not_asked_for_it(maple: Property, sandbox: Sandbox) -> None:
    SmsConsentFactory(firm=maple.firm)
    feels(sandbox, HOT)
    check()
    assert set(Delivery.objects.values_list("channel", flat=True)) == {"email", "in_app"}
