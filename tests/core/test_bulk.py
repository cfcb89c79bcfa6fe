"""Many rows written at once are the rows that were meant, on either database."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import bulk
from apps.firms.models import Firm
from apps.jobs.models import JobRun
from tests.factories import FirmFactory

pytestmark = pytest.mark.django_db

AT = datetime(2025, 3, 31, 12, 30, 15, 123456, tzinfo=UTC)


def runs(count: int) -> list[JobRun]:
    return [
        JobRun.objects.create(job=f"job {number}", source="code") for number in range(count)
    ]


def test_writes_each_row_its_own_values_and_nothing_else() -> None:
    first, second, third = made = runs(3)
    first.ended_at, first.money, first.dry_run = AT, {"USD": 7}, True
    second.problem, second.expected = "It's 100 % 'wrong'", 5
    for run in made:
        run.job = "not written"
    columns = ["ended_at", "money", "dry_run", "problem", "expected"]
    with CaptureQueriesContext(connection) as asked:
        bulk.update([first, second], columns)
    assert len(asked) == 1
    found = list(JobRun.objects.order_by("pk").values_list("job", *columns))
    assert found == [
        ("job 0", AT, {"USD": 7}, True, "", None),
        ("job 1", None, {}, False, "It's 100 % 'wrong'", 5),
        ("job 2", None, {}, False, "", None),
    ]
    assert third.pk


def test_clears_a_column_of_every_row() -> None:
    made = runs(2)
    JobRun.objects.update(ended_at=AT, expected=3)
    bulk.update(made, ["ended_at", "expected"])
    assert set(JobRun.objects.values_list("ended_at", "expected")) == {(None, None)}


def test_passes_over_a_row_that_is_gone() -> None:
    first, second = runs(2)
    JobRun.objects.filter(pk=first.pk).delete()
    first.problem = second.problem = "Late"
    bulk.update([first, second], ["problem"])
    assert list(JobRun.objects.values_list("pk", "problem")) == [(second.pk, "Late")]


def test_writes_foreign_keys_and_times_that_keep_themselves() -> None:
    firm: Firm = FirmFactory()
    before = firm.updated_at
    firm.name = "Elm"
    bulk.update([firm], ["name"])
    firm.refresh_from_db()
    assert (firm.name, firm.updated_at) == ("Elm", before)
    first, second = runs(2)
    first.retry_of = second
    bulk.update([first], ["retry_of"])
    first.refresh_from_db()
    assert first.retry_of == second


def test_nothing_costs_nothing() -> None:
    with CaptureQueriesContext(connection) as asked:
        bulk.update([], ["problem"])
    assert len(asked) == 0
