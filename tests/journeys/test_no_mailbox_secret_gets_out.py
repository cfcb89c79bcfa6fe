"""Passwords and tokens of mailboxes appear in no output, log, task, run item or page.

As in ``test_no_secret_gets_out.py``; and what letters say appears nowhere but in their tables.
"""

from typing import Any

import pytest
from django.urls import reverse
from pytest_django import Settings

from apps.core.fields import Secrets
from apps.firms.models import Firm, Role
from apps.integrations.mailboxes import Auth
from apps.mailbox.models import EmailConnection
from tests.factories import EmailConnectionFactory, FirmFactory, MembershipFactory
from tests.journeys.marked import superuser
from tests.journeys.watching import Watch
from tests.mailbox.post import Post, letter
from tests.servers.absurd import HANG_UP, absurd
from tests.servers.imap import MailHost

pytestmark = [pytest.mark.django_db, pytest.mark.dovecot]

PASSWORD = "mailbox-marker-0123456789"
TOKEN = "access-token-marker-0123456789"
WORDS = "letter-marker-0123456789"


@pytest.fixture
def firm(watch: Watch, settings: Settings) -> Firm:
    settings.IMAP_TIMEOUT = 5.0
    watch.mark(password=PASSWORD, token=TOKEN)
    firm: Firm = FirmFactory()
    MembershipFactory(firm=firm, roles=[Role.OWNER])
    return firm


def mailbox(firm: Firm, **how: Any) -> EmailConnection:
    secrets = Secrets(password=PASSWORD, access_token=TOKEN)
    connection: EmailConnection = EmailConnectionFactory(firm=firm, secret=secrets, **how)
    return connection


def test_whether_signing_in_works_or_not(
    dovecot_server: MailHost, firm: Firm, watch: Watch
) -> None:
    right = dovecot_server.add_user(password=PASSWORD)
    dovecot_server.deliver(right, letter("Hello"))
    wrong = dovecot_server.add_user()
    for user, how in ((right, Auth.PASSWORD), (wrong, Auth.PASSWORD), (wrong, Auth.XOAUTH2)):
        mailbox(firm, username=user, port=dovecot_server.port, auth=how)
    watch.run("sync_emails", dry_run=True)
    EmailConnection.objects.update(status="ok")
    said = watch.run("sync_emails")
    assert "authentication failed" in said + str(watch.heard)
    assert watch.leaks() == []


@pytest.mark.parametrize(
    "login",
    [
        [f"TAG NO I do not like {PASSWORD}\r\n".encode()],
        [f"* BYE {PASSWORD} {TOKEN}\r\n".encode(), HANG_UP],
        [f"* {PASSWORD}\r\n".encode(), HANG_UP],
        [f"{PASSWORD} {TOKEN}\r\n".encode(), HANG_UP],
    ],
)
def test_of_a_server_that_repeats_what_it_is_told(
    firm: Firm, watch: Watch, login: list[Any]
) -> None:
    with absurd(LOGIN=login, GREETING=[f"* OK {TOKEN}\r\n".encode()]) as port:
        mailbox(firm, port=port)
        watch.run("sync_emails")
    assert watch.leaks() == []


def test_on_the_pages_of_a_mailbox(firm: Firm, watch: Watch) -> None:
    connection = mailbox(firm)
    client = superuser(watch)
    change = reverse("admin:mailbox_emailconnection_change", args=[connection.pk])
    for typed in ({"password": PASSWORD}, {"access_token": TOKEN}, {}):
        watch.read("form", client.post(change, typed, follow=True))
    for where in (change, reverse("admin:mailbox_emailconnection_changelist")):
        watch.read(f"page {where}", client.get(where))
    watch.hear("a connection", f"{connection} {connection!r} {vars(connection)}")
    assert watch.leaks() == []


def test_of_what_people_write(dovecot_server: MailHost, firm: Firm, watch: Watch) -> None:
    post = Post.open(dovecot_server, firm, "Support Inbox")
    sender = f"{WORDS} <{WORDS}@example.com>"
    post.deliver(letter(WORDS, sender=sender, body=WORDS, message_id=f"{WORDS}@x"))
    post.deliver(b"\x00 no letter " + WORDS.encode())
    watch.mark(words=WORDS)
    watch.allow(
        words=("column mailbox_emailmessage.", "column mailbox_ticket", "SQL log"),
    )
    watch.run("sync_emails")
    assert watch.leaks() == []
