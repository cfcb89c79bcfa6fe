"""cleanup_old_alerts deletes what was over long ago, and nothing else."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from apps.monitoring.models import Alert, Delivery

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 28, 4, 25, tzinfo=UTC)


@pytest.fixture(autouse=True)
def rows() -> None:
    """Rows of 401 and of 400 days ago; each of an alert and a message."""
    for days in (401, 400):
        at = NOW - timedelta(days=days)
        for recovered in (at, None):
            Alert.objects.create(
                kind="late", job=f"job{days}", opened_at=at, seen_at=at, recovered_at=recovered
            )
        for state in Delivery.State:
            Delivery.objects.create(
                channel="email", subject=str(days), body="x", state=state, made_at=at, due_at=at
            )


def clean(**options: object) -> list[str]:
    out = StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command("cleanup_old_alerts", stdout=out, **options)
    return out.getvalue().splitlines()


def left() -> tuple[list[tuple[str, bool]], list[tuple[str, str]]]:
    alerts = Alert.objects.order_by("pk").values_list("job", "recovered_at")
    messages = Delivery.objects.order_by("pk").values_list("subject", "state")
    return ([(job, at is None) for job, at in alerts], list(messages))


def test_deletes_what_is_over_and_keeps_what_is_open_or_waiting() -> None:
    assert clean() == ["Deleted 1 alerts and 2 messages older than 400 days."]
    assert left() == (
        [("job401", True), ("job400", False), ("job400", True)],
        [("401", "waiting"), ("400", "waiting"), ("400", "sent"), ("400", "given_up")],
    )
    assert clean() == ["Deleted 0 alerts and 0 messages older than 400 days."]


def test_leaves_no_trace_of_a_dry_run() -> None:
    before = left()
    assert clean(dry_run=True) == ["Would delete 1 alerts and 2 messages older than 400 days."]
    assert left() == before


def test_refuses_a_number_of_days_that_is_none() -> None:
    with pytest.raises(CommandError, match="--days"):
        clean(days=0)
