"""Fixtures: the demo world at the specification's reference clock, made once per module."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.conf import settings

from apps.core.days import Clock
from apps.firms import demo
from sandbox import Sandbox

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
