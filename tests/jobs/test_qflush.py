"""qflush: the queue emptied by hand (spec D25)."""

from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from django_q.tasks import async_task

from apps.billing.models import Invoice
from tests.factories import LeaseFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Type something at the prompt."""
    return lambda text: monkeypatch.setattr("sys.stdin", StringIO(text))


def fill(queue: str, count: int, *, in_hand: int = 0) -> None:
    """Queue tasks, some of which a worker has fetched."""
    now = timezone.now()
    OrmQ.objects.bulk_create(
        OrmQ(
            key=queue,
            payload="signed",
            lock=now + timedelta(hours=1) if number < in_hand else now,
        )
        for number in range(count)
    )


def flush(*arguments: str) -> str:
    """Run the command and return what it printed."""
    out = StringIO()
    call_command("qflush", *arguments, stdout=out)
    return out.getvalue()


def test_removes_all_queued_tasks_and_no_result() -> None:
    fill("nightshift", 42)
    now = timezone.now()
    Task.objects.create(id="a" * 32, name="done", func="f", started=now, stopped=now)
    Schedule.objects.create(func="apps.jobs.services.close_lost_runs")
    assert flush("--no-input") == "Flushed 42 tasks from queue 'nightshift'.\n"
    assert OrmQ.objects.count() == 0
    assert Task.objects.count() == 1
    assert Schedule.objects.count() == 1


def test_counts_the_tasks_that_are_being_worked_on_too() -> None:
    fill("nightshift", 42, in_hand=2)
    assert flush("--no-input") == "Flushed 42 tasks from queue 'nightshift'.\n"


def test_shows_the_number_and_asks(
    answer: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    fill("nightshift", 42)
    answer("yes\n")
    assert flush() == "Flushed 42 tasks from queue 'nightshift'.\n"
    asked = "This removes 42 queued tasks. Type 'yes' to continue: "
    assert capsys.readouterr().out == asked


@pytest.mark.parametrize("said", ["no\n", "\n", "y\n", "YES!\n", ""])
def test_removes_nothing_without_a_yes(answer: Callable[[str], None], said: str) -> None:
    fill("nightshift", 42)
    answer(said)
    with pytest.raises(CommandError, match=r"^Cancelled\.$"):
        flush()
    assert OrmQ.objects.count() == 42


def test_empties_only_the_named_queue() -> None:
    fill("nightshift", 3)
    fill("deliveries", 5)
    said = flush("--queue", "deliveries", "--no-input")
    assert said == "Flushed 5 tasks from queue 'deliveries'.\n"
    assert set(OrmQ.objects.values_list("key", flat=True)) == {"nightshift"}


def test_counts_in_a_dry_run_and_asks_nothing() -> None:
    fill("nightshift", 42)
    assert flush("--dry-run") == "Would flush 42 tasks from queue 'nightshift'.\n"
    assert OrmQ.objects.count() == 42


@pytest.mark.parametrize("arguments", [(), ("--dry-run",), ("--no-input",)])
def test_says_that_a_queue_is_empty(arguments: tuple[str, ...]) -> None:
    fill("deliveries", 5)
    assert flush(*arguments) == "Queue 'nightshift' is empty.\n"


def test_costs_a_scheduled_run_no_more_than_a_delay() -> None:
    with time_machine.travel("2025-03-31T12:10:00Z", tick=False):
        LeaseFactory(start_date=date(2025, 3, 1))
        async_task("apps.leasing.services.generate_monthly_invoices")
        assert flush("--no-input") == "Flushed 1 tasks from queue 'nightshift'.\n"
        assert not Invoice.objects.exists()
    with time_machine.travel("2025-03-31T13:10:00Z", tick=False):
        call_command("generate_monthly_invoices", stdout=StringIO())
    assert Invoice.objects.get().total_minor == 150_000
