"""Documents, and the requests to sign them."""

import hashlib
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.contacts.models import Contact
from apps.core.fields import Dated
from apps.firms.models import Firm

LINK_DAYS = 7  # how long a signing link works (spec C-20)


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


class Document(Dated):
    """A text that can be signed. What was signed is what the hash says."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="documents")
    title = models.CharField(max_length=200)
    text = models.TextField(help_text="Plain text, shown to the signer as it stands.")
    sha256 = models.CharField(max_length=64, editable=False)
    owner = models.ForeignKey(
        Contact, models.PROTECT, null=True, blank=True, related_name="documents"
    )

    def __str__(self) -> str:
        return self.title

    def is_intact(self) -> bool:
        """Whether the text is still the one that the fingerprint was taken of."""
        return fingerprint(self.text) == self.sha256


class SignatureRequestQuerySet(models.QuerySet["SignatureRequest"]):
    def open(self) -> Self:
        """Neither signed, declined, revoked nor expired."""
        return self.filter(status__in=SignatureRequest.OPEN)

    def lapsed(self, *, now: datetime, days: int) -> Self:
        """Open links strictly older than ``days`` × 24 h, or past their own end."""
        return self.open().filter(
            Q(token_created_at__lt=now - timedelta(days=days)) | Q(token_expires_at__lte=now)
        )


class SignatureRequest(Dated):
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
