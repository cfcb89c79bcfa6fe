"""What every test of messages shares."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _types_of_our_own(settings: Settings) -> None:
    settings.MESSAGES = "tests.notifications.messages"
