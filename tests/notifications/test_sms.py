"""Text messages, from the outbox to the carrier and back (spec A10.4, A10.8)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.notifications.models import Channel, Delivery, Notification, Suppression
from apps.notifications.services import deliver_notifications, suppress
from apps.webhooks.models import WebhookEvent, WebhookRefusal
from apps.webhooks.services import disable_account, process_webhook_events
from sandbox import Sandbox
from tests.factories import ContactFactory, MembershipFactory
from tests.notifications import messages
from tests.notifications.outbox import say, states
from tests.notifications.texting import (
    agree,
    became,
    bodies,
    call_back,
    open_account,
    replies,
    somebody,
    text,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 3, 12, tzinfo=UTC)
ADA, BOB = "+15550100", "+15550101"


@pytest.fixture(autouse=True)
def clock(settings: Settings) -> Iterator[Any]:
    settings.SMS_TIMEOUT = 0.3
    settings.SITE_URL = "https://nightshift.example"  # behind a proxy that speaks TLS
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def ada(sandbox: Sandbox) -> Contact:
    return somebody(sandbox, ADA)


@pytest.fixture
def bob(sandbox: Sandbox) -> Contact:
    """The neighbour: another firm's."""
    return somebody(sandbox, BOB, name="Bob")


# ---- out -----------------------------------------------------------------------------------


def test_are_sent_from_the_firms_own_sender(
    sandbox: Sandbox, ada: Contact, bob: Contact
) -> None:
    deliveries = [text(ada), text(bob)]

    report = deliver_notifications()

    assert bodies(sandbox) == [
        (ADA, "Ada's landlord: Rent is due\nReply STOP to end."),
        (BOB, "Bob's landlord: Rent is due\nReply STOP to end."),
    ]
    assert [one["from"] for one in reversed(sandbox.twilio.messages())] == [
        f"+1555{ada.firm_id:07d}",
        f"+1555{bob.firm_id:07d}",
    ]
    assert [became(pk) for pk in deliveries] == [("sent", "")] * 2
    sids = {one["sid"] for one in sandbox.twilio.messages()}
    assert set(Delivery.objects.values_list("provider_id", flat=True)) == sids
    assert (report.done, report.failed) == (2, 0)


def test_are_planned_only_where_there_is_an_account_and_consent(sandbox: Sandbox) -> None:
    without, silent = ContactFactory(phone=ADA), ContactFactory(phone=BOB)
    agree(without)
    open_account(sandbox, silent.firm)
    ready = somebody(sandbox, "+15550102")

    planned = [say(one, messages.EVERYWHERE) for one in (without, silent, ready)]

    assert ["sms" in states(one) for one in planned] == [False, False, True]


def test_tell_how_they_fared(sandbox: Sandbox, ada: Contact) -> None:
    pk = text(ada)
    deliver_notifications()
    (message,) = sandbox.twilio.messages()
    sandbox.twilio.settle(message["sid"], status="sent")
    sandbox.twilio.settle(message["sid"])
    sandbox.twilio.settle(message["sid"], status="sent")  # late, and again

    assert replies(sandbox) == ["", "", ""]
    assert became(pk) == ("delivered", "")
    assert Notification.objects.get().status == "sent"
    assert list(WebhookEvent.objects.values_list("type", "status", "firm").order_by("pk")) == [
        ("message.sent", "processed", ada.firm_id),
        ("message.delivered", "processed", ada.firm_id),
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(30003, None), (30005, "hard_bounce"), (30006, "hard_bounce"), (21610, "opt_out")],
)
def test_that_are_lost_close_the_number_if_nobody_will_ever_be_there(
    sandbox: Sandbox, ada: Contact, code: int, reason: str | None
) -> None:
    pk = text(ada)
    deliver_notifications()
    sid = sandbox.twilio.messages()[0]["sid"]
    sandbox.twilio.settle(sid, status="undelivered", code=code)
    call_back(sandbox)

    assert became(pk) == ("failed", f"undelivered {code}")
    assert Notification.objects.get().status == "failed"
    found = list(Suppression.objects.values_list("firm", "channel", "reason"))
    assert found == ([(ada.firm_id, "sms", reason)] if reason else [])


@pytest.mark.parametrize(
    ("code", "closes"), [(21610, "opt_out"), (21211, "hard_bounce"), (21408, None)]
)
def test_that_are_refused_are_not_tried_again(
    sandbox: Sandbox, ada: Contact, bob: Contact, code: int, closes: str | None
) -> None:
    sandbox.twilio.misbehave("decline", code=code)
    refused, taken = text(ada), text(bob)

    report = deliver_notifications()
    deliver_notifications()

    assert became(refused) == ("failed", str(code))
    assert became(taken) == ("sent", "")
    found = Suppression.objects.values_list("firm", "reason")
    assert list(found) == ([(ada.firm_id, closes)] if closes else [])
    assert report.failed == 0


def test_wait_when_the_carrier_is_busy(sandbox: Sandbox, ada: Contact, clock: Any) -> None:
    sandbox.twilio.misbehave("rate_limit", retry_after=60)
    pk = text(ada)

    deliver_notifications()
    assert became(pk) == ("queued", "429")
    clock.shift(timedelta(minutes=1))
    deliver_notifications()

    assert became(pk) == ("sent", "")
    assert len(bodies(sandbox)) == 1


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after", "malformed", "trickle"])
def test_whose_answer_was_lost_are_never_sent_again_and_found_by_their_callback(
    sandbox: Sandbox, ada: Contact, bob: Contact, clock: Any, kind: str
) -> None:
    sandbox.twilio.misbehave(kind, where={"To": ADA})
    lost, after, neighbours = text(ada), text(ada, "Again", "key-2"), text(bob)

    report = deliver_notifications()

    assert became(lost)[0] == "failed"
    assert became(lost)[1].startswith("unknown whether it was sent")
    assert became(after) == ("queued", "")  # or it could be lost as well
    assert became(neighbours) == ("sent", "")
    assert report.failed == 1

    clock.shift(timedelta(minutes=30))
    deliver_notifications()
    assert [to for to, _ in bodies(sandbox)] == [ADA, BOB, ADA]
    assert became(after) == ("sent", "")

    first = sandbox.twilio.messages()[-1]["sid"]
    sandbox.twilio.settle(first, status="sent")
    call_back(sandbox)
    assert became(lost) == ("sent", "")
    sandbox.twilio.settle(first)
    call_back(sandbox)
    assert became(lost) == ("delivered", "")
    assert Delivery.objects.get(pk=lost).provider_id == first


def test_that_a_crash_left_half_way_are_not_sent_again(sandbox: Sandbox, ada: Contact) -> None:
    pk = text(ada)
    Delivery.objects.update(status="sending", attempts=1, claimed_at=NOW - timedelta(hours=1))

    deliver_notifications()

    assert became(pk) == ("failed", "unknown")
    assert bodies(sandbox) == []


def test_of_a_firm_with_wrong_credentials_wait_and_stop_nobody_else(
    sandbox: Sandbox, bob: Contact, clock: Any
) -> None:
    ada = somebody(sandbox, ADA, auth_token="old")
    waiting = [text(ada, key=f"key-{n}") for n in range(3)]
    sent = text(bob)

    report = deliver_notifications()

    assert [became(pk) for pk in waiting] == [("queued", "")] * 3
    assert became(sent) == ("sent", "")
    assert report.failed == 1
    refused = [one for one in sandbox.requests if one.status == 401]
    assert len(refused) == 1

    account = ada.firm.gateway_accounts.get()
    account.credentials["auth_token"] = f"token-{ada.firm_id}"
    account.save()
    clock.shift(timedelta(minutes=1))
    deliver_notifications()
    assert [became(pk) for pk in waiting] == [("sent", "")] * 3


def test_wait_while_the_carrier_cannot_be_reached(
    sandbox: Sandbox, settings: Settings, ada: Contact, clock: Any
) -> None:
    there, settings.TWILIO_API = settings.TWILIO_API, "http://127.0.0.1:9"
    pk = text(ada)
    deliver_notifications()
    assert became(pk) == ("queued", "")

    settings.TWILIO_API = there
    clock.shift(timedelta(minutes=1))
    deliver_notifications()
    assert became(pk) == ("sent", "")


def test_that_are_too_long_or_have_no_account_any_more_fail_alone(
    sandbox: Sandbox, ada: Contact, bob: Contact
) -> None:
    long, short, orphan = text(ada, "word " * 200), text(ada, key="key-2"), text(bob)
    disable_account(account=bob.firm.gateway_accounts.get(), actor=None)

    deliver_notifications()

    assert became(long) == ("failed", "too long for an SMS (7 segments)")
    assert became(short) == ("sent", "")
    assert became(orphan) == ("failed", "no account for text messages")


def test_are_held_at_night(sandbox: Sandbox, ada: Contact, clock: Any) -> None:
    clock.move_to(datetime(2025, 3, 3, 23, tzinfo=UTC))
    text(ada)
    deliver_notifications()

    assert bodies(sandbox) == []
    assert Delivery.objects.get().next_attempt_at == datetime(2025, 3, 4, 8, tzinfo=UTC)


def test_leave_no_trace_in_a_dry_run(sandbox: Sandbox, ada: Contact) -> None:
    pk = text(ada)
    deliver_notifications(dry_run=True)

    assert became(pk) == ("queued", "")
    assert sandbox.requests == []


# ---- in ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["STOP", "stop", " Stop. ", "STOPALL", "unsubscribe", "Cancel", "end", "QUIT",
             "opt out", "optout", "Revoke"],
)  # fmt: skip
def test_end_at_once_with_a_word(sandbox: Sandbox, ada: Contact, word: str) -> None:
    pk = text(ada)
    sandbox.twilio.receive(ADA, word)

    assert replies(sandbox) == [
        "Ada&#x27;s landlord: you will get no more text messages. "
        "Reply START to get them again."
    ]
    deliver_notifications()
    assert became(pk) == ("suppressed", "suppressed")
    assert bodies(sandbox) == []
    assert AuditEvent.objects.get(action="sms_stopped").object_id == str(ada.pk)


def test_end_for_one_firm_only_and_are_acknowledged_once(
    sandbox: Sandbox, ada: Contact, bob: Contact
) -> None:
    at_bobs = ContactFactory(firm=bob.firm, phone=ADA, timezone="UTC")
    agree(at_bobs)
    ours = f"AC{ada.firm_id:032d}"
    sandbox.twilio.receive(ADA, "STOP", account=ours)
    sandbox.twilio.receive(ADA, "STOP", account=ours)

    assert [bool(words) for words in replies(sandbox)] == [True, False]
    pk = text(at_bobs)
    deliver_notifications()
    assert became(pk) == ("sent", "")


@pytest.mark.parametrize("word", ["START", "unstop", "Yes"])
def test_begin_again_with_a_word(sandbox: Sandbox, ada: Contact, word: str) -> None:
    for said in ("STOP", word, word):
        sandbox.twilio.receive(ADA, said)

    assert replies(sandbox)[1:] == [
        "Ada&#x27;s landlord: you will get text messages again. Reply STOP to end.",
        "",
    ]
    pk = text(ada)
    deliver_notifications()
    assert became(pk) == ("sent", "")


def test_do_not_begin_again_for_who_was_erased(sandbox: Sandbox, ada: Contact) -> None:
    suppress(
        firm_id=ada.firm_id,
        channel=Channel.SMS,
        address=ADA,
        reason=Suppression.Reason.ERASED,
    )
    sandbox.twilio.receive(ADA, "START")

    assert replies(sandbox) == [""]
    assert Suppression.objects.get().reason == "erased"


def test_are_not_answered_where_twilio_has(sandbox: Sandbox, ada: Contact) -> None:
    sandbox.twilio.receive(ADA, "Arrêt", OptOutType="STOP")

    assert replies(sandbox) == [""]
    assert Suppression.objects.get().reason == "opt_out"


def test_help_with_a_way_to_reach_the_firm(sandbox: Sandbox, ada: Contact) -> None:
    ada.firm.settings.reply_to = "office@ada.example"
    ada.firm.settings.save()
    sandbox.twilio.receive(ADA, "help")

    assert replies(sandbox) == [
        "Ada&#x27;s landlord: Write to office@ada.example. Reply STOP to end text messages."
    ]


def test_that_are_no_word_of_command_reach_the_firms_owners(
    sandbox: Sandbox, ada: Contact, settings: Settings
) -> None:
    settings.MESSAGES = "project.messages"
    owner = MembershipFactory(firm=ada.firm).user
    sandbox.twilio.receive(ADA, "Please stop the leak")
    (event,) = sandbox.core.callbacks.waiting
    sandbox.core.callbacks.waiting.append(event)  # Twilio says it twice

    assert replies(sandbox) == ["", ""]
    told = Notification.objects.get()
    assert (told.type, told.recipient_user) == ("text_received", owner)
    assert told.context == {"from": "Ada", "number": ADA, "text": "Please stop the leak"}


# ---- whom to believe -----------------------------------------------------------------------


def test_are_not_believed_unless_twilio_signed_them(
    sandbox: Sandbox, ada: Contact, settings: Settings
) -> None:
    sandbox.core.callbacks.misbehave("forged")
    sandbox.twilio.receive(ADA, "STOP")
    assert [one.status_code for one in call_back(sandbox)] == [401]

    sandbox.twilio.receive(ADA, "STOP")
    settings.SITE_URL = "https://elsewhere.example"  # signed for another address
    assert [one.status_code for one in call_back(sandbox)] == [401]

    assert not Suppression.objects.exists()
    assert not WebhookEvent.objects.exists()
    refusal = WebhookRefusal.objects.get()
    assert (refusal.provider, refusal.reason, refusal.count) == ("twilio", "bad_signature", 2)


def test_of_another_firm_change_nothing_here(
    sandbox: Sandbox, ada: Contact, bob: Contact
) -> None:
    pk = text(ada)
    deliver_notifications()
    mine, theirs = sandbox.twilio.accounts.values()
    message = next(iter(sandbox.twilio.sent.values()))
    own_path = f"/webhooks/twilio/{bob.firm.gateway_accounts.get().key}/"
    query = message.callback.partition("?")[2]
    message.account, message.callback = (
        theirs.sid,
        f"https://nightshift.example{own_path}?{query}",
    )
    sandbox.twilio.settle(message.sid, status="failed", code=30005)

    assert [one.status_code for one in call_back(sandbox)] == [200]
    assert became(pk) == ("sent", "")
    assert not Suppression.objects.exists()
    assert WebhookEvent.objects.get().status == "ignored"
    assert mine.sid != theirs.sid


def test_are_acted_on_by_the_job_when_that_failed_at_first(
    sandbox: Sandbox, ada: Contact, settings: Settings
) -> None:
    settings.WEBHOOKS = "tests.notifications.refusing"
    sandbox.twilio.receive(ADA, "STOP")
    assert replies(sandbox) == [""]
    assert WebhookEvent.objects.get().status == "received"

    settings.WEBHOOKS = "project.webhooks"
    process_webhook_events()

    assert WebhookEvent.objects.get().status == "processed"
    assert Suppression.objects.get().reason == "opt_out"
