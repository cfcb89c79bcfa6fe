"""Fixtures and rules every test shares. The database is chosen in tests/plugin.py."""

import os
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings

from apps.installations import leaving
from tests.demo_world import (  # noqa: F401 - fixtures
    _mailbox_server,
    demo_banks,
    demo_post,
    demo_world,
    reference_clock,
)
from tests.plugin import SCHEMA
from tests.servers.chromium import browser, find_chromium, page  # noqa: F401 - fixtures
from tests.servers.cluster import file_database  # noqa: F401 - a fixture
from tests.servers.directories import (  # noqa: F401 - fixtures
    _controller,
    ad,
    samba,
    stand_in,
)
from tests.servers.dovecot import dovecot, find_dovecot
from tests.servers.imap import MailHost
from tests.servers.places import folder, storage  # noqa: F401 - fixtures
from tests.servers.s3 import _s3_server, bucket, s3  # noqa: F401 - fixtures
from tests.servers.sandbox import (  # noqa: F401 - fixtures
    _sandbox_server,
    sandbox,
    sandbox_process,
)
from tests.servers.schema import copy_file
from tests.servers.smtp import HOST, MailServer, mail_server

# How long an example takes says more about the machine than about the program.
hypothesis.settings.register_profile("nightshift", deadline=None)
hypothesis.settings.load_profile("nightshift")

MISSING = "counterpart missing: "


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this run cannot prove, or need not.

    And have a database where no test asks for one: pytest-django would make none, and the
    guard has a question (``_guard_was_asked``).
    """
    on_postgres, only_database = connection.vendor == "postgresql", config.option.only_database
    kept, left_out = [], []
    for item in items:
        here = on_postgres or not item.get_closest_marker("postgres")
        needed = not only_database or _is_about_the_database(item)
        (kept if here and needed else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    if items and not any(map(_asks_for_a_database, items)):
        items[0].add_marker(pytest.mark.django_db)


def _asks_for_a_database(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    return bool(
        item.get_closest_marker("django_db") or {"db", "transactional_db"}.intersection(names)
    )


def _is_about_the_database(item: pytest.Item) -> bool:
    """Whether another database may make a difference; what only one can prove has no other run.

    For a real cluster it does, whose database is not the test's own.
    """
    if item.get_closest_marker("postgres"):
        return True
    if item.get_closest_marker("browser"):
        return False
    return _asks_for_a_database(item) or "file_database" in getattr(item, "fixturenames", ())


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and find_chromium() is None:
        pytest.skip(f"{MISSING}Chromium (Debian: apt-get install chromium)")
    if item.get_closest_marker("dovecot") and find_dovecot() is None:
        pytest.skip(f"{MISSING}Dovecot (Debian: apt-get install dovecot-imapd)")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # the outermost, so its lines come last
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    """Say in the last lines what was not tested for want of a server."""
    yield
    reasons = [
        report.longrepr[2].partition(MISSING)[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and MISSING in report.longrepr[2]
    ]
    for reason, count in sorted(Counter(reasons).items()):
        terminalreporter.write_line(f"NOT TESTED for want of {reason}: {count}", red=True)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Let pytest-django take SQLite's file as it is: a copy, gone with the run."""
    return connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Begin a worker's SQLite file as a copy; PostgreSQL copies by itself (TEMPLATE)."""
    if connection.vendor == "sqlite":
        name = connection.creation._get_test_db_name()
        copy_file(Path(os.environ[SCHEMA]), Path(name))


@pytest.fixture(autouse=True)
def _guard_was_asked(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let the guard know this machine before a test begins: it asks the database once.

    Doors are tried without a database, too, and no test's queries depend on which came first.
    """
    with django_db_blocker.unblock():
        assert not leaving.is_strange()


@pytest.fixture
def strange_machine(settings: Settings) -> Iterator[None]:
    """The database finds itself on a machine that it does not know."""
    settings.INSTALLATION = "a laptop"
    known = leaving._checked
    leaving.forget()
    yield
    leaving._checked = known


@pytest.fixture
def smtp_server(settings: Settings) -> Iterator[MailServer]:
    """A mail server on loopback that Django's e-mail goes to."""
    with mail_server() as server:
        _send_mail_to(server, settings)
        yield server


@pytest.fixture
def strict_smtp_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[MailServer]:
    """The same, demanding STARTTLS (its own authority) and a login."""
    with mail_server(starttls=True, login=("nightshift", "a-mail-password")) as server:
        assert server.certificates is not None
        server.certificates.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        _send_mail_to(server, settings)
        yield server


def _send_mail_to(server: MailServer, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = HOST
    settings.EMAIL_PORT = server.port
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = server.login or ("", "")
    settings.EMAIL_USE_TLS = server.certificates is not None
    settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 2  # seconds


@pytest.fixture(scope="session")
def dovecot_server() -> Iterator[MailHost]:
    """Dovecot on loopback, for tests that carry the marker ``dovecot``."""
    with dovecot() as server:
        yield server
