"""Acme's demo deals leave the jobs the same work on any day (spec E3.1, E4)."""

import pytest
import time_machine

from apps.core.days import Clock
from apps.core.demo import World
from apps.crm import demo
from apps.crm.models import Deal, StaleDealAlert
from apps.firms import demo as firms
from tests.crm.dealing import run

pytestmark = pytest.mark.django_db

# The last two: weeks after the clocks were changed in New York.
DAYS = ["2024-02-29", "2025-01-01", "2025-06-10", "2025-03-20", "2025-11-15"]


@pytest.mark.parametrize("day", DAYS)
def test_two_go_stale_one_recovers_and_one_person_is_told(day: str) -> None:
    clock = Clock.at(day)
    world = World(clock)
    with time_machine.travel(clock.now, tick=False):
        firms.seed(world)
        demo.seed(world)
        said = run("check_stale_deals").rpartition("): ")[2]
        told = run("send_stale_deal_reminders").rpartition("): ")[2]
    assert world.made["deals"] == Deal.objects.count() == 7
    assert said == "6 open deals checked, 2 newly stale, 1 recovered, 2 stale in total\n"
    assert told == "1 reminder sent to 1 owner (2 deals), 0 escalated\n"
    counts = StaleDealAlert.objects.order_by("pk").values_list("reminder_count", flat=True)
    assert list(counts) == [2, 1, 1]
