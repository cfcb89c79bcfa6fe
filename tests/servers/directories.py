"""The directories that tests talk to: the sandbox's everywhere, Samba's where there is one.

Tests that take ``ad`` are put to both, so that the stand-in stays honest.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from pytest_django import Settings

from apps.integrations.directory import Place, Security
from sandbox import Sandbox
from tests.servers.samba import Samba, controller, missing, provision
from tests.servers.standin import StandIn

ATTRIBUTES = {
    "first_name": "givenName",
    "last_name": "sn",
    "email": "mail",
    "title": "title",
}


class ActiveDirectory(Protocol):
    """What a test may do to either: people and groups are told by their ids."""

    host: str  # by which its certificate names it
    domain: str
    user: str
    password: str
    unit: str  # below which this test's people are
    ca: Path

    def address(self, security: str) -> str: ...
    def add_unit(self, name: str) -> str: ...
    def add_person(self, account: str, **values: Any) -> str: ...
    def add_group(self, name: str, *members: str) -> str: ...
    def change(self, who: str, **values: Any) -> None: ...
    def move(self, who: str, *, name: str, unit: str) -> None: ...
    def remove(self, who: str) -> None: ...
    def dn(self, who: str) -> str: ...
    def account(self, who: str) -> str: ...


def place_of(ad: ActiveDirectory, **other: Any) -> Place:
    """Return where a directory is, as the adapter wants it told."""
    how: dict[str, Any] = {
        "servers": [ad.host],
        "security": Security.LDAPS,
        "certificate_name": "",
        "authority": ad.ca.read_text(),
        "user": ad.user,
        "password": ad.password,
        "base": ad.unit,
        "filter": "",
        "attributes": ATTRIBUTES,
    }
    return Place(**how | other)


@pytest.fixture(scope="session")
def _controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with controller(provision(shared)) as samba:
        yield samba


@pytest.fixture
def samba(request: pytest.FixtureRequest, settings: Settings) -> Samba:
    """A real controller, with an empty unit for this test; skipped where there is none."""
    if why := missing():
        from tests.conftest import MISSING

        pytest.skip(f"{MISSING}{why}")
    there: Samba = request.getfixturevalue("_controller")
    there.open_unit()
    settings.DIRECTORY_HOSTS = {there.host: there.address("ldaps")}
    return there


@pytest.fixture
def stand_in(sandbox: Sandbox, settings: Settings) -> StandIn:
    """The sandbox's directory, which can be told to misbehave."""
    return StandIn(sandbox, Path(settings.DIRECTORY_CA))


@pytest.fixture(params=["stand_in", "samba"])
def ad(request: pytest.FixtureRequest) -> ActiveDirectory:
    """Either directory, one after the other."""
    there: ActiveDirectory = request.getfixturevalue(request.param)
    return there
