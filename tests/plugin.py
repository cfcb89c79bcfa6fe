"""Chooses the database and where files go before Django's settings are read.

Loaded by `-p tests.plugin`. Every run has both of its own, so runs side by side do not meet.
xdist's workers inherit the choice through the environment and add their own suffix to the
test database.
"""

import gc
import os
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.postgres import postgres
from tests.servers.schema import migrated_file, migrated_template

SCHEMA = "TEST_SCHEMA"  # an SQLite file, or the name of a PostgreSQL database, to copy


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        action="store_true",
        help="Run on PostgreSQL: TEST_DATABASE_URL's server, or one started for this run.",
    )
    parser.addoption(
        "--only-database",
        action="store_true",
        help="Leave out what a run on another database has shown for this one: tests that ask "
        "for none, and browsers, which see the same pages.",
    )


@pytest.hookimpl(wrapper=True)  # around pytest-django, which reads the settings
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        servers = ExitStack()
        early_config.add_cleanup(servers.close)
        folder = servers.enter_context(tempfile.TemporaryDirectory(prefix="nightshift-"))
        if early_config.known_args_namespace.postgres:
            url = servers.enter_context(postgres())
            if "TEST_DATABASE_URL" not in os.environ:  # a server that is ours alone
                os.environ[SCHEMA] = migrated_template(url)
        else:
            url = f"sqlite:///{folder}/nightshift.sqlite3"
            os.environ[SCHEMA] = str(migrated_file())
        os.environ["DATABASE_URL"] = url
        # As if files had been stored there before: nothing is removed from a folder where
        # nobody ever stored any, lest it is a disk that was not mounted.
        Path(folder, "storage", ".incoming").mkdir(parents=True)
        os.environ["STORAGE_URL"] = f"file://{folder}/storage"
    return (yield)


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what lives to the end: modules and all tests.

    To go through all of it takes a quarter of a second, as long as some time-outs of tests.
    """
    gc.collect()
    gc.freeze()
