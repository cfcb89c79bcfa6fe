"""What the tests of deals share: a clock that stands, deals of one firm, the words of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from typing import Any

import time_machine
from django.core.management import call_command

from apps.crm.models import Deal, Stage
from apps.firms.models import Firm, User
from tests.factories import DealFactory, MembershipFactory, StageFactory

FIRST = date(2025, 3, 1)  # the day on which the factories' deals were touched last
STALE_NOON = datetime(2025, 3, 15, 17, tzinfo=UTC)  # on the fourteenth day after it


@contextmanager
def on(day: date) -> Iterator[None]:
    """Let it be noon of a day in New York, where the factories' firms are."""
    with time_machine.travel(datetime.combine(day, time(17), tzinfo=UTC), tick=False):
        yield


def after(days: int) -> date:
    """Return the day so many days after the last touch."""
    return FIRST + timedelta(days=days)


def stage_of(firm: Firm, **how: Any) -> Stage:
    return StageFactory(pipeline__firm=firm, **how)


def deal_of(firm: Firm, **how: Any) -> Deal:
    """Make a deal of a firm, in a pipeline of its own unless a stage is given."""
    if "stage" not in how:
        how["stage"] = stage_of(firm)
    return DealFactory(**how)


def colleague(firm: Firm, **how: Any) -> User:
    """Return somebody who works at a firm, and is not in charge of it."""
    user: User = MembershipFactory(firm=firm, roles=["staff"], **how).user
    return user


def run(name: str, **options: Any) -> str:
    out = StringIO()
    call_command(name, stdout=out, **options)
    return out.getvalue()
