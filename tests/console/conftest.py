"""Every test of the console has the tests' own jobs."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def own_jobs(settings: Settings) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"
