"""A firm's office, who sits there, and the neighbour that nothing may happen to."""

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client

from apps.fieldwork.models import ContractorProfile
from apps.firms.models import Firm, User
from tests.admin.world import staff_of
from tests.factories import FirmFactory, UserFactory
from tests.fieldwork.working import NOW, contractor_of


@pytest.fixture
def now() -> Iterator[None]:
    """Let the test happen on the morning of 10 June 2025."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def firm(db: None) -> Firm:
    made: Firm = FirmFactory(name="Alder Repairs")
    return made


@pytest.fixture
def neighbour(db: None) -> Firm:
    made: Firm = FirmFactory(name="Birch Repairs")
    return made


@pytest.fixture
def ada(firm: Firm) -> ContractorProfile:
    return contractor_of(firm)


@pytest.fixture
def alice(firm: Firm) -> User:
    """Staff of the firm."""
    return staff_of(firm)


@pytest.fixture
def office(db: None) -> Client:
    """A superuser's browser."""
    browser = Client()
    browser.force_login(UserFactory(is_staff=True, is_superuser=True))
    return browser


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client
