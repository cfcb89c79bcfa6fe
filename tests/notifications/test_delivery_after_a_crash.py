"""A worker dies between sending and writing it down (spec A10.8, A5.4)."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from apps.notifications.messages import GENERAL_MESSAGE
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import Draft, Planned, deliver_notifications, notify
from apps.notifications.services.dispatch import TOGETHER
from tests.factories import ContactFactory, FirmFactory
from tests.notifications import messages
from tests.notifications.outbox import delivery, say, states
from tests.servers.cluster import ROOT, FileDatabase, wait_for
from tests.servers.smtp import MailServer

NOW = datetime(2025, 3, 3, 15, tzinfo=UTC)
MANY = 400


def stuck(planned: Planned, *, minutes: int, **facts: object) -> None:
    """Leave a delivery as a worker that died so long ago would."""
    Delivery.objects.filter(notification=planned.notification_id).update(
        status="sending", claimed_at=NOW - timedelta(minutes=minutes), attempts=1, **facts
    )


@pytest.mark.django_db
@time_machine.travel(NOW, tick=False)
def test_leaves_what_somebody_is_still_sending(smtp_server: MailServer) -> None:
    planned = say(ContactFactory())
    stuck(planned, minutes=14)

    assert deliver_notifications().counts.total() == 0
    assert states(planned) == {"email": "sending"}


@pytest.mark.django_db
@time_machine.travel(NOW, tick=False)
def test_sends_an_email_once_more_after_fifteen_minutes(smtp_server: MailServer) -> None:
    planned = say(ContactFactory())
    stuck(planned, minutes=16)

    assert deliver_notifications().done == 1

    found = delivery(planned)
    assert (found.status, found.resent_at, found.attempts) == ("sent", NOW, 2)
    assert len(smtp_server.messages) == 1


@pytest.mark.django_db
@time_machine.travel(NOW, tick=False)
def test_never_sends_an_email_a_third_time(smtp_server: MailServer) -> None:
    planned = say(ContactFactory())
    stuck(planned, minutes=16, resent_at=NOW - timedelta(hours=1))

    report = deliver_notifications()

    assert smtp_server.messages == []
    assert (report.done, report.failed) == (0, 1)
    assert (delivery(planned).status, delivery(planned).reason) == ("failed", "unknown")
    assert delivery(planned).notification.status == "failed"


@pytest.mark.django_db
@time_machine.travel(NOW, tick=False)
def test_never_sends_a_text_message_twice(smtp_server: MailServer) -> None:
    planned = say(ContactFactory())
    stuck(planned, minutes=16, channel=Channel.SMS)

    assert deliver_notifications().failed == 1

    found = delivery(planned, Channel.SMS)
    assert (found.status, found.reason) == ("failed", "unknown")


@pytest.mark.django_db
@time_machine.travel(NOW, tick=False)
def test_sends_a_digest_once_more_as_it_was(smtp_server: MailServer) -> None:
    ada = ContactFactory()
    first = say(ada, messages.REMINDER, "1", context={"number": "1"}, channels=(Channel.EMAIL,))
    second = say(
        ada, messages.REMINDER, "2", context={"number": "2"}, channels=(Channel.EMAIL,)
    )
    stuck(first, minutes=16)
    stuck(second, minutes=16, carried_by=delivery(first))
    say(ada, messages.REMINDER, "3", context={"number": "3"}, channels=(Channel.EMAIL,))

    deliver_notifications()

    again, new = (mail.message["Subject"] for mail in smtp_server.messages)
    assert (again, new) == ("2 to pay", "1 to pay")
    assert delivery(second).carried_by == delivery(first)


# ---- with real processes -----------------------------------------------------------------


def say_to_many() -> None:
    firm = FirmFactory()
    with transaction.atomic():
        notify(
            [
                Draft(
                    type=GENERAL_MESSAGE,
                    firm_id=firm.pk,
                    recipient=contact,
                    dedupe_key="once",
                    context={"subject": "Water off", "text": "On Monday from 9 to 11."},
                    channels=(Channel.EMAIL,),
                )
                for contact in ContactFactory.create_batch(MANY, firm=firm)
            ]
        )


@contextmanager
def delivering(
    database: FileDatabase, server: MailServer, log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the command in a process of its own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "deliver_notifications"],
            cwd=ROOT,
            env={**database.environment, "EMAIL_URL": server.url},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_sends_at_most_once_more_after_a_kill(
    file_database: FileDatabase, smtp_server: MailServer, tmp_path: Path
) -> None:
    say_to_many()
    with delivering(file_database, smtp_server, tmp_path / "log") as process:
        wait_for(
            lambda: len(smtp_server.messages) >= 130,
            every=0.002,
            about=(tmp_path / "log").read_text,
        )
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    left = Counter(Delivery.objects.values_list("status", flat=True))
    assert left["sending"] > 0
    assert left["sent"] + left["sending"] + left["queued"] == MANY
    # Time passes: the claims of the dead process grow old.
    claims = Delivery.objects.filter(status="sending")
    claims.update(claimed_at=timezone.now() - timedelta(minutes=16))

    with delivering(file_database, smtp_server, tmp_path / "log") as process:
        assert process.wait(60) == 0

    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"}
    times = Counter(mail.recipients[0] for mail in smtp_server.messages)
    ids = {(mail.recipients[0], mail.message["Message-ID"]) for mail in smtp_server.messages}
    assert len(times) == len(ids) == MANY  # everybody, under one Message-ID each
    assert set(times.values()) <= {1, 2}
    assert sum(times.values()) - MANY <= TOGETHER


@pytest.mark.slow
def test_finishes_the_message_and_puts_the_rest_back_when_asked_to_stop(
    file_database: FileDatabase, smtp_server: MailServer, tmp_path: Path
) -> None:
    say_to_many()
    with delivering(file_database, smtp_server, tmp_path / "log") as process:
        wait_for(
            lambda: len(smtp_server.messages) >= 130,
            every=0.002,
            about=(tmp_path / "log").read_text,
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 1
    out = (tmp_path / "log").read_text()
    assert "Interrupted" in out
    assert f"  Sent: {len(smtp_server.messages)}\n" in out
    left = Counter(Delivery.objects.values_list("status", flat=True))
    assert left == {"sent": len(smtp_server.messages), "queued": MANY - left["sent"]}
    assert set(Delivery.objects.filter(status="queued").values_list("attempts")) == {(0,)}

    with delivering(file_database, smtp_server, tmp_path / "log") as process:
        assert process.wait(60) == 0

    times = Counter(mail.recipients[0] for mail in smtp_server.messages)
    assert len(times) == MANY
    assert set(times.values()) == {1}


@pytest.mark.slow
def test_sends_once_when_two_workers_deliver_at_once(
    file_database: FileDatabase, smtp_server: MailServer, settings: Settings
) -> None:
    settings.MESSAGES = "project.messages"
    say_to_many()

    def work() -> int:
        try:
            return deliver_notifications().done
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        done = [future.result(60) for future in [pool.submit(work), pool.submit(work)]]

    assert sum(done) == MANY
    times = Counter(mail.recipients[0] for mail in smtp_server.messages)
    assert len(times) == MANY
    assert set(times.values()) == {1}
