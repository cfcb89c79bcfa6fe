"""Mail that comes back (RFC 3464, RFC 5965, RFC 8058) ..."""

import hmac
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from apps.core.fields import Secrets
from apps.notifications.models import Delivery, NotificationPreference, Suppression
from apps.notifications.reports import read_report
from apps.notifications.services import deliver_notifications, unsubscribe_token
from apps.notifications.services.letters import reference
from apps.notifications.types import Category
from apps.webhooks.models import GatewayAccount, WebhookEvent
from apps.webhooks.services import process_webhook_events
from tests.factories import ContactFactory, GatewayAccountFactory
from tests.notifications import messages
from tests.notifications.outbox import delivery, say
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

SECRET = "mail-server-secret"
NAME = "delivery-7-20250303150000123456"


@pytest.fixture
def account(settings: Settings) -> GatewayAccount:
    settings.WEBHOOKS = "project.webhooks"
    made: GatewayAccount = GatewayAccountFactory(
        firm=None, provider="mail", credentials=Secrets(webhook_secret=SECRET)
    )
    return made


def bounce(
    name: str = NAME,
    *,
    to: str = "ada@example.com",
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "smtp; 550 5.1.1 No such user",
    original: str = "text/rfc822-headers",
) -> bytes:
    """A bounce as Postfix writes it."""
    return f"""\
From: MAILER-DAEMON@mx.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: nightshift@localhost
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="B"

This is a MIME-encapsulated message.

--B
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--B
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Mon,  3 Mar 2025 15:00:00 +0000 (UTC)

Final-Recipient: rfc822; {to}
Original-Recipient: rfc822;{to}
Action: {action}
Status: {status}
Diagnostic-Code: {said}

--B
Content-Description: Undelivered Message Headers
Content-Type: {original}

Message-ID: <{name}@localhost>
From: "Alder Homes" <nightshift@localhost>
To: {to}
Subject: Hello

--B--
""".encode()


def complaint(name: str, *, kind: str = "abuse", to: str = "ada@example.com") -> bytes:
    """A complaint as the large providers' feedback loops write it."""
    return f"""\
From: <abuse@provider.example>
Subject: FW: Hello
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.

--B
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1

--B
Content-Type: message/rfc822
Content-Disposition: inline

From: "Alder Homes" <nightshift@localhost>
To: {to}
Subject: Hello
Message-ID: <{name}@localhost>

Good day.
--B--
""".encode()


def post(account: GatewayAccount, raw: bytes, secret: str = SECRET) -> int:
    """Pass a mail on, as the mail server does."""
    return Client(enforce_csrf_checks=True).post(
        f"/webhooks/mail/{account.key}/",
        raw,
        content_type="message/rfc822",
        headers={"Nightshift-Signature": hmac.new(secret.encode(), raw, sha256).hexdigest()},
    ).status_code  # fmt: skip


def come(account: GatewayAccount, raw: bytes) -> None:
    assert post(account, raw) == 200
    process_webhook_events()


def sent(address: str = "ada@example.com") -> Delivery:
    """Return an e-mail that a mail server has taken."""
    found = delivery(say(ContactFactory(email=address)))
    when = datetime(2025, 3, 3, tzinfo=UTC)
    Delivery.objects.filter(pk=found.pk).update(status="sent", sent_at=when)
    return found


def became(one: Delivery) -> tuple[str, str, str]:
    one.refresh_from_db()
    one.notification.refresh_from_db()
    return one.status, one.reason, one.notification.status


def closed() -> list[tuple[int, str]]:
    return list(Suppression.objects.values_list("firm", "reason"))


# ---- what is read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "kind", "code"),
    [
        ({}, "gone", "5.1.1"),
        ({"status": "5.1.10", "said": "smtp;550 5.1.10 RESOLVER.ADR"}, "gone", "5.1.10"),
        ({"status": "5.0.0", "said": "smtp; 550 5.1.1 unknown"}, "gone", "5.1.1"),
        ({"status": "5.0.0", "said": "smtp; 550 no such user here"}, "gone", "550"),
        ({"status": "5.2.2", "said": "smtp; 552 5.2.2 mailbox full"}, "failed", "5.2.2"),
        ({"status": "5.7.1", "said": "smtp; 550 5.7.1 policy"}, "failed", "5.7.1"),
        ({"status": "5.0.0", "said": "smtp; 554 rejected"}, "failed", "554"),
        ({"status": "4.4.1", "said": "timed out"}, "failed", "4.4.1"),
        ({"action": "delayed", "status": "4.4.1"}, "delayed", "4.4.1"),
        ({"original": "message/rfc822"}, "gone", "5.1.1"),
    ],
)
def test_says_what_became_of_a_message(how: dict[str, Any], kind: str, code: str) -> None:
    found = read_report(bounce(**how))

    assert found is not None
    assert (found.kind, found.code) == (kind, code)
    assert (found.reference, found.address) == (NAME, "ada@example.com")


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: Hello\n\nOut of office until Monday.",
        bounce(action="delivered", status="2.0.0"),
        bounce(name="somebody-elses"),
        complaint(NAME, kind="not-spam"),
        bounce()[:600],
        bounce().replace(b"message/delivery-status", b"text/plain"),
        b"Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/rfc822\n\n",
        b"\xff\xfe\x00: nonsense\n\n\x00",
    ],
)
def test_says_nothing_otherwise(raw: bytes) -> None:
    assert read_report(raw) is None


# ---- what is done -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "reason", "closes"),
    [
        ({}, "bounced 5.1.1", "hard_bounce"),
        ({"status": "5.2.2", "said": "smtp; 552 5.2.2 full"}, "bounced 5.2.2", None),
    ],
)
def test_closes_an_address_that_does_not_exist_only(
    account: GatewayAccount, how: dict[str, str], reason: str, closes: str | None
) -> None:
    lost, neighbours = sent(), sent()
    come(account, bounce(reference(lost), **how))

    assert became(lost) == ("failed", reason, "failed")
    assert became(neighbours) == ("sent", "", "queued")
    assert closed() == ([(lost.firm_id, closes)] if closes else [])
    assert WebhookEvent.objects.get().status == "processed"


def test_leaves_a_delayed_message_alone(account: GatewayAccount) -> None:
    slow = sent()
    come(account, bounce(reference(slow), action="delayed", status="4.4.1"))

    assert became(slow)[0] == "sent"
    assert closed() == []


def test_closes_the_address_of_who_complains(
    account: GatewayAccount, smtp_server: MailServer
) -> None:
    annoying = sent()
    come(account, complaint(reference(annoying)))

    assert closed() == [(annoying.firm_id, "complaint")]
    assert became(annoying)[0] == "sent"
    recipient = annoying.notification.recipient_contact
    assert recipient is not None
    say(recipient, messages.BY_EMAIL, "another")
    deliver_notifications()
    assert smtp_server.messages == []


@pytest.mark.parametrize("to", ["eve@example.com", "bob@example.com"])
def test_closes_nobody_elses_address(account: GatewayAccount, to: str) -> None:
    mine, _ = sent(), sent("bob@example.com")
    come(account, bounce(reference(mine), to=to))

    assert closed() == []


def test_believes_only_who_knows_the_message(account: GatewayAccount) -> None:
    unread = sent()
    come(account, bounce(f"delivery-{unread.pk}-20250303150000123456"))

    assert became(unread)[0] == "sent"
    assert WebhookEvent.objects.get().status == "ignored"


def test_is_taken_in_once_and_only_when_signed(account: GatewayAccount) -> None:
    raw = bounce(reference(sent()))

    assert post(account, raw, "guessed") == 401
    assert post(account, b"") == 400
    assert [post(account, raw), post(account, raw)] == [200, 200]
    assert WebhookEvent.objects.count() == 1


def test_ends_optional_messages_when_its_subject_says_so(account: GatewayAccount) -> None:
    ada = ContactFactory()
    token = unsubscribe_token(
        firm_id=ada.firm_id, recipient_key=f"contact:{ada.pk}", category=Category.MARKETING
    )
    come(account, f"From: ada@example.com\nSubject: unsubscribe\n {token}\n\n".encode())
    come(account, b"From: eve@example.com\nSubject: unsubscribe forged\n\n")

    row = NotificationPreference.objects.get()
    assert (row.firm, row.recipient_key) == (ada.firm, f"contact:{ada.pk}")
    assert (row.category, row.wanted) == ("marketing", False)
