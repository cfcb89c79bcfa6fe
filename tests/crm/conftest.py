"""A firm, and somebody there who owns deals."""

import pytest

from apps.firms.models import Firm, User
from tests.crm.dealing import colleague
from tests.factories import FirmFactory


@pytest.fixture
def firm(db: None) -> Firm:
    return FirmFactory(name="Acme Consulting")


@pytest.fixture
def bob(firm: Firm) -> User:
    return colleague(firm, user__username="bob", user__first_name="Bob", user__last_name="Ray")
