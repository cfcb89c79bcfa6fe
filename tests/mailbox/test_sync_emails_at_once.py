"""Two runs at the same moment: every letter is stored once, in one ticket."""

from typing import Any

import pytest

from apps.firms.models import Firm
from apps.integrations.mailboxes import open_mailbox
from apps.mailbox.models import EmailConnection, EmailMessage, Ticket, TicketEntry
from apps.mailbox.services import sync_emails
from apps.mailbox.services.connections import claim_connection, keep_connection
from tests.billing.at_once import at_once
from tests.factories import EmailConnectionFactory
from tests.mailbox.post import Post, ago, letter, letters, take_in
from tests.servers.imap import MailHost

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.mark.dovecot
def test_two_runs_store_every_letter_once(server: MailHost, firm: Firm) -> None:
    posts = [Post.open(server, firm, f"Inbox {n}") for n in range(3)]
    for post in posts:
        post.deliver(*letters(30))  # the same letters come to all three
    assert at_once(sync_emails, sync_emails) == []
    assert at_once(sync_emails, sync_emails) == []
    assert EmailMessage.objects.filter(files_due=False).count() == 90
    assert TicketEntry.objects.count() == Ticket.objects.count() == 30
    assert not EmailConnection.objects.exclude(lease=None).exists()


def test_two_mailboxes_with_the_same_conversation_make_one_ticket(firm: Firm) -> None:
    connections = [EmailConnectionFactory(firm=firm) for _ in range(2)]
    thread = [
        letter("First", message_id="1@x"),
        letter("Second", message_id="2@x", In_Reply_To="<1@x>"),
        *letters(20),
    ]

    def take(connection: EmailConnection) -> Any:
        return lambda: take_in(connection, *thread)

    assert at_once(*map(take, connections)) == []
    assert EmailMessage.objects.count() == 44
    assert EmailMessage.objects.filter(state="stored").count() == 44
    assert TicketEntry.objects.count() == 22
    assert Ticket.objects.count() == 21


def test_a_mailbox_is_claimed_by_one(firm: Firm) -> None:
    connection = EmailConnectionFactory(firm=firm)
    now, claims = ago(), []

    def claim() -> None:
        claims.append(claim_connection(connection=connection, now=now))

    assert at_once(claim, claim, claim) == []
    [lease] = [one for one in claims if one]
    assert keep_connection(connection=connection, lease=lease)
    stranger = lease.__class__(int=lease.int ^ 1)
    assert not keep_connection(connection=connection, lease=stranger)


@pytest.mark.dovecot
def test_a_mailbox_can_be_read_by_people_meanwhile(server: MailHost, firm: Firm) -> None:
    post = Post.open(server, firm, "Inbox")
    post.deliver(*letters(3))
    other = open_mailbox(server.account(post.user))
    other.open("INBOX")
    sync_emails()
    assert other.uids(above=0) == [1, 2, 3]
    other.close()
    assert len(post.messages()) == 3
