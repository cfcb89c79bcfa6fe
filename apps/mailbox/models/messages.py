"""The letters of a mailbox, as they came."""

from django.db import models
from django.db.models import Q

from apps.contacts.models import Contact
from apps.core.fields import Dated
from apps.documents.models import Document
from apps.firms.models import Firm
from apps.mailbox.models.connections import EmailConnection
from apps.mailbox.models.tickets import TicketEntry


class EmailMessage(Dated):
    """A letter in one mailbox. The same letter in two mailboxes is two rows and one entry.

    What its header says of people is a claim: anybody can write anything there.
    """

    class State(models.TextChoices):
        STORED = "stored"
        TRUNCATED = "truncated", "Too large: header only"
        UNPARSEABLE = "unparseable", "Cannot be read"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="email_messages")
    connection = models.ForeignKey(EmailConnection, models.PROTECT, related_name="messages")
    entry = models.ForeignKey(
        TicketEntry, models.PROTECT, null=True, blank=True, related_name="messages"
    )
    writer = models.ForeignKey(
        Contact,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="letters",
        help_text="Whose confirmed address it came from.",
    )
    folder = models.CharField(max_length=200)
    uidvalidity = models.PositiveBigIntegerField()
    uid = models.PositiveBigIntegerField()
    message_key = models.CharField(
        max_length=300, help_text="Its message id, or what stands in for one."
    )
    fingerprint = models.CharField(max_length=64)
    message_id = models.CharField(max_length=250, blank=True)
    in_reply_to = models.CharField(max_length=250, blank=True)
    references = models.JSONField(default=list, blank=True)
    sender_name = models.CharField(max_length=150, blank=True)
    sender_email = models.CharField(max_length=254, blank=True)
    to = models.JSONField(default=list, blank=True)
    cc = models.JSONField(default=list, blank=True)
    subject = models.CharField(max_length=500, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True, help_text="As it came: never shown as it is.")
    received_at = models.DateTimeField(help_text="By the clock of the mail server.")
    header_date = models.DateTimeField(
        null=True, blank=True, help_text="By the sender's; nothing is put in order by it."
    )
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    state = models.CharField(max_length=11, choices=State, default=State.STORED)
    problem = models.CharField(max_length=200, blank=True)
    is_auto = models.BooleanField(default=False, help_text="A machine wrote it.")
    raw = models.ForeignKey(Document, models.PROTECT, null=True, blank=True, related_name="+")
    files_due = models.BooleanField(
        default=True, help_text="Raw copy and attachments still have to be kept."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "folder", "uidvalidity", "uid"],
                name="mailbox_message_uid_once",
            ),
            models.UniqueConstraint(
                fields=["connection", "message_key"], name="mailbox_message_key_once"
            ),
        ]
        indexes = [
            # Retention, and the list in the admin.
            models.Index(fields=["firm", "received_at"], name="mailbox_message_by_age"),
            # sync_emails resolves what a crash left behind.
            models.Index(
                fields=["connection"],
                condition=Q(files_due=True),
                name="mailbox_message_files_due",
            ),
        ]

    def __str__(self) -> str:
        return self.subject or "(no subject)"

    @property
    def sender(self) -> str:
        """Who says that they wrote it."""
        if self.sender_name and self.sender_email:
            return f"{self.sender_name} <{self.sender_email}>"
        return self.sender_name or self.sender_email or "unknown"


class EmailAttachment(models.Model):
    """A file that came with a letter. It is only ever handed out as a file."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    message = models.ForeignKey(EmailMessage, models.CASCADE, related_name="attachments")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=130)
    content_id = models.CharField(max_length=200, blank=True)
    is_inline = models.BooleanField(default=False)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    document = models.ForeignKey(
        Document, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["message", "position"], name="mailbox_attachment_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name
