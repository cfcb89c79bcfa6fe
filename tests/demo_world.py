"""Fixtures: the demo world at the specification's reference clock, made once per module."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.conf import settings

from apps.core.days import Clock
from apps.firms import demo
from apps.mailbox.models import EmailConnection
from project.demo.mailboxes import demo_mailboxes
from sandbox import Sandbox
from tests.servers.dovecot import dovecot, find_dovecot
from tests.servers.imap import MailHost
from tests.servers.pymap import pymap

CLOCK = "2025-06-10T12:00:00Z"


@pytest.fixture(scope="module")
def demo_world(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Seed on 10 June 2025, noon UTC; each test's own changes are rolled back."""
    with django_db_blocker.unblock():
        with time_machine.travel(CLOCK, tick=False):
            demo.seed_all(Clock.read())
        yield
        demo.clear_all()


@pytest.fixture
def reference_clock() -> Iterator[None]:
    """Let the test happen at the reference clock."""
    with time_machine.travel(CLOCK, tick=False):
        yield


@pytest.fixture
def demo_banks(sandbox: Sandbox, reference_clock: None) -> Sandbox:
    """The banks' side of the demo world, at the reference clock."""
    sandbox.load(settings.BASE_DIR / "fixtures" / "sandbox.json")
    return sandbox


@pytest.fixture(scope="session")
def _mailbox_server() -> Iterator[MailHost]:
    """The demo's letters, as they were at the reference clock, on a real server."""
    with dovecot() if find_dovecot() else pymap() as server:
        for mailbox in demo_mailboxes(datetime.fromisoformat(CLOCK)):
            server.add_user(mailbox.username, mailbox.password)
            for letter in mailbox.letters:
                server.deliver(mailbox.username, letter.raw, received=letter.received_at)
        yield server


@pytest.fixture
def demo_post(_mailbox_server: MailHost, demo_world: None, db: None) -> MailHost:
    """The demo world's mailboxes: Dovecot where there is one, else pymap."""
    mailboxes = EmailConnection.objects.filter(firm__is_demo=True)
    mailboxes.update(port=_mailbox_server.port)
    return _mailbox_server
