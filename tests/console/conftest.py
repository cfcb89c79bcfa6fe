"""Every test of the console has the tests' own jobs."""

from collections.abc import Iterator

import pytest
import time_machine
from pytest_django import Settings

from apps.firms.models import Firm
from tests import factories as make
from tests.console.world import NOW


@pytest.fixture(autouse=True)
def own_jobs(settings: Settings) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"


@pytest.fixture
def noon() -> Iterator[None]:
    """A time that stands still."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ours() -> Firm:
    firm: Firm = make.FirmFactory(name="Ours")
    return firm


@pytest.fixture
def theirs() -> Firm:
    firm: Firm = make.FirmFactory(name="Theirs")
    return firm
