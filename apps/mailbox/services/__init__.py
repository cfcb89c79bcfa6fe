"""What happens in mailboxes: letters come in and become tickets, people look after both."""

from apps.mailbox.services.connections import (
    own_addresses,
    save_connection,
    switch_connection,
    try_again,
)
from apps.mailbox.services.syncing import sync_emails
from apps.mailbox.services.tickets import assign_ticket, close_ticket, reopen_ticket

__all__ = [
    "assign_ticket",
    "close_ticket",
    "own_addresses",
    "reopen_ticket",
    "save_connection",
    "switch_connection",
    "sync_emails",
    "try_again",
]
