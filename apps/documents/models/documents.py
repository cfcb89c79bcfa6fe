"""Documents, and the requests to sign them."""

import hashlib
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.contacts.models import Contact
from apps.core.fields import Dated, Retained
from apps.firms.models import Firm

LINK_DAYS = 7  # how long a signing link works (spec C-20)


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


class DocumentQuerySet(models.QuerySet["Document"]):
    def available(self) -> Self:
        """What can be read, signed or downloaded: an upload under way is no document yet."""
        return self.filter(state=Document.State.AVAILABLE)


class Document(Dated, Retained):
    """A text that can be signed, or a file in the storage.

    What was signed or stored is what the hash says. Neither ever changes: a new version is
    another document.
    """

    class State(models.TextChoices):
        UPLOADING = "uploading"
        AVAILABLE = "available"
        PURGE_PENDING = "purge_pending", "Being deleted"
        DELETED = "deleted"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="documents")
    title = models.CharField(max_length=200)
    text = models.TextField(
        blank=True, help_text="Plain text, shown to the signer as it stands."
    )
    sha256 = models.CharField(max_length=64, editable=False)
    owner = models.ForeignKey(
        Contact, models.PROTECT, null=True, blank=True, related_name="documents"
    )
    state = models.CharField(
        max_length=13, choices=State, default=State.AVAILABLE, editable=False
    )
    retention_anchor_on = models.DateField(
        "kept from",
        null=True,
        blank=True,
        help_text="When what it belongs to was closed; without it, when it was filed.",
    )

    # Of files only. The key names nobody: it outlives the document, in the bucket's logs too.
    file_name = models.CharField(max_length=120, blank=True, editable=False)
    content_type = models.CharField(max_length=100, blank=True, editable=False)
    size_bytes = models.PositiveBigIntegerField("size", null=True, editable=False)
    bucket = models.CharField(max_length=63, blank=True, editable=False)
    storage_key = models.CharField(max_length=200, blank=True, editable=False)
    version_id = models.CharField(max_length=1024, blank=True, editable=False)
    etag = models.CharField("ETag", max_length=200, blank=True, editable=False)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bucket", "storage_key"],
                condition=~Q(storage_key=""),
                name="documents_document_key_once",
            ),
            models.CheckConstraint(
                condition=Q(storage_key="", bucket="", content_type="", size_bytes=None)
                & Q(file_name="", version_id="", etag="")
                & ~Q(state="uploading")
                | Q(text="", size_bytes__isnull=False)
                & ~Q(storage_key="")
                & ~Q(bucket="")
                & ~Q(content_type=""),
                name="documents_document_file_or_text",
            ),
            models.CheckConstraint(
                condition=~Q(state="deleted")
                | Q(title="", text="", file_name="", owner__isnull=True),
                name="documents_document_deleted_names_nobody",
            ),
        ]
        indexes = [
            # reconcile_s3 reads a firm's keys in the order of their bytes: on PostgreSQL the
            # index is in the collation "C" (0006_keys_in_order).
            models.Index(
                fields=["firm", "bucket", "storage_key"], name="documents_keys_in_order"
            ),
            # finish_purges looks here; so does who waits for an erasure to be complete.
            models.Index(
                fields=["firm", "updated_at"],
                condition=Q(state="purge_pending"),
                name="documents_purge_pending",
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"Document {self.pk}"

    @property
    def is_file(self) -> bool:
        return bool(self.storage_key)

    def is_intact(self) -> bool:
        """Whether this is a text, and still the one that the fingerprint was taken of."""
        return (
            self.state == self.State.AVAILABLE
            and not self.is_file
            and fingerprint(self.text) == self.sha256
        )


class SignatureRequestQuerySet(models.QuerySet["SignatureRequest"]):
    def open(self) -> Self:
        """Neither signed, declined, revoked nor expired."""
        return self.filter(status__in=SignatureRequest.OPEN)

    def lapsed(self, *, now: datetime, days: int) -> Self:
        """Open links strictly older than ``days`` × 24 h, or past their own end."""
        return self.open().filter(
            Q(token_created_at__lt=now - timedelta(days=days)) | Q(token_expires_at__lte=now)
        )


class SignatureRequest(Dated, Retained):
    """A person asked to sign a document through a link. The token itself is never stored."""

    class Status(models.TextChoices):
        PENDING = "pending"
        VIEWED = "viewed"
        SIGNED = "signed"
        DECLINED = "declined"
        EXPIRED = "expired"
        REVOKED = "revoked"

    OPEN = (Status.PENDING, Status.VIEWED)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    document = models.ForeignKey(Document, models.PROTECT, related_name="signature_requests")
    signer = models.ForeignKey(Contact, models.PROTECT, related_name="signature_requests")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    token_nonce = models.CharField(
        max_length=64,
        editable=False,
        help_text="Useless without SECRET_KEY; see tokens.py.",
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    token_created_at = models.DateTimeField()
    token_expires_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    viewed_at = models.DateTimeField(null=True, blank=True)
    signed_at = models.DateTimeField(null=True, blank=True)
    signed_name = models.CharField(max_length=150, blank=True)
    signed_sha256 = models.CharField(max_length=64, blank=True)
    declined_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    generation = models.PositiveSmallIntegerField(default=1)

    objects = SignatureRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["document", "signer"], name="documents_signaturerequest_once"
            ),
            models.CheckConstraint(
                condition=~Q(status="signed") | Q(signed_at__isnull=False),
                name="documents_signaturerequest_signed_at",
            ),
        ]
        indexes = [
            # expire_signing_links looks here every hour.
            models.Index(
                fields=["token_created_at"],
                condition=Q(status__in=["pending", "viewed"]),
                name="documents_signing_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document} – {self.signer}"

    def works_at(self, now: datetime) -> bool:
        """Whether the link may be used: access never waits for a job (spec C-20)."""
        return self.status in self.OPEN and now < self.token_expires_at
