"""What every test of monitoring stands on."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from pytest_django import Settings

from tests.monitoring.watching import SECRET
from tests.servers.receiver import Receiver, receiver


@pytest.fixture
def own_jobs(settings: Settings) -> None:
    """One job with a time, greet_contacts, and one without, greet_crowds."""
    settings.JOBS_MODULE = "tests.jobs.work"


@pytest.fixture
def told(settings: Settings, db: None, own_jobs: None) -> None:
    """Somebody is told by e-mail, into Django's outbox; no cluster shows itself."""
    cache.clear()
    settings.ALERT_EMAILS = ["ops@nightshift.example"]
    settings.SITE_URL = "https://nightshift.example"


@pytest.fixture
def hook(settings: Settings) -> Iterator[Receiver]:
    """A receiver of webhooks, which is told too."""
    with receiver() as there:
        settings.ALERT_WEBHOOK_URL = f"{there.url}/hook"
        settings.ALERT_WEBHOOK_SECRET = SECRET
        settings.ALERT_TIMEOUT = 2.0
        yield there
