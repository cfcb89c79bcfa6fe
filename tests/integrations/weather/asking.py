"""What the tests ask of the weather services."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from time import monotonic

from apps.integrations.weather import (
    Observation,
    OfficialAlert,
    OfficialAlerts,
    Place,
    Weather,
    get_official_alerts,
    get_weather,
)

ALBANY, BRISTOL, TOKYO = (
    Place.near(Decimal(north), Decimal(east))
    for north, east in (("42.65258", "-73.75623"), ("51.44867", "-2.59835"), ("35.7", "139.8"))
)


@contextmanager
def weather(*, seconds: float = 60) -> Iterator[Weather]:
    """The service that knows the weather, which may be asked for so long."""
    service = get_weather(ends=monotonic() + seconds)
    try:
        yield service
    finally:
        service.close()


@contextmanager
def authority(*, seconds: float = 60) -> Iterator[OfficialAlerts]:
    """The authority that warns, which may be asked for so long."""
    service = get_official_alerts(ends=monotonic() + seconds)
    try:
        yield service
    finally:
        service.close()


def seen(place: Place = ALBANY) -> Observation:
    """Return the weather at one place; what went wrong is raised."""
    with weather() as service:
        found = service.observe([place])[place]
    if isinstance(found, Exception):
        raise found
    return found


def warned(place: Place = ALBANY) -> list[OfficialAlert]:
    """Return what is in force at one place; what went wrong is raised."""
    with authority() as service:
        found = service.alerts([place])[place]
    if isinstance(found, Exception):
        raise found
    return list(found)
