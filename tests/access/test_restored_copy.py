"""A database that wakes up on a machine it does not know …"""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from apps.billing.models import PaymentAttempt
from apps.contacts.models import Contact
from apps.directory.models import DirectoryConnection
from apps.documents.models import Document
from apps.installations.leaving import SENTENCE, Strange
from apps.integrations import cards, directory, mailboxes, payments, sms, storage, weather
from apps.jobs.job import registry
from apps.jobs.models import JobRun
from apps.mailbox.models import EmailConnection
from apps.notifications.email import EmailSender
from apps.notifications.models import Delivery, Notification
from apps.notifications.services import deliver_notifications
from apps.subscriptions.services.bank import Bank
from sandbox import Sandbox
from tests.access.trusting import trust
from tests.billing.collecting import NOON, at, collect, open_shop
from tests.billing.paying import an_invoice, pay_path, words
from tests.directory.syncing import connect, figures, sync
from tests.documents.filing import store
from tests.factories import FirmFactory, UserFactory
from tests.mailbox.post import Post, letters
from tests.notifications import texting
from tests.notifications.outbox import say
from tests.servers.directories import ActiveDirectory
from tests.servers.imap import MailHost
from tests.servers.s3 import S3Server, bucket_at
from tests.servers.smtp import MailServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_messages")]

NOW = datetime(2025, 3, 3, 15, tzinfo=UTC)


# ---- every door -------------------------------------------------------------------------

DOORS = {
    "sms.get_texts": lambda: sms.get_texts(account_sid="AC", auth_token="x", sender="+1"),
    "payments.get_payments": lambda: payments.get_payments(provider="stripe", secret_key="x"),
    "cards.get_cards": lambda: cards.get_cards(
        provider="bog", client_id="x", client_secret="x"
    ),
    "storage.get_storage": storage.get_storage,
    "weather.get_weather": lambda: weather.get_weather(ends=0),
    "weather.get_official_alerts": lambda: weather.get_official_alerts(ends=0),
    "mailboxes.open_mailbox": lambda: mailboxes.open_mailbox(None),  # type: ignore[arg-type]
    "directory.open_directory": lambda: directory.open_directory(None),  # type: ignore[arg-type]
}


@pytest.mark.usefixtures("strange_machine")
def test_opens_no_door_and_there_is_no_other() -> None:
    for door in DOORS.values():
        with pytest.raises(Strange, match="does not know this machine"):
            door()
    with pytest.raises(Strange):
        EmailSender()._open()
    with pytest.raises(Strange), Bank():
        pass
    getters = {
        f"{part.__name__.rpartition('.')[2]}.{name}"
        for part in (cards, directory, mailboxes, payments, sms, storage, weather)
        for name in part.__all__
        if name.startswith(("get_", "open_"))
    }
    assert getters == DOORS.keys()
    vendors = Path(sms.__file__).parents[1]
    packages = {path.parent.name for path in vendors.glob("*/__init__.py")}
    assert packages == {door.partition(".")[0] for door in DOORS}


# What each job reaches; () is a job whose work stays in the database.
TOUCHES: dict[str, tuple[str, ...]] = {
    "anonymise_retained_records": ("payments", "storage"),
    "check_subscription_status": ("cards",),
    "check_weather_alerts": ("weather",),
    "deliver_notifications": ("mail", "texts"),
    "execute_erasure_request": ("payments", "storage"),
    "execute_retention_policies": ("storage",),
    "export_user_data": ("storage",),
    "process_recurring_charges": ("payments",),
    "process_recurring_payments": ("cards",),
    "process_webhook_events": ("payments",),
    "reconcile_s3": ("storage",),
    "reconcile_stripe": ("payments",),
    "replay_erasures": ("payments", "storage"),
    "sync_ad": ("directory",),
    "sync_emails": ("mailboxes", "storage"),
    **dict.fromkeys(
        (
            *("apply_late_fees", "auto_close_stale_jobs", "calculate_rewards"),
            *("check_compliance_expiry", "check_stale_deals", "cleanup_old_runs"),
            *("cleanup_old_alerts", "cleanup_old_tasks", "close_lost_runs"),
            "cleanup_webhook_events",
            *("execute_pending_workflows", "expire_signing_links", "generate_monthly_invoices"),
            *("generate_package_invoices", "mark_overdue_invoices"),
            *("refresh_materialized_views", "remind_of_erasure_deadlines"),
            *("send_daily_summary", "send_file_request_reminders", "send_notification"),
            *("send_payment_reminders", "send_payout_reminders", "send_pending_jobs_reminder"),
            "send_stale_deal_reminders",
        ),
        (),
    ),
}


def test_every_job_says_what_it_reaches_outside() -> None:
    assert {job.name: job.touches for job in registry()} == TOUCHES


@pytest.mark.usefixtures("strange_machine")
@pytest.mark.parametrize("name", [name for name, reached in TOUCHES.items() if reached])
def test_starts_no_job_that_reaches_outside(name: str) -> None:
    options = {"export_user_data": ["--user-id", str(UserFactory().pk)]}
    with pytest.raises(CommandError, match="does not know this machine"):
        call_command(name, *options.get(name, []))
    run = JobRun.objects.get()
    assert (run.state, run.problem, run.failed) == ("blocked", SENTENCE, 0)


# ---- nothing sent, nothing lost, nothing twice ------------------------------------------


@pytest.mark.usefixtures("strange_machine")
def test_sends_no_message_and_all_of_them_after_the_yes(
    ada: Contact, smtp_server: MailServer
) -> None:
    with time_machine.travel(NOW, tick=False):
        for number in range(3):
            say(ada, key=f"receipt:{number}")
        before = list(Delivery.objects.order_by("pk").values())
        with pytest.raises(CommandError, match="does not know this machine"):
            call_command("deliver_notifications")
        with pytest.raises(Strange):  # past the recorder, as in a shell
            deliver_notifications()
        assert list(Delivery.objects.order_by("pk").values()) == before
        assert smtp_server.connections == 0
        trust()
        call_command("deliver_notifications")
        call_command("deliver_notifications")
    assert [mail.recipients for mail in smtp_server.messages] == [["ada@example.com"]] * 3


@pytest.mark.usefixtures("strange_machine")
def test_charges_nobody_and_each_once_after_the_yes(sandbox: Sandbox) -> None:
    shop = open_shop(sandbox)
    invoice = shop.invoice(shop.customer())
    with at(NOON):
        before = (invoice.autopay_failure_count, invoice.autopay_next_charge_at)
        with pytest.raises(CommandError, match="does not know this machine"):
            call_command("process_recurring_charges")
        assert sandbox.requests == []
        assert not PaymentAttempt.objects.exists()
        assert not Notification.objects.exists()
        invoice.refresh_from_db()
        assert (invoice.autopay_failure_count, invoice.autopay_next_charge_at) == before
        trust()
    collect()
    collect()
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert len(shop.charges()) == PaymentAttempt.objects.count() == 1


@pytest.mark.usefixtures("strange_machine")
def test_texts_nobody_and_each_once_after_the_yes(sandbox: Sandbox) -> None:
    with time_machine.travel(NOW, tick=False):
        key = texting.text(texting.somebody(sandbox, "+15550100"))
        with pytest.raises(CommandError, match="does not know this machine"):
            call_command("deliver_notifications")
        assert (sandbox.requests, texting.became(key)) == ([], ("queued", ""))
        trust()
        call_command("deliver_notifications")
        call_command("deliver_notifications")
    assert len(texting.bodies(sandbox)) == 1


@pytest.mark.usefixtures("strange_machine")
def test_stores_no_file_and_waits_for_none(s3: S3Server, settings: Settings) -> None:
    settings.STORAGE = bucket_at(s3.host, s3.make_bucket())
    with pytest.raises(Strange):
        store()
    assert (s3.requests, list(Document.objects.all())) == ([], [])
    trust()
    assert store().state == "available"


@pytest.mark.usefixtures("strange_machine")
def test_asks_no_directory(stand_in: ActiveDirectory) -> None:
    stand_in.add_person("a.berg")
    connection = connect(stand_in)
    before = DirectoryConnection.objects.values().get()
    with pytest.raises(CommandError, match="does not know this machine"):
        call_command("sync_ad")
    assert DirectoryConnection.objects.values().get() == before
    trust()
    assert figures(sync(connection.firm)) == {"Created": 1}


@pytest.mark.dovecot
@pytest.mark.usefixtures("strange_machine")
def test_reads_no_mailbox(dovecot_server: MailHost) -> None:
    post = Post.open(dovecot_server, FirmFactory(), "Inbox")
    post.deliver(*letters(3))
    before = EmailConnection.objects.values().get()
    with pytest.raises(CommandError, match="does not know this machine"):
        call_command("sync_emails")
    assert EmailConnection.objects.values().get() == before
    trust()
    call_command("sync_emails")
    call_command("sync_emails")
    assert len(post.messages()) == 3


@pytest.mark.usefixtures("strange_machine")
def test_says_so_on_a_page_that_would_charge(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    answer = client.post(pay_path(invoice))
    assert answer.status_code == 503
    assert SENTENCE in words(answer)
    assert sandbox.requests == []
    assert not PaymentAttempt.objects.exists()
