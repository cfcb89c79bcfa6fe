"""Chooses the database before Django's settings are read; loaded by `-p tests.plugin`.

Every run has a database of its own, so runs side by side do not meet. xdist's workers
inherit the choice through the environment and add their own suffix to the test database.
"""

import os
import tempfile
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from tests.servers.postgres import postgres


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        action="store_true",
        help="Run on PostgreSQL: TEST_DATABASE_URL's server, or one started for this run.",
    )


@pytest.hookimpl(wrapper=True)  # around pytest-django, which reads the settings
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        servers = ExitStack()
        early_config.add_cleanup(servers.close)
        if early_config.known_args_namespace.postgres:
            url = servers.enter_context(postgres())
        else:
            folder = servers.enter_context(tempfile.TemporaryDirectory(prefix="nightshift-"))
            url = f"sqlite:///{folder}/nightshift.sqlite3"
        os.environ["DATABASE_URL"] = url
    return (yield)
