"""A database that wakes up on a machine it does not know …"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ
from django_q.tasks import async_task
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.billing.models import PaymentAttempt
from apps.contacts.models import Contact
from apps.installations import leaving
from apps.installations.identity import this_installation
from apps.installations.leaving import SENTENCE, Strange, is_strange, refuse_if_strange
from apps.installations.models import Installation
from apps.installations.receivers import migrated
from apps.integrations import cards, directory, mailboxes, payments, sms, storage, weather
from apps.jobs.job import registry
from apps.jobs.models import JobRun
from apps.notifications.email import EmailSender
from apps.notifications.models import Delivery, Notification
from apps.notifications.services import deliver_notifications
from apps.subscriptions.services.bank import Bank
from sandbox import Sandbox
from tests.billing.collecting import NOON, at, collect, open_shop
from tests.billing.paying import an_invoice, pay_path, words
from tests.factories import ContactFactory, MembershipFactory, UserFactory
from tests.notifications.outbox import say
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 3, 15, tzinfo=UTC)


def trust(*options: str) -> None:
    call_command("trust_machine", "--yes", *options)


@pytest.fixture(autouse=True)
def _messages(settings: Settings) -> None:
    settings.MESSAGES = "tests.notifications.messages"


@pytest.fixture
def ada() -> Contact:
    return ContactFactory(display_name="Ada", email="ada@example.com")


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
            *("cleanup_old_tasks", "cleanup_webhook_events", "close_lost_runs"),
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
def test_says_so_on_a_page_that_would_charge(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    answer = client.post(pay_path(invoice))
    assert answer.status_code == 503
    assert SENTENCE in words(answer)
    assert sandbox.requests == []
    assert not PaymentAttempt.objects.exists()


# ---- who is known -----------------------------------------------------------------------


def test_is_at_home_where_it_was_made_and_stays_so() -> None:
    assert Installation.objects.filter(key=this_installation().key).exists()
    assert not is_strange()
    refuse_if_strange()


@pytest.mark.usefixtures("strange_machine")
def test_is_no_more_at_home_for_being_migrated_there() -> None:
    UserFactory()
    migrated(using="default")
    assert is_strange()


@pytest.mark.usefixtures("strange_machine")
def test_knows_who_migrates_it_while_nobody_has_an_account() -> None:
    migrated(using="default")
    assert not is_strange()


def test_knows_one_name_for_several_machines_but_not_beside_another_database(
    settings: Settings,
) -> None:
    by_itself = this_installation()
    settings.INSTALLATION = "production"
    named = this_installation()
    assert named.key != by_itself.key
    assert named.name.startswith("production with ")
    assert this_installation() == named
    settings_of = connection.settings_dict
    name = settings_of["NAME"]
    try:
        settings_of["NAME"] = f"{name}_copy"
        assert this_installation().key != named.key
    finally:
        settings_of["NAME"] = name


def test_asks_the_database_once_in_some_seconds(
    settings: Settings, strange_machine: None
) -> None:
    settings.MACHINE_CHECKED_EVERY = 5.0
    with CaptureQueriesContext(connection) as spent:
        for _ in range(100):
            is_strange()
    assert len(spent) == 1
    leaving._checked = (leaving._checked[0] - 5.0, True)  # type: ignore[index]
    Installation.objects.create(
        key=this_installation().key, name="us", last_seen_at=NOW - timedelta(days=1)
    )
    assert not is_strange()  # a yes in another process


# ---- the command ------------------------------------------------------------------------


@pytest.mark.usefixtures("strange_machine")
def test_is_shown_before_the_yes_and_written_down_after(
    ada: Contact, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say(ada)
    async_task("apps.jobs.queue.canary")
    monkeypatch.setattr("builtins.input", lambda _: "no")
    with pytest.raises(CommandError, match=r"Cancelled; nothing has changed\."):
        call_command("trust_machine")
    told = capsys.readouterr().out
    assert "This machine: a laptop with " in told
    assert "Known: " in told
    assert "Waiting: 1 messages, 0 invoices to be charged, 0 payments at the bank, " in told
    assert "1 queued tasks." in told
    assert is_strange()
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    call_command("trust_machine")
    event = AuditEvent.objects.get(action="machine_trusted")
    assert event.changes["machine"].startswith("a laptop with ")
    assert event.changes["waiting"]["messages"] == 1
    assert " on " in event.reason
    assert not is_strange()
    capsys.readouterr()
    trust()
    assert "knows it already" in capsys.readouterr().out
    assert AuditEvent.objects.filter(action="machine_trusted").count() == 1


def test_lets_what_waits_be_dropped_before_a_yes(
    strange_machine: None, smtp_server: MailServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = ContactFactory(email="ada@example.com")
    say(ada)
    async_task("apps.jobs.queue.canary")
    trust("--discard-waiting")
    assert "Discarded 1 messages and 1 queued tasks." in capsys.readouterr().out
    assert is_strange()
    assert not OrmQ.objects.exists()
    assert set(Delivery.objects.values_list("status", "reason")) == {
        ("skipped", "discarded: the database is a copy")
    }
    assert Notification.objects.get().status == "skipped"
    assert AuditEvent.objects.get(action="waiting_discarded").changes == {"messages": 1}
    trust()
    call_command("deliver_notifications")
    assert smtp_server.messages == []
    with pytest.raises(CommandError, match="it is no copy"):
        trust("--discard-waiting")


# ---- where it is said -------------------------------------------------------------------


def test_says_so_on_every_page_of_the_admin(client: Client, strange_machine: None) -> None:
    assert "does not know this machine" in client.get("/admin/login/").content.decode()
    client.force_login(MembershipFactory().user)
    banner = "This database does not know this machine, so nothing leaves the building"
    assert banner in client.get("/admin/").content.decode()
    trust()
    assert banner not in client.get("/admin/").content.decode()


def test_makes_the_health_check_fail(
    strange_machine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError):
        call_command("check_job_health", "--json")
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert findings[0] == {"kind": "strange", "job": "", "text": SENTENCE, "alarming": True}
