"""The clerk in charge of the inbox."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.webhooks import clerk as desk


@pytest.fixture
def clerk(settings: Settings) -> Iterator[desk.Clerk]:
    """A clerk who acts on every provider's events."""
    settings.WEBHOOKS = "tests.webhooks.clerk"
    someone = desk.Clerk()
    desk.HANDLERS.update(stripe=someone, bog=someone)
    yield someone
    desk.HANDLERS.clear()
