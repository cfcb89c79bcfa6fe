"""Instants are counted by the spans they are in, on either database."""

from bisect import bisect_right
from datetime import date, datetime, time, timedelta

import pytest
from django.db.models import Count

from apps.core.buckets import Bucket
from apps.core.days import local_instant
from apps.jobs.models import JobRun

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)


def days(zone_name: str, first: date, count: int) -> list[datetime]:
    at = [first + timedelta(days=number) for number in range(count)]
    return [local_instant(day, time(), zone_name) for day in at]


@pytest.mark.parametrize("zone_name", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_an_edge_begins_its_span(zone_name: str) -> None:
    edges = days(zone_name, date(2025, 3, 8), 4)  # New York's clocks change on the second
    moments = [at + shift for at in edges for shift in (-TICK, timedelta(), TICK)]
    for at in moments:
        JobRun.objects.create(job="greet", source="code", started_at=at)
    found = JobRun.objects.annotate(bucket=Bucket("started_at", edges)).order_by("pk")
    expected = [bisect_right(edges, at) for at in moments]
    assert list(found.values_list("bucket", flat=True)) == expected
    counted = found.order_by("bucket").values_list("bucket").annotate(Count("pk"))
    assert list(counted) == [(0, 1), (1, 3), (2, 3), (3, 3), (4, 2)]
