"""The mailboxes that we read, and how far."""

from datetime import datetime
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from apps.core.fields import Dated, SecretsField
from apps.firms.models import Firm
from apps.integrations.mailboxes import Auth, Security

INBOX = "INBOX"


class EmailConnectionQuerySet(models.QuerySet["EmailConnection"]):
    def in_use(self) -> Self:
        """Switched on, and not waiting for new credentials."""
        return self.filter(is_active=True).exclude(status=EmailConnection.Status.AUTH_FAILED)

    def due(self, *, now: datetime) -> Self:
        """Those to be read now: in use, not in back-off, and nobody else has them."""
        return self.in_use().filter(
            Q(backoff_until=None) | Q(backoff_until__lte=now),
            Q(lease_expires_at=None) | Q(lease_expires_at__lte=now),
        )


class EmailConnection(Dated):
    """A mailbox of a firm, and how to sign in to it. It is read, and never changed.

    ``secret`` holds ``password`` or ``access_token``.
    """

    Security = Security
    Auth = Auth

    class Status(models.TextChoices):
        OK = "ok", "OK"
        AUTH_FAILED = "auth_failed", "Authentication failed"
        UNREACHABLE = "unreachable"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="email_connections")
    name = models.CharField(max_length=80, help_text="What you call it: Support Inbox.")
    host = models.CharField(
        max_length=253,
        validators=[
            RegexValidator(r"^[A-Za-z0-9._:-]+\Z", "A host name, such as imap.example.com.")
        ],
    )
    port = models.PositiveIntegerField(
        default=993, validators=[MinValueValidator(1), MaxValueValidator(65_535)]
    )
    security = models.CharField(max_length=8, choices=Security, default=Security.TLS)
    username = models.CharField(
        max_length=254,
        validators=[RegexValidator(r"^[^\x00-\x1f\x7f]+\Z", "Letters, digits and signs.")],
    )
    auth = models.CharField(max_length=8, choices=Auth, default=Auth.PASSWORD)
    secret = SecretsField()
    folders = models.TextField(default=INBOX, help_text="One in a line.")
    is_active = models.BooleanField(default=True)
    status = models.CharField(max_length=11, choices=Status, default=Status.OK)
    problem = models.CharField(
        max_length=200, blank=True, help_text="What kept us from reading it last time."
    )
    revision = models.PositiveIntegerField(
        default=1, help_text="Goes up with every change of how we sign in."
    )
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_sync_at = models.DateTimeField(null=True, blank=True)
    consecutive_failures = models.PositiveIntegerField(default=0)
    backoff_until = models.DateTimeField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = EmailConnectionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["firm", "name"], name="mailbox_connection_once"),
            models.CheckConstraint(
                condition=Q(lease=None, lease_expires_at=None)
                | Q(lease__isnull=False, lease_expires_at__isnull=False),
                name="mailbox_connection_lease_ends",
            ),
        ]
        indexes = [
            # sync_emails starts here every five minutes.
            models.Index(
                fields=["firm", "last_attempt_at"],
                condition=Q(is_active=True) & ~Q(status="auth_failed"),
                name="mailbox_connection_in_use",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def folder_names(self) -> list[str]:
        """The folders that are read, in their order."""
        names = (name.strip() for name in self.folders.splitlines())
        return list(dict.fromkeys(filter(None, names)))

    @property
    def address(self) -> str:
        """What people write to, as far as the user name tells."""
        return self.username.lower() if "@" in self.username else ""


class EmailFolderState(Dated):
    """How far a folder has been read. The cursor never goes back and never skips."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    connection = models.ForeignKey(
        EmailConnection, models.CASCADE, related_name="folder_states"
    )
    folder = models.CharField(max_length=200)
    uidvalidity = models.PositiveBigIntegerField()
    last_uid = models.PositiveBigIntegerField(default=0)
    since = models.DateTimeField(help_text="Letters from before this are not read.")
    stuck_uid = models.PositiveBigIntegerField(
        default=0, help_text="The letter at which the server let us down last."
    )
    stuck_times = models.PositiveSmallIntegerField(default=0, help_text="In a row.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "folder"], name="mailbox_folderstate_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.folder} up to {self.last_uid}"
