"""Mail servers to read from: Dovecot, and pymap where only the common ground is asked for."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.servers.imap import MailHost
from tests.servers.pymap import pymap


@pytest.fixture(scope="session")
def pymap_server() -> Iterator[MailHost]:
    with pymap() as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("dovecot_server", marks=pytest.mark.dovecot, id="dovecot"),
        pytest.param("pymap_server", id="pymap"),
    ]
)
def server(request: pytest.FixtureRequest, settings: Settings) -> MailHost:
    """Either server."""
    settings.IMAP_TIMEOUT = 10.0
    host: MailHost = request.getfixturevalue(request.param)
    return host


@pytest.fixture
def ada(server: MailHost) -> str:
    """Somebody with an empty mailbox there."""
    return server.add_user()
