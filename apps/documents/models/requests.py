"""What a firm has asked its people to send, the links to send it by, and what came."""

from datetime import date, datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from apps.contacts.models import Contact
from apps.core.fields import Dated
from apps.documents.models.documents import Document
from apps.firms.models import Firm

MOST_REMINDERS = 5  # of one request (spec D10)
MOST_FILES = 20  # for one thing that was asked for, refused ones included


class FileRequestQuerySet(models.QuerySet["FileRequest"]):
    def open(self) -> Self:
        """Those of which something has still to come."""
        return self.filter(status__in=FileRequest.OPEN)

    def due(self, *, on: date) -> Self:
        """Those whose next reminder has come, on that day or one that was missed."""
        return self.open().filter(next_reminder_on__lte=on)


class FileRequest(Dated):
    """Somebody is asked for files, in one or several items."""

    class Status(models.TextChoices):
        PENDING = "pending", "Nothing has come"
        PARTIALLY_FULFILLED = "partially_fulfilled"
        FULFILLED = "fulfilled", "All has come"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    OPEN = (Status.PENDING, Status.PARTIALLY_FULFILLED)
    TAKES_FILES = (*OPEN, Status.FULFILLED)  # another page may follow

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="file_requests")
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="file_requests")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    title = models.CharField(max_length=150)
    note = models.TextField(
        blank=True, max_length=2_000, help_text="What the person has to know, as plain text."
    )
    asked_on = models.DateField(help_text="In the firm's calendar.")
    due_date = models.DateField(null=True, blank=True)
    remind_every_days = models.PositiveSmallIntegerField(
        "reminders every",
        null=True,
        blank=True,
        help_text="So many days, instead of the firm's own steps; 0: never.",
    )
    status = models.CharField(max_length=19, choices=Status, default=Status.PENDING)
    fulfilled_at = models.DateTimeField(null=True, blank=True)
    reminder_count = models.PositiveSmallIntegerField("reminders", default=0)
    last_reminder_on = models.DateField(null=True, blank=True)
    next_reminder_on = models.DateField(null=True, blank=True)

    objects = FileRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(reminder_count__lte=MOST_REMINDERS),
                name="documents_filerequest_few_reminders",
            ),
            models.CheckConstraint(
                condition=Q(status="fulfilled", fulfilled_at__isnull=False)
                | ~Q(status="fulfilled") & Q(fulfilled_at=None),
                name="documents_filerequest_fulfilled_at",
            ),
        ]
        indexes = [
            # send_file_request_reminders looks here every hour.
            models.Index(
                fields=["firm", "next_reminder_on"],
                condition=Q(status__in=["pending", "partially_fulfilled"]),
                name="documents_filerequest_due",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class FileRequestItemQuerySet(models.QuerySet["FileRequestItem"]):
    def outstanding(self) -> Self:
        """Those for which no file has come, or none since the last one was refused.

        What was accepted after that counts as well.
        """
        refused_later = ReceivedFile.objects.filter(
            item=OuterRef("item"),
            state=ReceivedFile.State.REFUSED,
            decided_at__gt=OuterRef("stands_since"),
        )
        standing = (
            ReceivedFile.objects.here()
            .filter(item=OuterRef("pk"))
            .alias(stands_since=Coalesce("decided_at", "received_at"))
            .exclude(Exists(refused_later))
        )
        return self.exclude(Exists(standing))


class FileRequestItem(models.Model):
    """One thing that is asked for: ``Bank statements of May``."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    request = models.ForeignKey(FileRequest, models.PROTECT, related_name="items")
    title = models.CharField(max_length=150)

    objects = FileRequestItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request", "title"], name="documents_filerequestitem_once"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class ReceivedFileQuerySet(models.QuerySet["ReceivedFile"]):
    def here(self) -> Self:
        """What has arrived and was not refused."""
        return self.filter(document__state=Document.State.AVAILABLE).exclude(
            state=ReceivedFile.State.REFUSED
        )


class ReceivedFile(Dated):
    """A file that somebody sent for an item; it has arrived when its document is available."""

    class State(models.TextChoices):
        RECEIVED = "received"
        ACCEPTED = "accepted"
        REFUSED = "refused"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    item = models.ForeignKey(FileRequestItem, models.PROTECT, related_name="files")
    document = models.OneToOneField(Document, models.PROTECT, related_name="received_as")
    sha256 = models.CharField(max_length=64, editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.RECEIVED)
    received_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    objects = ReceivedFileQuerySet.as_manager()

    class Meta:
        constraints = [
            # Who presses twice has sent once.
            models.UniqueConstraint(
                fields=["item", "sha256"],
                condition=~Q(state="refused"),
                name="documents_receivedfile_once",
            ),
        ]

    def __str__(self) -> str:
        return self.document.file_name or f"File {self.pk}"


class UploadLink(models.Model):
    """An address at which one contact may send files for a while; the token is never stored.

    Each message has its own, so that an older message works until its own link has ended.
    """

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="upload_links")
    message = models.CharField(
        max_length=100, help_text="The key of the message that carries it."
    )
    token_nonce = models.CharField(
        max_length=64, editable=False, help_text="Useless without SECRET_KEY; see tokens.py."
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "message"], name="documents_uploadlink_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Upload link of {self.contact}"

    def works_at(self, now: datetime) -> bool:
        """Whether files may be sent: access never waits for a job."""
        return now < self.expires_at
