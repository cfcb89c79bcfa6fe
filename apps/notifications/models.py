"""The outbox: what is to be said to whom, and how it got there (spec A10)."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from apps.contacts.models import Contact
from apps.core.fields import Dated
from apps.firms.models import Firm, User


class Channel(models.TextChoices):
    EMAIL = "email", "e-mail"
    SMS = "sms", "SMS"
    IN_APP = "in_app", "in-app"


class Notification(Dated):
    """One thing to tell one recipient, once: the dedupe key names the business fact."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        UNDELIVERABLE = "undeliverable"
        SUPPRESSED = "suppressed"
        SKIPPED = "skipped"
        FAILED = "failed"
        EXPIRED = "expired", "expired: only its key is left"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="notifications", db_index=False)
    type = models.CharField(max_length=60)
    recipient_contact = models.ForeignKey(
        Contact,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="notifications",
        db_index=False,
    )
    recipient_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="notifications",
        db_index=False,
    )
    recipient_key = models.CharField(max_length=40, help_text="contact:12 or user:3.")
    dedupe_key = models.CharField(max_length=150)
    subject_type = models.CharField(max_length=60, blank=True)
    subject_id = models.CharField(max_length=60, blank=True)
    context = models.JSONField(default=dict, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=13, choices=Status, default=Status.QUEUED)
    emptied_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When retention took what it said. That it was said stays known.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "type", "recipient_key", "dedupe_key"],
                name="notifications_notification_once",
            ),
            models.CheckConstraint(
                condition=Q(recipient_contact__isnull=True) ^ Q(recipient_user__isnull=True),
                name="notifications_notification_one_recipient",
            ),
        ]
        indexes = [
            models.Index(fields=["subject_type", "subject_id"], name="notifications_about"),
            # One of the two is empty: each row is in one index only.
            models.Index(
                fields=["recipient_contact"],
                condition=Q(recipient_contact__isnull=False),
                name="notifications_to_contact",
            ),
            models.Index(
                fields=["recipient_user"],
                condition=Q(recipient_user__isnull=False),
                name="notifications_to_user",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.dedupe_key}"

    @property
    def recipient(self) -> Contact | User:
        """Whoever is to be told."""
        recipient = self.recipient_contact or self.recipient_user
        assert recipient is not None  # a check constraint says so
        return recipient

    def zone_name(self, firm: Firm) -> str:
        """The recipient's zone: the contact's, else the user's, else the firm's (spec A2.3)."""
        contact, user = self.recipient_contact, self.recipient_user
        if contact is not None:
            user = contact.user
        return (contact and contact.timezone) or (user and user.timezone) or firm.timezone


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, *, now: datetime) -> Self:
        """What may be sent now."""
        return self.filter(status=Delivery.Status.QUEUED, next_attempt_at__lte=now)

    def stuck(self, *, since: datetime) -> Self:
        """What was claimed so long ago that whoever was sending it must be gone."""
        return self.filter(status=Delivery.Status.SENDING, claimed_at__lt=since)

    def with_recipients(self) -> Self:
        return self.select_related(
            "notification__recipient_contact__user", "notification__recipient_user"
        )

    def unread(self) -> Self:
        """In-app messages that nobody has opened."""
        return self.filter(
            channel=Channel.IN_APP, status=Delivery.Status.DELIVERED, read_at=None
        )


class Delivery(Dated):
    """One notification on one channel. The address is looked up when it is sent."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        SENT = "sent"
        DELIVERED = "delivered"
        FAILED = "failed"
        SUPPRESSED = "suppressed"
        SKIPPED = "skipped"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    notification = models.ForeignKey(Notification, models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=6, choices=Channel)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    resent_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A crash hid whether it went out, so it went again. Never a third time.",
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=120, blank=True, help_text="no address, paid, 550 …")
    provider_id = models.CharField(max_length=200, blank=True)
    carried_by = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="carries",
        db_index=False,
        help_text="The delivery whose message (a digest) said this too.",
    )

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["notification", "channel"], name="notifications_delivery_once"
            ),
        ]
        indexes = [
            # deliver_notifications looks here every minute.
            models.Index(
                fields=["channel", "next_attempt_at", "id"],
                condition=Q(status="queued"),
                name="notifications_delivery_due",
            ),
            models.Index(
                fields=["channel", "claimed_at", "id"],
                condition=Q(status="sending"),
                name="notifications_delivery_stuck",
            ),
            models.Index(
                fields=["carried_by"],
                condition=Q(carried_by__isnull=False),
                name="notifications_delivery_carried",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notification} by {self.get_channel_display()}"


class NotificationPreference(Dated):
    """What a recipient wants. SMS is never sent without a row that says so: consent."""

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
    recipient_key = models.CharField(max_length=40)
    category = models.CharField(max_length=15, blank=True, help_text="Empty: every category.")
    channel = models.CharField(max_length=6, choices=Channel)
    wanted = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "recipient_key", "category", "channel"],
                name="notifications_preference_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recipient_key} {self.channel} {self.category}: {self.wanted}"


class Suppression(Dated):
    """An address that must not be written to, kept as a keyed hash."""

    class Reason(models.TextChoices):
        HARD_BOUNCE = "hard_bounce"
        COMPLAINT = "complaint"
        OPT_OUT = "opt_out"
        ERASED = "erased"

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
    channel = models.CharField(max_length=6, choices=Channel)
    address_hash = models.CharField(max_length=64)
    reason = models.CharField(max_length=11, choices=Reason)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "channel", "address_hash"],
                name="notifications_suppression_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {self.get_reason_display()}"


class NotificationGroup(Dated):
    """A named set of recipients: members by hand, or a rule that is asked each time."""

    class Kind(models.TextChoices):
        STATIC = "static"
        DYNAMIC = "dynamic"

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.STATIC)
    rule = models.CharField(max_length=40, blank=True, help_text="renters_active_today")
    members = models.ManyToManyField(Contact, blank=True, related_name="groups")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "firm", Lower("name"), name="notifications_group_name_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="dynamic") ^ Q(rule=""),
                name="notifications_group_rule",
            ),
        ]

    def __str__(self) -> str:
        return self.name
