"""Acme's demo engagements … on any day (spec E3.1)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from apps.billing.models import Invoice
from apps.billing.services import find_inconsistencies
from apps.core.days import Clock
from apps.core.demo import World
from apps.engagements import demo
from apps.engagements.models import Engagement, EngagementPeriod
from apps.engagements.services import generate_package_invoices
from apps.firms import demo as firms
from tests.engagements.billing import billed

pytestmark = pytest.mark.django_db

DAYS = ["2024-02-29", "2025-01-01", "2025-03-31", "2025-06-10", "2025-07-31", "2026-11-03"]


@pytest.fixture(params=DAYS)
def clock(request: pytest.FixtureRequest) -> Iterator[Clock]:
    """Seed the firms and their engagements on a day, and stay there."""
    clock = Clock.at(request.param)
    with time_machine.travel(clock.now, tick=False):
        world = World(clock)
        firms.seed(world)
        demo.seed(world)
        yield clock


def test_leave_the_job_two_invoices_to_make(clock: Clock) -> None:
    growth, operations, advisory, _, review, _ = Engagement.objects.order_by("pk")
    before = set(Invoice.objects.all())
    report = generate_package_invoices()
    assert (report.done, report.skipped, report.failed) == (2, 2, 0)
    made = Invoice.objects.exclude(pk__in=[one.pk for one in before])
    assert sorted(made.values_list("account", "total_minor")) == sorted(
        [(growth.account_id, 500_000), (operations.account_id, 1_000_000)]
    )
    assert EngagementPeriod.objects.filter(engagement=review).count() == 0
    assert EngagementPeriod.objects.filter(engagement=advisory).count() == 6
    assert find_inconsistencies() == []


def test_are_paid_but_for_one_that_a_card_pays_today(clock: Clock) -> None:
    advisory = Engagement.objects.order_by("pk")[2]
    [invoice] = Invoice.objects.collectable()
    assert (invoice.account_id, invoice.total_minor) == (advisory.account_id, 250_000)
    assert invoice.due_date == advisory.firm.today(clock)
    assert (invoice.autopay_opt_in, invoice.autopay_status) == (True, "scheduled")
    assert invoice.autopay_next_charge_at <= clock.now
    assert clock.now - invoice.autopay_next_charge_at < timedelta(days=1)
    generate_package_invoices()
    by_card = Invoice.objects.collectable().filter(autopay_opt_in=True)
    assert sum(one.total_minor for one in by_card) == 750_000
    [fresh] = by_card.exclude(pk=invoice.pk)
    assert fresh.autopay_next_charge_at is None


@pytest.mark.parametrize("clock", ["2025-06-10"], indirect=True)
def test_are_those_of_the_specification(clock: Clock) -> None:
    found = [
        (one.pricing_mode, one.package_fee_minor, one.billing_interval, str(one.anchor))
        for one in Engagement.objects.order_by("pk")
    ]
    assert found == [
        ("package", 500_000, "monthly", "2025-01-10"),
        ("mixed", 1_000_000, "quarterly", "2024-12-10"),
        ("package", 250_000, "monthly", "2025-01-01"),
        ("hourly", 0, "monthly", "2025-03-10"),
        ("package", 1_200_000, "annual", "2024-09-01"),
        ("package", 320_000, "monthly", "2025-02-10"),
    ]
    growth, operations, advisory, _, review, paused = Engagement.objects.order_by("pk")
    assert billed(growth)[-1] == ("2025-05-10", "2025-06-10")
    assert billed(operations)[-1] == ("2025-03-10", "2025-06-10")
    assert billed(advisory)[-1] == ("2025-06-01", "2025-07-01")
    assert (paused.status, str(paused.paused_on)) == ("paused", "2025-05-01")
    assert review.billing_timing == "arrears"
