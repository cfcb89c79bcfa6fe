"""What people want of a firm, and who looks after it."""

from typing import Self

from django.conf import settings
from django.db import models

from apps.contacts.models import Contact
from apps.core.fields import Dated
from apps.firms.models import Firm


class TicketQuerySet(models.QuerySet["Ticket"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def open(self) -> Self:
        return self.filter(status=Ticket.Status.OPEN)


class Ticket(Dated):
    """One conversation with somebody, however many letters it takes."""

    class Status(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="tickets")
    subject = models.CharField(max_length=200)
    status = models.CharField(max_length=6, choices=Status, default=Status.OPEN)
    requester = models.ForeignKey(
        Contact,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="tickets",
        help_text="Whose confirmed address the first letter came from.",
    )
    requester_name = models.CharField(max_length=150, blank=True)
    requester_email = models.CharField(max_length=254, blank=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="assigned_tickets",
    )
    opened_at = models.DateTimeField()
    last_message_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = TicketQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="open", closed_at=None)
                | models.Q(status="closed", closed_at__isnull=False),
                name="mailbox_ticket_closed_at",
            ),
        ]
        indexes = [
            # The list of tickets, open ones with the latest letter first.
            models.Index(
                fields=["firm", "status", "-last_message_at"], name="mailbox_ticket_latest"
            ),
        ]

    def __str__(self) -> str:
        return self.subject or "(no subject)"

    @property
    def is_open(self) -> bool:
        return self.status == Ticket.Status.OPEN


class TicketEntry(models.Model):
    """A letter as part of a conversation: once, however many mailboxes it came to."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="entries")
    message_key = models.CharField(max_length=300)
    fingerprint = models.CharField(max_length=64)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "ticket entries"
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "message_key"], name="mailbox_ticketentry_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Entry of {self.received_at:%Y-%m-%d %H:%M}"


class TicketReference(models.Model):
    """A message id that is known to belong to a conversation.

    Also that of a letter that was only referred to: the answer may arrive before it.
    """

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="references")
    message_id = models.CharField(max_length=300)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "message_id"], name="mailbox_ticketreference_once"
            ),
        ]

    def __str__(self) -> str:
        return self.message_id
