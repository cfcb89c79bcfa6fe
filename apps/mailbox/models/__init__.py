"""Mailboxes that we read, the letters in them, and the tickets that they become."""

from apps.mailbox.models.connections import (
    EmailConnection,
    EmailConnectionQuerySet,
    EmailFolderState,
)
from apps.mailbox.models.messages import EmailAttachment, EmailMessage
from apps.mailbox.models.tickets import Ticket, TicketEntry, TicketReference

__all__ = [
    "EmailAttachment",
    "EmailConnection",
    "EmailConnectionQuerySet",
    "EmailFolderState",
    "EmailMessage",
    "Ticket",
    "TicketEntry",
    "TicketReference",
]
