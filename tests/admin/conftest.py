"""Ours and theirs, and the browsers of those who look."""

import pytest
from django.test import Client

from apps.firms.models import Firm, User
from tests.admin.world import OURS, THEIRS, furnish, staff_of
from tests.factories import UserFactory


@pytest.fixture
def ours(db: None) -> Firm:
    return furnish(OURS)


@pytest.fixture
def theirs(db: None) -> Firm:
    return furnish(THEIRS)


@pytest.fixture
def alice(ours: Firm) -> User:
    """Staff of our firm."""
    return staff_of(ours)


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


@pytest.fixture
def office(db: None) -> Client:
    """A superuser's browser."""
    browser = Client()
    browser.force_login(UserFactory(is_staff=True, is_superuser=True))
    return browser
