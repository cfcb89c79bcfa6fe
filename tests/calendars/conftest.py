"""A firm, and actions that tests can let fail."""

import pytest
from pytest_django import Settings

from apps.firms.models import Firm
from tests.calendars import doing
from tests.factories import FirmFactory


@pytest.fixture
def firm(db: None) -> Firm:
    made: Firm = FirmFactory(name="Acme Consulting")
    return made


@pytest.fixture
def deeds(settings: Settings) -> list[str]:
    """What was done by actions of the tests' own, in order."""
    settings.WORKFLOWS = doing.__name__
    doing.deeds.clear()
    doing.troubles.clear()
    return doing.deeds
