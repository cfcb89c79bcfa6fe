"""Requests to be erased, and what came of them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.contacts.models import Contact
from apps.core.fields import Dated, SecretsField
from apps.firms.models import Firm
from apps.privacy.models.law import Asked


class ErasureRequest(Dated, Asked):
    """Somebody asks to be erased: by one firm, or by every firm and the platform."""

    class Status(models.TextChoices):
        RECEIVED = "received"
        VERIFIED = "verified"
        APPROVED = "approved"
        BLOCKED = "blocked"
        IN_PROGRESS = "in_progress", "In progress"
        COMPLETED = "completed"
        PARTIALLY_COMPLETED = "partially_completed", "Partially completed"
        REJECTED = "rejected"
        CANCELLED = "cancelled"

    firm = models.ForeignKey(
        Firm,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="erasure_requests",
        help_text="Empty: every firm, and the account itself.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="erasure_requests",
    )
    contact = models.ForeignKey(
        Contact, models.PROTECT, null=True, blank=True, related_name="erasure_requests"
    )
    status = models.CharField(max_length=19, choices=Status, default=Status.RECEIVED)
    received_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_how = models.CharField(
        max_length=200, blank=True, help_text="How the person showed who they are."
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(
        max_length=300, blank=True, help_text="Why it was rejected or cancelled."
    )
    blocked_by = models.JSONField(
        default=list, blank=True, help_text="What has to be settled first, as sentences."
    )
    key = models.UUIDField(
        default=uuid.uuid4,
        unique=True,
        editable=False,
        help_text="Names it in the journal, which a restored database may not know any more.",
    )
    covers = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="Keys of accounts, contacts and firms, as they were when it began.",
    )
    marks = SecretsField()  # what the person is recognised by, until it is completed

    class Meta:
        permissions = [
            ("verify_erasurerequest", "Can confirm who asks to be erased"),
            ("approve_erasurerequest", "Can approve an erasure"),
            ("close_erasurerequest", "Can reject or cancel a request to be erased"),
            ("execute_erasurerequest", "Can preview and execute an erasure"),
        ]
        constraints = [
            # Nobody's request is dealt with twice at once.
            models.UniqueConstraint(
                fields=["firm", "contact"],
                condition=Q(closed_at=None, contact__isnull=False),
                name="privacy_erasurerequest_one_of_contact",
            ),
            models.UniqueConstraint(
                fields=["firm", "user"],
                condition=Q(closed_at=None, user__isnull=False),
                name="privacy_erasurerequest_one_of_user",
            ),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(closed_at=None, firm=None),
                name="privacy_erasurerequest_one_everywhere",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False) | Q(contact__isnull=False),
                name="privacy_erasurerequest_of_somebody",
            ),
            # A firm's contact is erased by the firm; only an account reaches further.
            models.CheckConstraint(
                condition=Q(firm__isnull=False) | Q(user__isnull=False),
                name="privacy_erasurerequest_scope",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=models.F("verified_by")),
                name="privacy_erasurerequest_four_eyes",
            ),
        ]

    def __str__(self) -> str:
        return f"Erasure request {self.pk}"

    @property
    def is_everywhere(self) -> bool:
        """Whether every firm is to erase, and the platform."""
        return self.firm_id is None

    @property
    def whom(self) -> str:
        """Return who is meant, as a key and never by name."""
        return f"user {self.user_id}" if self.user_id else f"contact {self.contact_id}"


class ErasurePart(models.Model):
    """The claim that a person has been erased in one firm, or from what belongs to none."""

    request = models.ForeignKey(ErasureRequest, models.PROTECT, related_name="parts")
    firm = models.ForeignKey(Firm, models.PROTECT, null=True, blank=True, related_name="+")
    done_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request", "firm"], name="privacy_erasurepart_once"
            ),
            models.UniqueConstraint(
                fields=["request"],
                condition=Q(firm=None),
                name="privacy_erasurepart_once_outside_firms",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request} in {self.firm or 'no firm'}"


class ErasureAction(Dated):
    """What an erasure did with one category of data in one firm; figures, never names."""

    class Decision(models.TextChoices):
        ERASED = "erased"
        ANONYMISED = "anonymised"
        RETAINED = "retained"
        HELD = "held"

    firm = models.ForeignKey(Firm, models.PROTECT, null=True, blank=True, related_name="+")
    request = models.ForeignKey(ErasureRequest, models.PROTECT, related_name="actions")
    category = models.CharField(max_length=60)
    decision = models.CharField(max_length=10, choices=Decision)
    rows = models.PositiveBigIntegerField()
    retained_until = models.DateField(null=True, blank=True)
    reason = models.CharField(max_length=120, blank=True, help_text="tax law")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request", "firm", "category", "decision"],
                name="privacy_erasureaction_once",
            ),
            models.UniqueConstraint(
                fields=["request", "category", "decision"],
                condition=Q(firm=None),
                name="privacy_erasureaction_once_outside_firms",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category}: {self.rows} {self.decision}"


class ErasureStep(Dated):
    """Something an erasure must have done outside the building; repeated until it is done."""

    firm = models.ForeignKey(Firm, models.PROTECT, null=True, blank=True, related_name="+")
    request = models.ForeignKey(ErasureRequest, models.PROTECT, related_name="steps")
    kind = models.CharField(max_length=60)
    key = models.CharField(max_length=200, help_text="What it is done to; never a name.")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request", "kind", "key"], name="privacy_erasurestep_once"
            ),
        ]
        indexes = [
            # execute_erasure_request goes on here.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(done_at=None),
                name="privacy_erasurestep_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for erasure request {self.request_id}"
