"""Weather over properties, checks of it, and who was told."""

import io
from datetime import datetime, timedelta
from typing import Any

import time_machine
from django.core.management import CommandError, call_command

from apps.firms.models import Firm
from apps.leasing.models import Property
from apps.notifications.models import Notification
from apps.weather.models import WeatherAlert
from apps.weather.services import check_weather_alerts
from sandbox import Sandbox
from tests.factories import ContactFactory, LeaseFactory, PropertyFactory, UnitFactory

NOW = datetime.fromisoformat("2025-06-10T12:00:00+00:00")
HOT, MILD, FREEZING = 41.0, 28.0, -20.0


def at(hours: float = 0) -> time_machine.travel:
    """So many hours after the first check."""
    return time_machine.travel(NOW + timedelta(hours=hours), tick=False)


def home_of(firm: Firm, name: str = "Maple Court", *, renters: int = 1, **how: Any) -> Property:
    """Make a property in Albany where so many renters live."""
    place = {"latitude": "42.65258", "longitude": "-73.75623"}
    home: Property = PropertyFactory(firm=firm, name=name, **(place | how))
    for _ in range(renters):
        LeaseFactory(unit=UnitFactory(property=home))
    return home


def live_in(home: Property, contact: Any = None, **lease: Any) -> Any:
    """Let somebody have a lease of a new unit, and return them."""
    person = contact or ContactFactory(firm=home.firm)
    LeaseFactory(unit=UnitFactory(property=home), renter=person, **lease)
    return person


def feels(sandbox: Sandbox, degrees: float | None, home: Property | None = None) -> None:
    """Let it feel so hot at a property, and be hardly less."""
    north, east = (home.latitude, home.longitude) if home else ("42.65258", "-73.75623")
    sandbox.open_meteo.set_weather(
        float(north), float(east), apparent_temperature=degrees, temperature_2m=degrees
    )


def check(hours: float = 0, **options: Any) -> list[str]:
    """Check so many hours after the first time, and return what was printed."""
    out = io.StringIO()
    with at(hours):
        try:
            call_command("check_weather_alerts", stdout=out, **options)
        except CommandError as error:
            out.write(f"CommandError: {error}\n")
    return out.getvalue().splitlines()


def alerted(hours: float = 0) -> int:
    """Check so many hours after the first time, and return how many alerts were sent."""
    with at(hours):
        return check_weather_alerts().tallies["sent"]


def told(**which: Any) -> list[str]:
    """Return who was told, as keys name them, oldest first."""
    rows = Notification.objects.filter(type__endswith="weather_alert", **which)
    return list(rows.order_by("pk").values_list("recipient_key", flat=True))


def episodes() -> list[tuple[str, str, bool]]:
    """Return every episode: its name, the worst that was told, and whether it is open."""
    rows = WeatherAlert.objects.order_by("pk")
    return [(row.name, row.notified_severity, row.closed_at is None) for row in rows]
