"""A look opens one alert for each trouble and closes it when it is over."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django_q.models import OrmQ, Schedule

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.jobs.models import JobRun
from apps.monitoring.models import Alert
from apps.monitoring.services import acknowledge
from tests.factories import UserFactory
from tests.monitoring.watching import (
    JOB,
    NOW,
    after,
    alerts,
    look_at,
    make_run,
    make_schedule,
    subjects,
)

pytestmark = pytest.mark.usefixtures("told")


def test_sees_nothing_when_all_is_well() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    look_at(NOW)
    assert alerts() == []


@pytest.mark.parametrize(
    ("run", "kind", "text"),
    [
        (
            {"state": "failed", "failed": 2},
            "failed",
            "{run}, begun at 2025-03-31 12:29 UTC, failed with 2 of its 2 items.",
        ),
        (
            {"state": "failed"},
            "failed",
            "{run}, begun at 2025-03-31 12:29 UTC, failed before it did anything.",
        ),
        (
            {"state": "partial", "failed": 1, "done": 38, "skipped": 1},
            "partial",
            "{run}, begun at 2025-03-31 12:29 UTC, failed with 1 of its 40 items.",
        ),
        (
            {"state": "blocked", "done": 10},
            "failed",
            "{run}, begun at 2025-03-31 12:29 UTC, stopped at a bound that is set for it, "
            "after 10 items.",
        ),
        (
            {"state": "crashed", "problem": "Ada's KeyError"},
            "broken",
            "greet_contacts crashed or lost its worker once since its last success, at last in "
            "run #{pk}, begun at 2025-03-31 12:29 UTC.",
        ),
        (
            {"state": "lost"},
            "broken",
            "greet_contacts crashed or lost its worker once since its last success, at last in "
            "run #{pk}, begun at 2025-03-31 12:29 UTC.",
        ),
    ],
)
def test_opens_one_for_a_run_that_ended_badly(
    run: dict[str, Any], kind: str, text: str
) -> None:
    make_schedule()
    make_run(after(minutes=-75))
    bad = make_run(after(minutes=-1), **run)
    look_at(NOW)
    look_at(after(minutes=1))
    assert alerts() == [(kind, JOB, 1, "open")]
    alert = Alert.objects.get()
    assert alert.text == text.format(run=bad, pk=bad.pk)
    assert (alert.opened_at, alert.seen_at >= NOW, alert.run_number) == (NOW, True, bad.pk)
    make_run(after(minutes=2))
    look_at(after(minutes=3))
    assert alerts() == [(kind, JOB, 1, "over")]
    look_at(after(minutes=3.5))
    assert alerts() == [(kind, JOB, 1, "over")]
    assert len(subjects()) == 2


@pytest.mark.parametrize(
    "run",
    [
        *({"state": "cancelled"}, {"state": "busy"}, {"state": "duplicate"}),
        *({"state": "interrupted"}, {"state": "failed", "dry_run": True}),
    ],
)
def test_leaves_a_run_alone_that_a_person_or_another_run_stopped(run: dict[str, Any]) -> None:
    make_schedule()
    make_run(after(minutes=-75))
    make_run(after(minutes=-1), **run)
    look_at(NOW)
    assert alerts() == []


def test_counts_how_often_it_happened() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    for minutes in range(3):
        make_run(after(minutes=minutes), "failed", failed=1)
        look_at(after(minutes=minutes, seconds=30))
    assert alerts() == [("failed", JOB, 3, "open")]
    assert subjects() == ["greet_contacts failed"]


def test_tells_of_a_failure_that_was_over_before_anybody_looked() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    make_run(after(seconds=-40), "failed", failed=1)
    make_run(after(seconds=-20))
    look_at(NOW)
    look_at(after(seconds=30))
    assert alerts() == [("failed", JOB, 1, "over")]
    assert subjects() == ["greet_contacts works again"]


def test_is_open_until_a_run_did_as_much_as_the_failed_one_was_asked_to() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    make_run(after(minutes=-2), "failed", arguments={"firm_id": 3}, failed=1)
    make_run(after(minutes=-1), "failed", arguments={"firm_id": 4}, failed=1)
    look_at(NOW)
    make_run(after(minutes=1), arguments={"firm_id": 3})
    look_at(after(minutes=2))
    assert alerts() == [("failed", JOB, 1, "over"), ("failed", JOB, 1, "open")]
    make_run(after(minutes=3))
    look_at(after(minutes=4))
    assert alerts() == [("failed", JOB, 1, "over"), ("failed", JOB, 1, "over")]


def test_sees_what_ended_while_nobody_looked() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    look_at(NOW)
    make_run(after(hours=1), "partial", failed=1, done=1)
    make_run(after(hours=2))
    make_run(after(hours=5), "partial", failed=1, done=1)
    make_run(after(hours=6, minutes=10))
    look_at(after(hours=6, minutes=12))
    assert alerts() == [("partial", JOB, 2, "over")]


def test_keeps_one_alert_from_missed_to_late_to_well() -> None:
    make_schedule(next_run=after(minutes=-1))
    make_run(after(minutes=-61))
    look_at(after(seconds=-1))
    assert alerts() == []
    look_at(NOW)
    assert alerts() == [("missed", JOB, 1, "open")]
    assert Alert.objects.get().text == (
        "greet_contacts was due at 2025-03-31 12:29 UTC and nothing has started it."
    )
    look_at(after(hours=3))
    assert alerts() == [("missed", JOB, 1, "open")]
    Schedule.objects.update(next_run=after(days=2))
    make_run(after(hours=3, minutes=1))
    look_at(after(hours=3, minutes=2))
    assert alerts() == [("missed", JOB, 1, "over")]


def test_opens_one_for_each_schedule_that_is_late() -> None:
    make_schedule(name="a", kwargs="firm_id=3")
    row = make_schedule(name="b", kwargs="firm_id=4")
    make_run(after(minutes=-75), arguments={"firm_id": 3})
    look_at(NOW)
    (alert,) = Alert.objects.all()
    assert (alert.kind, alert.scope, alert.text) == (
        "late",
        f"schedule {row.pk}",
        "greet_contacts was due at 2025-03-31 11:10 UTC and has not succeeded since.",
    )


def test_opens_one_for_a_stuck_queue_and_one_for_want_of_a_cluster() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    look_at(after(minutes=-5))
    OrmQ.objects.create(key="nightshift", payload="x", lock=after(minutes=-4))
    look_at(NOW, cluster=False)
    assert alerts() == [("stuck", "", 1, "open"), ("no_cluster", "", 1, "open")]
    assert list(Alert.objects.order_by("pk").values_list("text", flat=True)) == [
        "1 task waits in the queue, the oldest since 2025-03-31 12:26 UTC, and no worker "
        "begins anything.",
        "No cluster has shown a sign of life since 2025-03-31 12:25 UTC. No job runs until one "
        "is started.",
    ]
    OrmQ.objects.all().delete()
    look_at(after(minutes=1))
    assert [state for *_, state in alerts()] == ["over", "over"]


def test_opens_one_for_a_job_without_schedule_and_for_a_row_that_is_misread() -> None:
    row = Schedule(func="x", kwargs="ada@example.com", schedule_type="O", next_run=NOW)
    Schedule.objects.bulk_create([row])
    look_at(NOW)
    assert alerts() == [("misread", "", 1, "open"), ("unscheduled", JOB, 1, "open")]
    assert "ada" not in " ".join(Alert.objects.values_list("text", flat=True))


def test_never_has_two_open_for_the_same() -> None:
    first = Alert.objects.create(kind="failed", job=JOB, opened_at=NOW, seen_at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.create(kind="failed", job=JOB, opened_at=NOW, seen_at=NOW)
    Alert.objects.filter(pk=first.pk).update(recovered_at=NOW)
    Alert.objects.create(kind="failed", job=JOB, opened_at=NOW, seen_at=NOW)


# ---- unusually slow -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usual", "took", "slow"),
    [
        ([10] * 5, 41, True),
        ([10] * 5, 40, True),
        ([10] * 5, 39, False),  # not half a minute more
        ([60] * 5, 181, True),
        ([60] * 5, 180, False),  # not beyond three times
        ([10] * 4, 900, False),  # too few to know what is usual
        ([10, 10, 10, 900, 900], 41, True),  # the median, not the mean
        ([900] * 10 + [10] * 30, 41, True),  # the last thirty
    ],
)
def test_knows_what_is_unusually_slow(usual: list[int], took: int, slow: bool) -> None:
    make_schedule()
    for number, seconds in enumerate(reversed(usual)):
        make_run(after(hours=-number - 1), took=seconds)
    make_run(after(minutes=-15), took=3600, state="failed", dry_run=True)
    run = make_run(after(minutes=-1, seconds=-took), took=took)
    look_at(NOW)
    assert alerts() == ([("slow", JOB, 1, "open")] if slow else [])
    if slow and took == 41:
        assert Alert.objects.get().text == (
            f"{run}, begun at 2025-03-31 12:28 UTC, took 41 seconds; half of its runs take "
            "less than 10 seconds."
        )


def test_sees_that_a_run_is_slow_while_it_is_at_work() -> None:
    make_schedule()
    for hours in range(5):
        make_run(after(hours=-hours - 1), took=2)
    run = make_run(after(minutes=-3), "running", took=None)
    look_at(NOW)
    look_at(after(minutes=1))
    assert alerts() == [("slow", JOB, 1, "open")]
    assert "has been at work for 4 minutes; half" in Alert.objects.get().text
    JobRun.objects.filter(pk=run.pk).update(state="done", ended_at=after(minutes=1))
    look_at(after(minutes=2))
    assert alerts() == [("slow", JOB, 1, "open")]
    make_run(after(minutes=3), took=2)
    look_at(after(minutes=4))
    assert alerts() == [("slow", JOB, 1, "over")]


# ---- acknowledging --------------------------------------------------------------------------


def test_does_not_repeat_what_somebody_took_on_until_it_comes_back() -> None:
    ada = UserFactory(username="ada")
    make_schedule()
    make_run(after(minutes=-75))
    make_run(after(minutes=-1), "failed", failed=1)
    look_at(NOW)
    acknowledge(alert=Alert.objects.get(), actor=ada)
    alert = Alert.objects.get()
    assert (alert.acknowledged_by, alert.acknowledged_at is not None) == (ada, True)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.object_id) == (
        "alert_acknowledged", ada, str(alert.pk)
    )  # fmt: skip
    make_run(after(minutes=1), "failed", failed=1)
    look_at(after(minutes=2))
    assert subjects() == ["greet_contacts failed"]
    make_run(after(minutes=3))
    look_at(after(minutes=4))
    make_run(after(minutes=5), "failed", failed=1)
    look_at(after(minutes=6))
    assert alerts() == [("failed", JOB, 2, "over"), ("failed", JOB, 1, "open")]
    assert subjects() == [
        "greet_contacts failed", "greet_contacts works again", "greet_contacts failed"
    ]  # fmt: skip


def test_is_taken_on_once_and_only_while_it_is_open() -> None:
    ada, bob = UserFactory(username="ada"), UserFactory(username="bob")
    alert = Alert.objects.create(kind="failed", job=JOB, opened_at=NOW, seen_at=NOW)
    same = Alert.objects.get()
    acknowledge(alert=alert, actor=ada)
    with pytest.raises(Problem, match=r"^Failed: greet_contacts has been acknowledged already"):
        acknowledge(alert=same, actor=bob)
    over = Alert.objects.create(
        kind="late", job=JOB, opened_at=NOW, seen_at=NOW, recovered_at=NOW + timedelta(1)
    )
    with pytest.raises(Problem, match=r"^Late: greet_contacts is over already\."):
        acknowledge(alert=over, actor=bob)
    assert AuditEvent.objects.count() == 1
