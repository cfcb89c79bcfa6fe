"""The Bank of Georgia on loopback, and the adapter that talks to it."""

import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest
from pytest_django import Settings

from apps.integrations.cards import Cards
from sandbox import Sandbox
from sandbox.bog import Bog
from tests.integrations.cards.asking import CLIENT, adapter


@pytest.fixture
def bank(sandbox: Sandbox, settings: Settings) -> Bog:
    """The bank, with one client and the order that saved its card: ``parent``, 59.00 GEL."""
    settings.GATEWAY_TIMEOUT = 5.0
    # Another secret each time: tokens at hand are the process's, not the test's.
    sandbox.bog.add_client(CLIENT, secrets.token_hex(16))
    sandbox.bog.add_saved_card("parent", amount="59.00")
    return sandbox.bog


@pytest.fixture
def cards(bank: Bog) -> Iterator[Cards]:
    """The adapter, with the right credentials."""
    with closing(adapter(bank)) as cards:
        yield cards
