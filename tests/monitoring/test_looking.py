"""Somebody always looks: within two minutes, although every cluster is dead."""

import json
import logging
import os
import signal
import threading
from datetime import datetime, timedelta

import pytest
import time_machine
from django import db
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import Schedule
from pytest_django import Settings

from apps.jobs import figures
from apps.monitoring import services, watcher
from apps.monitoring.models import Alert, Watch
from apps.monitoring.watcher import Watcher
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
from tests.servers.cluster import FileDatabase, running_cluster, wait_for
from tests.servers.receiver import Receiver
from tests.servers.smtp import MailServer

BOUND = timedelta(minutes=2)


def _shows_itself() -> bool:
    return figures.clusters().clusters > 0


def watch_until(end: datetime) -> None:
    """Look whenever a look is due, as watchers do, until an instant."""
    now = services.look_if_due(now=NOW)
    while now <= end:
        now = services.look_if_due(now=now)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("seconds", [0, 1, 30, 59])
def test_notices_within_two_minutes_that_nothing_fires_and_no_cluster_lives(
    seconds: int,
) -> None:
    died = after(minutes=5, seconds=seconds)
    make_schedule(next_run=died)
    make_run(after(minutes=-19))
    make_run(NOW, "running", job="greet_crowds", task_id="t", took=None, heartbeat_at=died)
    watch_until(died + BOUND)
    assert {(kind, job) for kind, job, *_ in alerts()} == {("missed", JOB), ("no_cluster", "")}
    assert max(one.opened_at for one in Alert.objects.all()) <= died + BOUND
    assert subjects()[0] in {
        "No cluster is running, and 1 other problem",
        "greet_contacts was not started",
    }


@pytest.mark.usefixtures("told")
def test_looks_once_a_minute_however_many_processes_try() -> None:
    assert services.look_if_due(now=NOW) == after(seconds=60)
    Watch.objects.update(cluster_seen_at=after(days=1))
    assert services.look_if_due(now=after(seconds=59)) == after(seconds=60)
    assert Watch.objects.get().looked_at == NOW
    assert services.look_if_due(now=after(seconds=61)) == after(seconds=121)
    assert Watch.objects.get().looked_at == after(seconds=61)
    look_at(after(seconds=100))  # somebody else, by command
    assert services.look_if_due(now=after(seconds=130)) == after(seconds=160)
    Watch.objects.update(next_look_at=after(days=1))  # by a host whose clock was wrong
    assert services.look_if_due(now=after(seconds=150)) == after(seconds=210)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_jobs")
def test_of_two_at_once_one_looks(settings: Settings) -> None:
    settings.ALERT_EMAILS = ["ops@nightshift.example"]
    look_at(NOW)
    make_run(after(seconds=10), "failed", failed=1)
    together = threading.Barrier(2)

    def look() -> None:
        together.wait()
        services.look_if_due(now=after(minutes=2))
        db.connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Alert.objects.filter(kind="failed").count() == 1
    assert len(subjects()) == 2  # greet_contacts has no schedule; it failed


@pytest.mark.usefixtures("told")
def test_the_command_does_the_same_look(settings: Settings) -> None:
    row = make_schedule(next_run=after(minutes=-1))
    make_run(after(minutes=-19))
    with time_machine.travel(NOW, tick=False):
        with pytest.raises(CommandError, match=r"^1 problem\(s\) with scheduled jobs\.$"):
            call_command("check_job_health", look_only=True)
        assert alerts() == []
        with pytest.raises(CommandError, match=r"^1 problem"):
            call_command("check_job_health")
        assert alerts() == [("missed", JOB, 1, "open")]
        assert subjects() == ["greet_contacts was not started"]
        Schedule.objects.filter(pk=row.pk).update(next_run=after(hours=1))
        call_command("check_job_health", json=True)
    assert alerts() == [("missed", JOB, 1, "over")]


@pytest.mark.usefixtures("told")
def test_the_command_says_what_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    make_schedule(next_run=after(minutes=-1), kwargs="firm_id=3")
    make_run(after(minutes=-19))
    with time_machine.travel(NOW, tick=False), pytest.raises(CommandError):
        call_command("check_job_health", json=True)
    assert json.loads(capsys.readouterr().out)["findings"] == [
        {
            "kind": "missed",
            "job": JOB,
            "text": "greet_contacts (firm_id=3) was due 2025-03-31 12:29 UTC, and "
            "nothing has started it. Is a cluster running?",
            "alarming": True,
        }
    ]


def test_nobody_watches_where_the_settings_say_so(settings: Settings) -> None:
    settings.WATCHER = False
    assert watcher.start() is None


def test_goes_on_when_the_database_is_away(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    # Without the mark, pytest-django refuses the database: as away as it can be.
    caplog.set_level(logging.WARNING)
    assert Watcher().turn() == watcher.AFTER_TROUBLE
    assert "The watcher could not look" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_jobs")
def test_says_so_when_the_database_refuses_and_is_back_with_it(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with db.connection.schema_editor() as editor:
        editor.alter_db_table(Watch, "monitoring_watch", "away")
    try:
        assert Watcher().turn() == watcher.AFTER_TROUBLE
    finally:
        with db.connection.schema_editor() as editor:
            editor.alter_db_table(Watch, "away", "monitoring_watch")
    assert "The watcher has no database" in caplog.text
    assert Watcher().turn() > watcher.AFTER_TROUBLE
    assert Watch.objects.get().looked_at is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_jobs")
def test_a_thread_tells_by_mail_webhook_and_heartbeat_while_no_cluster_lives(
    settings: Settings, smtp_server: MailServer, hook: Receiver
) -> None:
    cache.clear()
    settings.ALERT_EMAILS = ["ops@nightshift.example"]
    settings.HEARTBEAT_URL = hook.url + "/ping"
    settings.WATCHER = True
    now = timezone.now()
    make_schedule(next_run=now - timedelta(seconds=61))
    make_run(now - timedelta(minutes=1))
    make_run(now - timedelta(hours=1))
    Watch.objects.create(
        name="look",
        next_look_at=now,
        judged_until=now,
        cluster_seen_at=now - timedelta(seconds=61),
    )
    began = watcher.start()
    assert began is not None
    assert began.daemon
    wait_for(lambda: len(hook.requests) == 2)
    began.stop()
    began.join(10)
    (letter,) = smtp_server.messages
    assert letter.message["Subject"] == (
        "[Nightshift] No cluster is running, and 1 other problem"
    )
    assert [one.path for one in hook.requests] == ["/hook", "/ping/fail"]
    assert not began.is_alive()


@pytest.mark.cluster
@pytest.mark.slow
def test_notices_a_cluster_that_is_killed(
    file_database: FileDatabase, settings: Settings, own_jobs: None
) -> None:
    cache.clear()
    settings.ALERT_EMAILS = ["ops@nightshift.example"]
    make_schedule(next_run=timezone.now() + timedelta(days=2))
    make_run(timezone.now())
    with running_cluster(file_database) as cluster:
        wait_for(_shows_itself)
        services.look_if_due(now=timezone.now())
        assert alerts() == []
        os.killpg(cluster.process.pid, signal.SIGKILL)
        cluster.process.wait()
        died = timezone.now()
        wait_for(lambda: not _shows_itself())
    now = died
    while not alerts():
        now = services.look_if_due(now=now)
        assert now - timedelta(seconds=60) <= died + BOUND
    assert alerts() == [("no_cluster", "", 1, "open")]
    assert subjects() == ["No cluster is running"]
