"""What people are told: once, in sentences, and with what is worst first."""

import json
from datetime import timedelta

import pytest
from django_q.models import Schedule
from pytest_django import Settings

from apps.monitoring import words
from apps.monitoring.models import Alert, Delivery
from apps.monitoring.services import acknowledge
from tests.factories import UserFactory
from tests.monitoring.watching import (
    JOB,
    NOW,
    after,
    look_at,
    make_run,
    make_schedule,
    subjects,
)
from tests.servers.receiver import Receiver

pytestmark = pytest.mark.usefixtures("told")


def make_alert(kind: str, job: str = JOB, **fields: object) -> Alert:
    fields = {"text": f"{job} {kind}.", "opened_at": NOW, "seen_at": NOW} | fields
    return Alert.objects.create(kind=kind, job=job, **fields)


def test_tells_all_that_one_look_saw_in_one_letter() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    look_at(after(minutes=-5))
    failed = make_run(after(minutes=-3), "failed", job="greet_crowds", failed=3)
    for number in range(30):
        make_schedule(name=f"s{number}", next_run=after(minutes=-1))
    look_at(NOW, cluster=False)
    letter = Delivery.objects.get()
    assert letter.subject == "No cluster is running, and 31 other problems"
    paragraphs = letter.body.split("\n\n")
    assert paragraphs[0] == "This went wrong:"
    assert paragraphs[1] == (
        "* No cluster has shown a sign of life since 2025-03-31 12:25 UTC. No job runs until "
        "one is started.\n  https://nightshift.example/admin/django_q/ormq/"
    )
    assert paragraphs[2] == (
        "* greet_contacts was due at 2025-03-31 12:29 UTC and nothing has started it.\n"
        f"  https://nightshift.example/admin/django_q/schedule/"
        f"{Schedule.objects.get(name='s0').pk}/change/"
    )
    assert paragraphs[-2] == (
        f"* greet_crowds #{failed.pk}, begun at 2025-03-31 12:27 UTC, failed with 3 of its 3 "
        f"items.\n  https://nightshift.example/admin/console/runs/{failed.pk}/"
    )
    assert paragraphs[-1] == (
        "You will be told when it is over. Whoever takes one on acknowledges it, and nobody is "
        "reminded of it:\nhttps://nightshift.example/admin/monitoring/alert/\n"
    )


@pytest.mark.parametrize(
    ("opened", "reminded", "recovered", "subject"),
    [
        ([("failed", "a")], [], [], "a failed"),
        ([("slow", "b"), ("failed", "a")], [], [], "a failed, and 1 other problem"),
        ([("late", "c")], [("no_cluster", "")], [("failed", "a")], "c is late"),
        ([], [("broken", "a")], [], "Still: a crashed or lost its worker"),
        ([], [], [("no_cluster", "")], "A cluster is running again"),
        ([], [], [("failed", "a"), ("late", "b")], "a works again, and 1 other recovery"),
    ],
)
def test_says_the_worst_thing_in_the_subject(
    opened: list[tuple[str, str]],
    reminded: list[tuple[str, str]],
    recovered: list[tuple[str, str]],
    subject: str,
) -> None:
    parts = ([Alert(kind=k, job=j) for k, j in part] for part in (opened, reminded, recovered))
    assert words.subject_of(words.News(*parts)) == subject


@pytest.mark.parametrize("kind", Alert.Kind.values)
def test_has_words_for_every_kind(kind: str) -> None:
    alert = make_alert(kind)
    assert words.headline(alert)
    assert words.recovery(alert)
    assert words.url_of(alert).startswith("https://nightshift.example/admin/")


def test_reminds_after_a_day_of_what_nobody_took_on() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    make_run(after(minutes=-1), "failed", failed=1)
    make_run(after(minutes=-1), "failed", failed=1, job="greet_crowds")
    look_at(NOW)
    acknowledge(alert=Alert.objects.get(job="greet_crowds"), actor=UserFactory())
    make_run(after(hours=23, minutes=10), arguments={"firm_id": 3})  # on time, but did less
    Schedule.objects.update(kwargs="firm_id=3")
    look_at(after(hours=23, minutes=59))
    assert len(subjects()) == 1
    look_at(after(hours=24))
    look_at(after(hours=24, minutes=1))
    assert subjects() == [
        "greet_contacts failed, and 1 other problem", "Still: greet_contacts failed"
    ]  # fmt: skip
    body = Delivery.objects.latest("pk").body
    assert "of its 1 item. Open since 2025-03-31 12:30 UTC.\n" in body
    assert "greet_crowds" not in body


def test_does_not_remind_of_what_is_only_slow() -> None:
    make_alert("slow", told_at=NOW, since=NOW)
    make_schedule()
    make_run(after(hours=23, minutes=10), state="failed", job="x", dry_run=True)
    make_run(after(days=2, minutes=-75), took=1, arguments={"firm_id": 1})
    Alert.objects.filter(kind="slow").update(since=after(days=3))
    Schedule.objects.update(kwargs="firm_id=1", next_run=after(days=5))
    look_at(after(days=2))
    assert subjects() == []


def test_gathers_for_an_hour_what_only_follows_from_a_dead_cluster() -> None:
    make_schedule()
    make_run(after(minutes=-19))
    look_at(after(minutes=-1))
    look_at(NOW, cluster=False)
    Schedule.objects.update(next_run=after(minutes=10))
    look_at(after(minutes=11), cluster=False)
    failed = make_run(after(minutes=15), "failed", failed=1, job="greet_crowds")
    look_at(after(minutes=16), cluster=False)
    look_at(after(minutes=59), cluster=False)
    assert subjects() == ["No cluster is running", "greet_crowds failed"]
    look_at(after(minutes=60), cluster=False)
    assert subjects()[2:] == ["greet_contacts was not started"]
    assert failed.job not in Delivery.objects.latest("pk").body


def test_tells_what_is_left_when_a_cluster_is_back_within_the_hour() -> None:
    make_schedule()
    make_run(after(minutes=-19))
    look_at(after(minutes=-1))
    look_at(NOW, cluster=False)
    Schedule.objects.update(next_run=after(minutes=10))
    look_at(after(minutes=11), cluster=False)
    look_at(after(minutes=12))
    assert subjects() == ["No cluster is running", "greet_contacts was not started"]
    assert "This is over:\n\n* A cluster is running again. It was: No cluster has shown" in (
        Delivery.objects.latest("pk").body
    )


def test_says_nothing_of_what_recovered_before_it_was_told() -> None:
    make_schedule()
    make_run(after(minutes=-75))
    make_alert("missed", told_at=None)
    look_at(after(minutes=1))
    assert Alert.objects.get().recovered_at == after(minutes=1)
    assert subjects() == []


def test_counts_what_is_too_much_for_a_letter() -> None:
    alerts = [make_alert("failed", f"job{number:03}") for number in range(60)]
    body = words.letter_of(words.News(opened=alerts)).body
    assert "job049 failed." in body
    assert "job050" not in body
    assert "\n\n* and 10 more.\n\n" in body


def test_tells_nobody_where_nobody_is_to_be_told(settings: Settings) -> None:
    settings.ALERT_EMAILS = []
    make_run(after(minutes=-1), "failed", failed=1)
    look_at(NOW)
    assert not Delivery.objects.exists()
    settings.ALERT_EMAILS = ["ops@nightshift.example"]
    look_at(after(minutes=1))
    assert subjects() == ["greet_contacts failed, and 1 other problem"]


def test_tells_a_webhook_the_same_in_fields(hook: Receiver) -> None:
    make_schedule()
    make_run(after(minutes=-75))
    run = make_run(after(minutes=-1), "partial", failed=1, done=3)
    look_at(NOW)
    (request,) = hook.requests
    alert = Alert.objects.get()
    assert json.loads(request.body) == {
        "type": "alerts.changed",
        "timestamp": "2025-03-31T12:30:00+00:00",
        "data": {
            "summary": "greet_contacts failed in part",
            "opened": [
                {
                    "id": alert.pk,
                    "kind": "partial",
                    "job": JOB,
                    "run": run.pk,
                    "text": f"greet_contacts #{run.pk}, begun at 2025-03-31 12:29 UTC, failed "
                    "with 1 of its 4 items.",
                    "times": 1,
                    "opened_at": "2025-03-31T12:30:00+00:00",
                    "recovered_at": None,
                    "url": f"https://nightshift.example/admin/console/runs/{run.pk}/",
                }
            ],
            "reminded": [],
            "recovered": [],
        },
    }
    make_run(after(minutes=1))
    look_at(after(minutes=2))
    told = json.loads(hook.requests[1].body)["data"]
    assert [one["recovered_at"] for one in told["recovered"]] == ["2025-03-31T12:32:00+00:00"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "less than a second"),
        (1, "1 second"),
        (61, "1 minute 1 second"),
        (3600, "1 hour"),
        (3601, "1 hour"),
        (90_000, "1 day 1 hour"),
        (172_800, "2 days"),
    ],
)
def test_says_how_long_something_took(seconds: float, said: str) -> None:
    assert words.in_words(timedelta(seconds=seconds)) == said
