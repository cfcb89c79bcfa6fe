"""A firm with a property, and the neighbour that nothing may happen to."""

from collections.abc import Iterator

import pytest

from apps.firms.models import Firm
from apps.leasing.models import Property
from apps.weather.models import WeatherAlert
from sandbox import Sandbox
from tests.factories import FirmFactory
from tests.weather.watching import home_of


@pytest.fixture
def firm(db: None) -> Firm:
    made: Firm = FirmFactory(name="Alder Homes")
    return made


@pytest.fixture
def maple(firm: Firm, sandbox: Sandbox) -> Property:
    """Maple Court in Albany, with one renter; the weather is mild."""
    return home_of(firm)


@pytest.fixture
def neighbour(sandbox: Sandbox) -> Iterator[Property]:
    """Another firm's property elsewhere, where it is mild: nobody is told anything there."""
    home = home_of(
        FirmFactory(name="Birch Homes"), "Birch Court", latitude="40.71", longitude="-74.00"
    )
    yield home
    assert not WeatherAlert.objects.filter(firm=home.firm).exists()
