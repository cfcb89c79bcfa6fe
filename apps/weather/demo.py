"""Evergreen's weather: a storm at Harbor View that everybody has been told of (spec E2).

The weather itself is the sandbox's (``fixtures/sandbox.json``).
"""

from datetime import timedelta

from apps.core.demo import World
from apps.leasing.models import Property
from apps.weather.models import WeatherAlert


def seed(world: World) -> None:
    """Leave the alert that an earlier run opened."""
    for facts in world.fixture("weather")["alerts"]:
        home = Property.objects.get(firm__slug=facts["firm"], name=facts["property"])
        at = world.clock.now - timedelta(hours=facts["hours_ago"])
        WeatherAlert.objects.create(
            firm=home.firm,
            property=home,
            kind=facts["kind"],
            name=facts["name"],
            severity=facts["severity"],
            notified_severity=facts["severity"],
            opened_at=at,
            last_seen_at=at,
            observed_at=at,
            created_at=at,
        )
        world.count("weather alerts", 1)
