"""What staff see of mailboxes, letters and tickets, and what they may press."""

from apps.mailbox.admin.connections import EmailConnectionAdmin
from apps.mailbox.admin.letters import EmailMessageAdmin
from apps.mailbox.admin.tickets import TicketAdmin

__all__ = ["EmailConnectionAdmin", "EmailMessageAdmin", "TicketAdmin"]
