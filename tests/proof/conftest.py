"""Workers for the whole session; the table at its end."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sandbox import Sandbox
from tests.proof.table import PROPERTY, table
from tests.proof.workers import Workers
from tests.servers.cluster import FileDatabase


@pytest.fixture(scope="session")
def _workers() -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        yield {"stack": stack}


@pytest.fixture
def workers(
    _workers: dict[str, Any],
    file_database: FileDatabase,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Workers:
    """Workers on the test's database that take the sandbox for Stripe and the bank."""
    if "them" not in _workers:
        addresses = {
            "STRIPE_API": sandbox.url,
            "BOG_API": f"{sandbox.url}/bog/payments/v1",
            "BOG_TOKENS": f"{sandbox.url}/bog/token",
        }
        log = tmp_path_factory.mktemp("proof") / "workers.log"
        _workers["them"] = Workers({**file_database.environment, **addresses}, log)
        _workers["stack"].callback(_workers["them"].close)
    them: Workers = _workers["them"]
    return them


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what the whole proof comes to; with xdist, of all processes together."""
    told = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY and report.when == "call"
    ]
    if told and os.environ.get("KILLS"):
        terminalreporter.section("what was killed, and what came of it")
        terminalreporter.write_line(table(told))
