"""Mailboxes, the letters in them, tickets."""

from datetime import UTC, datetime
from hashlib import sha256

import factory
from factory.django import DjangoModelFactory

from apps.core.fields import Secrets
from apps.mailbox.models import (
    EmailAttachment,
    EmailConnection,
    EmailFolderState,
    EmailMessage,
    Ticket,
    TicketEntry,
)
from tests.factories.people import FirmFactory

LONG_AGO = datetime(2025, 5, 1, 9, 30, tzinfo=UTC)


class EmailConnectionFactory(DjangoModelFactory[EmailConnection]):
    """A mailbox on this machine, in the clear, with the password ``a-mail-password``."""

    class Meta:
        model = EmailConnection

    firm = factory.SubFactory(FirmFactory)
    name = factory.Sequence(lambda n: f"Inbox {n}")
    host = "127.0.0.1"
    port = 9  # where nobody answers
    security = EmailConnection.Security.NONE
    username = factory.Sequence(lambda n: f"support{n}@example.test")
    secret = factory.LazyFunction(lambda: Secrets(password="a-mail-password"))


class EmailFolderStateFactory(DjangoModelFactory[EmailFolderState]):
    class Meta:
        model = EmailFolderState

    connection = factory.SubFactory(EmailConnectionFactory)
    firm = factory.SelfAttribute("connection.firm")
    folder = "INBOX"
    uidvalidity = 7
    since = LONG_AGO


class TicketFactory(DjangoModelFactory[Ticket]):
    class Meta:
        model = Ticket

    firm = factory.SubFactory(FirmFactory)
    subject = factory.Sequence(lambda n: f"Question {n}")
    requester_name = "Ada Byron"
    requester_email = "ada@example.com"
    opened_at = LONG_AGO
    last_message_at = LONG_AGO


class TicketEntryFactory(DjangoModelFactory[TicketEntry]):
    class Meta:
        model = TicketEntry

    ticket = factory.SubFactory(TicketFactory)
    firm = factory.SelfAttribute("ticket.firm")
    message_key = factory.Sequence(lambda n: f"id:{n}@example.com")
    fingerprint = factory.LazyAttribute(lambda o: sha256(o.message_key.encode()).hexdigest())
    received_at = LONG_AGO


class EmailMessageFactory(DjangoModelFactory[EmailMessage]):
    """A letter from Ada, in a ticket of its own; its files are kept elsewhere."""

    class Meta:
        model = EmailMessage

    connection = factory.SubFactory(EmailConnectionFactory)
    firm = factory.SelfAttribute("connection.firm")
    entry = factory.SubFactory(
        TicketEntryFactory, ticket__firm=factory.SelfAttribute("...firm")
    )
    folder = "INBOX"
    uidvalidity = 7
    uid = factory.Sequence(lambda n: n + 1)
    message_key = factory.SelfAttribute("entry.message_key")
    fingerprint = factory.SelfAttribute("entry.fingerprint")
    sender_name = "Ada Byron"
    sender_email = "ada@example.com"
    subject = factory.SelfAttribute("entry.ticket.subject")
    text = "How do I log in?"
    received_at = factory.SelfAttribute("entry.received_at")
    size = 1_000
    files_due = False


class EmailAttachmentFactory(DjangoModelFactory[EmailAttachment]):
    class Meta:
        model = EmailAttachment

    message = factory.SubFactory(EmailMessageFactory)
    firm = factory.SelfAttribute("message.firm")
    position = 1
    name = "screenshot.png"
    content_type = "image/png"
    size = 5
