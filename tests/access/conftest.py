"""Somebody to write to, and something to say."""

import pytest
from pytest_django import Settings

from apps.contacts.models import Contact
from tests.factories import ContactFactory


@pytest.fixture
def _messages(settings: Settings) -> None:
    settings.MESSAGES = "tests.notifications.messages"


@pytest.fixture
def ada(db: None) -> Contact:
    contact: Contact = ContactFactory(display_name="Ada", email="ada@example.com")
    return contact
