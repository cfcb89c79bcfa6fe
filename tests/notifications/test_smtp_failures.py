"""When the mail server says no, later, or nothing (spec A10.4, A10.8)."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.contacts.models import Contact
from apps.core.reports import Outcome
from apps.notifications.models import Delivery, Suppression
from apps.notifications.services import deliver_notifications
from tests.factories import ContactFactory
from tests.notifications import messages
from tests.notifications.outbox import delivery, say, states
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 3, 15, tzinfo=UTC)


@pytest.fixture
def ada() -> Contact:
    return ContactFactory(email="ada@example.com")


@pytest.fixture
def bob(ada: Contact) -> Contact:
    return ContactFactory(firm=ada.firm, email="bob@example.com")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def test_tries_again_after_1_5_and_30_minutes_and_3_hours_and_gives_up(
    ada: Contact, smtp_server: MailServer, clock: time_machine.Traveller
) -> None:
    smtp_server.refuse("ada@example.com", code=450)
    planned = say(ada)
    waits = []
    for tries in (1, 2, 3, 4):
        report = deliver_notifications()
        found = delivery(planned)
        assert (found.status, found.reason) == ("queued", "450 4.2.1")
        assert found.attempts == tries
        assert (report.failed, report.counts[Outcome.DECLINED]) == (0, 1)
        waits.append(found.next_attempt_at - datetime.now(UTC))
        clock.move_to(found.next_attempt_at - timedelta(seconds=1))
        assert deliver_notifications().counts.total() == 0
        clock.move_to(found.next_attempt_at)
    assert waits == [
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=3),
    ]

    report = deliver_notifications()

    assert (delivery(planned).status, delivery(planned).attempts) == ("failed", 5)
    assert delivery(planned).notification.status == "failed"
    assert report.failed == 1
    clock.shift(timedelta(days=1))
    assert deliver_notifications().counts.total() == 0
    assert not Suppression.objects.exists()


def test_arrives_when_the_server_takes_it_later(
    ada: Contact, smtp_server: MailServer, clock: time_machine.Traveller
) -> None:
    smtp_server.refuse("ada@example.com", code=450)
    planned = say(ada)
    deliver_notifications()
    smtp_server.accept("ada@example.com")
    clock.shift(timedelta(minutes=1))

    deliver_notifications()

    assert len(smtp_server.messages) == 1
    assert (delivery(planned).status, delivery(planned).reason) == ("sent", "")


def test_sends_the_others_when_one_is_refused(
    ada: Contact, bob: Contact, smtp_server: MailServer
) -> None:
    smtp_server.refuse("ada@example.com", code=450)
    say(ada)
    planned = say(bob)

    deliver_notifications()

    assert states(planned) == {"email": "sent"}
    assert smtp_server.connections == 1


def test_suppresses_an_address_that_does_not_exist(
    ada: Contact, bob: Contact, smtp_server: MailServer
) -> None:
    smtp_server.refuse("ada@example.com", code=550)
    planned, other = say(ada), say(bob)

    report = deliver_notifications()

    assert (delivery(planned).status, delivery(planned).reason) == ("failed", "550 5.1.1")
    assert states(other) == {"email": "sent"}
    suppression = Suppression.objects.get()
    assert (suppression.firm, suppression.reason) == (ada.firm, "hard_bounce")
    assert (report.failed, report.counts[Outcome.DECLINED]) == (0, 1)
    again = say(ada, key="next")
    deliver_notifications()
    assert states(again) == {"email": "suppressed"}


def test_still_writes_to_a_bounced_address_for_another_firm(
    ada: Contact, smtp_server: MailServer
) -> None:
    smtp_server.refuse("ada@example.com", code=550)
    say(ada)
    deliver_notifications()
    smtp_server.accept("ada@example.com")
    planned = say(ContactFactory(email="ada@example.com"))

    deliver_notifications()

    assert states(planned) == {"email": "sent"}


@pytest.mark.parametrize(
    ("reply", "status", "suppressed"),
    [
        ("550 No such user here", "failed", True),
        ("551 User not local", "failed", True),
        ("553 5.1.3 Bad address", "failed", True),
        ("554 5.1.6 Mailbox has moved", "failed", True),
        ("550 5.7.1 Your network is blocked", "failed", False),  # it is we who are not liked
        ("552 5.2.2 Mailbox full", "failed", False),
        ("554 Transaction failed", "failed", False),
        ("451 4.3.0 Try later", "queued", False),
        ("452 4.2.2 Mailbox full", "queued", False),
    ],
)
def test_reads_a_refusal(
    ada: Contact, smtp_server: MailServer, reply: str, status: str, suppressed: bool
) -> None:
    smtp_server._refused["ada@example.com"] = reply
    planned = say(ada)

    deliver_notifications()

    assert states(planned) == {"email": status}
    assert Suppression.objects.exists() is suppressed
    assert "@" not in delivery(planned).reason


def test_gives_up_a_message_that_is_refused_for_what_it_says(
    ada: Contact, smtp_server: MailServer
) -> None:
    smtp_server.refuse_next(code=554)
    planned = say(ada)

    deliver_notifications()

    assert (delivery(planned).status, delivery(planned).reason) == ("failed", "554 5.0.0")
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    "address", ["root", "<>", "ada@", "ada@@example.com", "adä@example.com", "ada@a b.c"]
)
def test_gives_up_an_address_that_is_none(
    ada: Contact, bob: Contact, smtp_server: MailServer, address: str
) -> None:
    Contact.objects.filter(pk=ada.pk).update(email=address)
    planned, other = say(ada), say(bob)

    deliver_notifications()

    assert states(planned) == {"email": "failed"}
    assert states(other) == {"email": "sent"}


@pytest.mark.parametrize("how", ["drop", "drop after taking it", "hang"])
def test_goes_on_with_a_new_connection_when_one_is_lost(
    ada: Contact, bob: Contact, smtp_server: MailServer, how: str, settings: Settings
) -> None:
    settings.EMAIL_TIMEOUT = 1
    if how == "hang":
        smtp_server.hang_next()
    else:
        smtp_server.drop_next(keep=how != "drop")
    lost, other = say(ada), say(bob)

    report = deliver_notifications()

    assert states(other) == {"email": "sent"}
    found = delivery(lost)
    assert (found.status, found.next_attempt_at) == ("queued", NOW + timedelta(minutes=1))
    assert found.reason == "connection lost (SMTPServerDisconnected)"
    assert smtp_server.connections == 2
    assert report.failed == 0


def test_sends_under_the_same_message_id_when_in_doubt(
    ada: Contact, smtp_server: MailServer, clock: time_machine.Traveller
) -> None:
    smtp_server.drop_next(keep=True)
    say(ada)
    deliver_notifications()
    clock.shift(timedelta(minutes=1))
    deliver_notifications()

    first, second = smtp_server.messages
    assert first.message["Message-ID"] == second.message["Message-ID"]


def test_keeps_a_digest_together_when_it_is_tried_again(
    ada: Contact, smtp_server: MailServer, clock: time_machine.Traveller
) -> None:
    smtp_server.drop_next(keep=True)
    say(ada, messages.REMINDER, "1", context={"number": "INV-1"})
    say(ada, messages.REMINDER, "2", context={"number": "INV-2"})
    deliver_notifications()
    say(ada, messages.REMINDER, "3", context={"number": "INV-3"})
    clock.shift(timedelta(minutes=1))

    deliver_notifications()

    lost, new, again = (mail.message for mail in smtp_server.messages)
    assert [one["Subject"] for one in (lost, new, again)] == [
        "2 to pay",
        "1 to pay",
        "2 to pay",
    ]
    assert lost["Message-ID"] == again["Message-ID"]


def test_stops_trying_when_every_connection_is_lost(
    ada: Contact, smtp_server: MailServer
) -> None:
    for _ in range(3):
        smtp_server.drop_next()
    for number in range(6):
        say(ada, key=f"{number}")

    report = deliver_notifications()

    assert report.failed == 1
    rows = Delivery.objects.order_by("pk")
    assert {row.status for row in rows} == {"queued"}
    assert [row.attempts for row in rows] == [1, 1, 1, 0, 0, 0]
    assert smtp_server.connections == 3


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def test_leaves_everything_queued_when_nobody_answers(
    ada: Contact, bob: Contact, smtp_server: MailServer, settings: Settings
) -> None:
    settings.EMAIL_PORT = free_port()
    planned = [say(one, key=f"{n}") for one in (ada, bob) for n in range(60)]

    report = deliver_notifications()

    rows = Delivery.objects.all()
    assert len(planned) == 120
    assert {(row.status, row.attempts, row.claimed_at) for row in rows} == {("queued", 0, None)}
    # The first was claimed and put back; the others were not touched.
    soon = NOW + timedelta(minutes=1)
    assert rows.filter(next_attempt_at=soon).count() == 1
    assert report.failed == 1
    assert report.tallies["will_be_retried"] == 1


def test_tells_that_the_server_is_down(
    ada: Contact,
    smtp_server: MailServer,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.EMAIL_PORT = free_port()
    say(ada)

    with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
        call_command("deliver_notifications")

    out = capsys.readouterr().out
    assert "  ✗ e-mail: mail server not usable (ConnectionRefusedError)\n" in out
    assert "  Will be retried: 1\n  Errors: 1\n" in out


def test_goes_out_when_the_server_is_back(
    ada: Contact,
    smtp_server: MailServer,
    settings: Settings,
    clock: time_machine.Traveller,
) -> None:
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    planned = say(ada)
    for _ in range(10):  # longer than its own tries would have lasted
        deliver_notifications()
        clock.shift(timedelta(hours=1))
    settings.EMAIL_PORT = port

    deliver_notifications()

    assert (delivery(planned).status, delivery(planned).attempts) == ("sent", 1)


def test_sends_over_tls_with_a_login(ada: Contact, strict_smtp_server: MailServer) -> None:
    say(ada)

    assert deliver_notifications().failed == 0
    assert len(strict_smtp_server.messages) == 1


def test_sends_nothing_to_a_server_it_cannot_trust(
    ada: Contact, strict_smtp_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    planned = say(ada)

    report = deliver_notifications()

    assert report.failed == 1
    assert strict_smtp_server.messages == []
    assert (delivery(planned).status, delivery(planned).attempts) == ("queued", 0)


def test_sends_nothing_with_a_wrong_password(
    ada: Contact,
    strict_smtp_server: MailServer,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.EMAIL_HOST_PASSWORD = "a-wrong-password"
    planned = say(ada)

    report = deliver_notifications()

    assert report.failed == 1
    assert (delivery(planned).status, delivery(planned).attempts) == ("queued", 0)
    assert "password" not in caplog.text


def test_logs_no_address(
    ada: Contact, bob: Contact, smtp_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    smtp_server.refuse("ada@example.com", code=550)
    smtp_server.refuse("bob@example.com", code=450)
    say(ada)
    say(bob)

    deliver_notifications()

    assert "example.com" not in caplog.text
