"""Messages get through, each once, whatever dies or does not answer on the way."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from django import db
from django.core import mail
from pytest_django import Settings

from apps.installations.leaving import trust_this_machine
from apps.monitoring import channels
from apps.monitoring.models import Alert, Delivery
from apps.monitoring.services import deliver
from apps.monitoring.services.heartbeat import ping
from tests.monitoring.watching import NOW, after
from tests.servers.answering import answering
from tests.servers.receiver import Receiver, receiver
from tests.servers.smtp import MailServer


def make_delivery(channel: str, due: datetime = NOW, **fields: object) -> Delivery:
    words = {"subject": "greet_contacts failed", "body": '{"über": 1}'}
    return Delivery.objects.create(
        **{"channel": channel, "due_at": due, "made_at": NOW} | words | fields
    )


def outcome(delivery: Delivery) -> tuple[str, int, str]:
    delivery.refresh_from_db()
    return (delivery.state, delivery.attempts, delivery.problem)


@pytest.mark.usefixtures("told")
def test_sends_an_email_past_the_outbox(smtp_server: MailServer, settings: Settings) -> None:
    settings.ALERT_EMAILS = ["ops@nightshift.example", "boss@nightshift.example"]
    delivery = make_delivery("email", body="This went wrong:\n")
    deliver(now=NOW)
    deliver(now=after(minutes=10))
    (one,) = smtp_server.messages
    assert one.recipients == ["ops@nightshift.example", "boss@nightshift.example"]
    assert one.message["Subject"] == "[Nightshift] greet_contacts failed"
    assert one.message["Message-ID"] == f"<{delivery.key}@localhost>"
    assert one.message["Auto-Submitted"] == "auto-generated"
    assert one.message.get_content() == "This went wrong:\n"
    assert outcome(delivery) == ("sent", 1, "")
    assert delivery.sent_at == NOW


@pytest.mark.usefixtures("told")
def test_signs_a_webhook_as_the_standard_says(hook: Receiver) -> None:
    delivery = make_delivery("webhook")
    deliver(now=NOW)
    (request,) = hook.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    key, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert (key, stamp) == (str(delivery.key), str(int(NOW.timestamp())))
    signed = f"{key}.{stamp}.".encode() + '{"über": 1}'.encode()
    digest = hmac.digest(b"nightshift-webhook-secret", signed, hashlib.sha256)
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_signs_what_the_standards_own_example_signs() -> None:
    # From the specification's reference implementations.
    assert (
        channels.sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.usefixtures("told")
def test_tries_again_ever_later_and_gives_up_after_a_day(hook: Receiver) -> None:
    delivery = make_delivery("webhook")
    hook.answer_next(*[503] * 9)
    waits, now = [], NOW
    for _ in range(8):
        deliver(now=now)
        delivery.refresh_from_db()
        waits.append(int((delivery.due_at - now).total_seconds() // 60))
        deliver(now=delivery.due_at - timedelta(seconds=1))
        now = delivery.due_at
    assert waits == [1, 2, 5, 15, 60, 180, 360, 720]
    assert outcome(delivery) == ("waiting", 8, "answered 503")
    deliver(now=now)
    assert outcome(delivery) == ("given_up", 9, "answered 503")
    assert len({one.headers["webhook-id"] for one in hook.requests}) == 1
    assert len(hook.requests) == 9


@pytest.mark.usefixtures("told")
def test_gives_up_at_once_where_nobody_wants_to_hear(hook: Receiver) -> None:
    delivery = make_delivery("webhook")
    hook.answer_next(410)
    deliver(now=NOW)
    assert outcome(delivery) == ("given_up", 1, "answered 410")


@pytest.mark.usefixtures("told")
def test_lets_neither_channel_stop_the_other(
    hook: Receiver, smtp_server: MailServer, settings: Settings
) -> None:
    email, webhook = make_delivery("email"), make_delivery("webhook")
    hook.answer_next(500)
    smtp_server.refuse_next(code=552)
    deliver(now=NOW)
    assert outcome(email) == ("waiting", 1, "SMTPDataError 552")
    assert outcome(webhook) == ("waiting", 1, "answered 500")
    settings.EMAIL_PORT = 1  # nobody listens
    deliver(now=after(minutes=1))
    assert outcome(email) == ("waiting", 2, "ConnectionRefusedError")
    assert outcome(webhook) == ("sent", 2, "")


@pytest.mark.usefixtures("told")
def test_never_repeats_the_address_it_could_not_reach(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ALERT_WEBHOOK_URL = "http://127.0.0.1:1/hush"
    settings.ALERT_WEBHOOK_SECRET = "whsec_" + "A" * 32
    delivery = make_delivery("webhook")
    deliver(now=NOW)
    assert outcome(delivery) == ("waiting", 1, "ConnectionError")
    assert "hush" not in caplog.text


@pytest.mark.usefixtures("told")
def test_does_not_wait_for_ever(settings: Settings) -> None:
    settings.ALERT_TIMEOUT = 0.2
    settings.ALERT_WEBHOOK_SECRET = "whsec_" + "A" * 32
    delivery = make_delivery("webhook")
    with answering(lambda connection: list(iter(lambda: connection.recv(65_536), b""))) as url:
        settings.ALERT_WEBHOOK_URL = url
        deliver(now=NOW)
    assert outcome(delivery) == ("waiting", 1, "ReadTimeout")


@pytest.mark.django_db
def test_sends_again_what_died_with_its_sender(settings: Settings) -> None:
    settings.ALERT_EMAILS = ["ops@nightshift.example"]
    make_delivery("email", after(minutes=5), attempts=1)  # claimed at NOW
    deliver(now=after(minutes=4))
    assert mail.outbox == []
    deliver(now=after(minutes=5))
    assert [one.subject for one in mail.outbox] == ["[Nightshift] greet_contacts failed"]


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_sends(hook: Receiver) -> None:
    for _ in range(5):
        make_delivery("webhook")
    together = Barrier(2)

    def send() -> None:
        together.wait()
        deliver(now=NOW)
        db.connections.close_all()

    threads = [Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hook.requests) == len({one.headers["webhook-id"] for one in hook.requests}) == 5
    assert not Delivery.objects.exclude(state="sent", attempts=1).exists()


@pytest.mark.usefixtures("told", "strange_machine")
def test_a_restored_copy_alarms_nobody_and_shows_no_life(
    hook: Receiver, settings: Settings
) -> None:
    settings.HEARTBEAT_URL = f"{hook.url}/ping"
    delivery = make_delivery("webhook")
    deliver(now=NOW)
    ping()
    assert (hook.requests, outcome(delivery)) == ([], ("waiting", 0, ""))
    trust_this_machine()
    deliver(now=NOW)
    ping()
    assert [request.path for request in hook.requests] == ["/hook", "/ping"]


# ---- the heartbeat --------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_heartbeat_says_whether_all_is_well(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    ping()  # nobody wants one
    with receiver() as there:
        settings.HEARTBEAT_URL = f"{there.url}/ping/uuid?rid=1"
        ping()
        for number in range(12):
            Alert.objects.create(
                kind="failed", job=str(number), text=f"{number} failed.",
                opened_at=after(minutes=number), seen_at=NOW,
            )  # fmt: skip
        ping()
        Alert.objects.update(acknowledged_at=NOW)
        Alert.objects.create(kind="slow", job="x", opened_at=NOW, seen_at=NOW)
        there.answer_next(404)
        ping()
    assert [one.path for one in there.requests] == [
        "/ping/uuid?rid=1", "/ping/uuid/fail?rid=1", "/ping/uuid?rid=1"
    ]  # fmt: skip
    said = there.requests[1].body.decode().splitlines()
    assert said == [f"{number} failed." for number in range(10)] + ["and 2 more"]
    assert there.requests[0].body == b""
    assert "The heartbeat could not be sent: answered 404" in caplog.text
    settings.HEARTBEAT_URL = "http://127.0.0.1:1/hush"
    ping()
    assert "The heartbeat could not be sent: ConnectionError" in caplog.text
    assert "hush" not in caplog.text
