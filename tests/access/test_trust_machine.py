"""A database comes to know a machine …"""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ
from django_q.tasks import async_task
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.installations import leaving
from apps.installations.identity import this_installation
from apps.installations.leaving import SENTENCE, is_strange, refuse_if_strange
from apps.installations.models import Installation
from apps.installations.receivers import migrated
from apps.notifications.models import Delivery, Notification
from tests.access.trusting import trust
from tests.factories import ContactFactory, MembershipFactory, UserFactory
from tests.notifications.outbox import say
from tests.servers.smtp import MailServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_messages")]

NOW = datetime(2025, 3, 3, 15, tzinfo=UTC)


# ---- who is known -----------------------------------------------------------------------


def test_by_being_made_there() -> None:
    assert Installation.objects.filter(key=this_installation().key).exists()
    assert not is_strange()
    refuse_if_strange()


@pytest.mark.usefixtures("strange_machine")
def test_not_by_being_migrated_there() -> None:
    UserFactory()
    migrated(using="default")
    assert is_strange()


@pytest.mark.usefixtures("strange_machine")
def test_by_being_migrated_while_nobody_has_an_account() -> None:
    migrated(using="default")
    assert not is_strange()


def test_by_a_name_that_several_share_but_not_beside_another_database(
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


def test_and_is_asked_once_in_some_seconds(settings: Settings, strange_machine: None) -> None:
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
def test_by_a_yes_that_is_asked_for_and_written_down(
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


def test_after_what_waited_was_dropped(
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


def test_and_until_then_every_page_of_the_admin_says_so(
    client: Client, strange_machine: None
) -> None:
    assert "does not know this machine" in client.get("/admin/login/").content.decode()
    client.force_login(MembershipFactory().user)
    banner = "This database does not know this machine, so nothing leaves the building"
    assert banner in client.get("/admin/").content.decode()
    trust()
    assert banner not in client.get("/admin/").content.decode()


def test_and_until_then_the_health_check_fails(
    strange_machine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError):
        call_command("check_job_health", "--json")
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert findings[0] == {"kind": "strange", "job": "", "text": SENTENCE, "alarming": True}
