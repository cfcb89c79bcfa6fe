"""The bank, and the platform's account there."""

import pytest

from apps.core.fields import Secrets
from sandbox import Sandbox
from tests.factories import GatewayAccountFactory

CLIENT = {"client_id": "demo-platform", "client_secret": "demo-platform-secret"}


@pytest.fixture
def bank(sandbox: Sandbox, db: None) -> Sandbox:
    """The Bank of Georgia with an account of the platform's and nothing in it."""
    open_account(sandbox)
    return sandbox


def open_account(sandbox: Sandbox) -> None:
    sandbox.bog.add_client(**CLIENT)
    keys = {"public_key": sandbox.bog.public_key}
    GatewayAccountFactory(firm=None, provider="bog", credentials=Secrets({**CLIENT, **keys}))
