"""Fixit's demo jobs … stand the same way at any hour of any day (spec E3.2, E4)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from apps.core import days
from apps.core.days import Clock
from apps.core.demo import World
from apps.fieldwork import demo
from apps.fieldwork.models import ComplianceDocument, Payout, PayoutRequest, WorkOrder
from apps.firms import demo as firms
from apps.firms.models import Firm
from apps.leasing import demo as leasing

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

INSTANTS = [
    "2024-02-29T12:00:00Z",
    "2025-03-09T05:30:00Z",  # 23:30 of the 8th in Chicago, before the clocks go forward
    "2025-11-02T05:30:00Z",  # 00:30, before they go back
    "2026-01-01T04:30:00Z",  # 22:30 of the old year
]


@pytest.fixture(params=INSTANTS)
def clock(request: pytest.FixtureRequest) -> Iterator[Clock]:
    with time_machine.travel(request.param, tick=False):
        clock = Clock.read()
        world = World(clock)
        for module in (firms, leasing, demo):
            module.seed(world)
        yield clock


def test_wait_due_overdue_idle_and_to_be_paid(clock: Clock) -> None:
    fixit = Firm.objects.get(slug="fixit-services")
    today = fixit.today(clock)
    orders = WorkOrder.objects.for_firm(fixit)
    assert orders.unassigned().count() == 5
    assert orders.approaching(on=today, days=7).count() == 3
    assert orders.overdue(on=today).count() == 2
    idle = orders.idle_since(clock.now - timedelta(days=90))
    assert sorted((clock.now - one.last_activity_at).days for one in idle) == [95, 100, 120]
    assert orders.ready_for_payout().count() == 8
    begin, end = (
        days.local_midnight(today - timedelta(days=ago), fixit.timezone) for ago in (1, 0)
    )
    assert orders.filter(created_at__gte=begin, created_at__lt=end).count() == 5
    paid = Payout.objects.filter(firm=fixit, paid_at__gte=begin, paid_at__lt=end)
    assert paid.count() == 2
    papers = ComplianceDocument.objects.for_firm(fixit)
    assert papers.expiring(on=today, days=30).count() == 3
    assert papers.current().filter(expires_on__lt=today).count() == 2
    week_old = clock.now - timedelta(days=7)
    pending = PayoutRequest.objects.for_firm(fixit).pending()
    assert (pending.count(), pending.filter(requested_at__lt=week_old).count()) == (5, 2)
