"""Our accounts at outside providers, and the one signed inbox for what they tell us."""

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from apps.core.fields import Dated, SecretsField
from apps.firms.models import Firm


class GatewayAccount(Dated):
    """A firm's account at a provider; the platform's own has no firm.

    ``credentials`` by provider: Stripe ``secret_key`` and ``webhook_secret``; the Bank of
    Georgia ``client_id``, ``client_secret`` and ``public_key`` (a second one,
    ``next_public_key``, while the bank changes keys); Twilio ``account_sid``, ``auth_token``
    and ``sender``; a mail server that passes on bounces ``webhook_secret``.
    """

    class Provider(models.TextChoices):
        STRIPE = "stripe", "Stripe"
        BOG = "bog", "Bank of Georgia"
        TWILIO = "twilio", "Twilio"
        MAIL = "mail", "Mail server"

    class Status(models.TextChoices):
        ACTIVE = "active"
        DISABLED = "disabled"

    firm = models.ForeignKey(
        Firm, models.PROTECT, null=True, blank=True, related_name="gateway_accounts"
    )
    provider = models.CharField(max_length=10, choices=Provider)
    livemode = models.BooleanField(default=False)
    key = models.UUIDField(
        default=uuid.uuid4,
        unique=True,
        editable=False,
        help_text="Names the account in its webhook's address.",
    )
    credentials = SecretsField()
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "provider", "livemode"], name="webhooks_account_once"
            ),
            models.UniqueConstraint(
                fields=["provider", "livemode"],
                condition=Q(firm=None),
                name="webhooks_platform_account_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_provider_display()} of {self.firm or 'the platform'}"


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    def due(self, *, now: datetime) -> Self:
        """Events whose time has come, and those that a worker took and never finished.

        Whoever takes one moves ``next_attempt_at`` to the end of its lease.
        """
        return self.filter(
            status__in=[WebhookEvent.Status.RECEIVED, WebhookEvent.Status.PROCESSING],
            next_attempt_at__lte=now,
        )

    def finished(self) -> Self:
        """Events that nothing will be done about any more."""
        return self.filter(status__in=WebhookEvent.FINISHED)

    def unfinished(self) -> Self:
        """Events that something may still be done about; deleting one may lose money."""
        return self.filter(status__in=WebhookEvent.UNFINISHED)

    def emptied(self) -> Self:
        """Events whose content retention has taken; nobody sends an empty one."""
        return self.filter(WebhookEvent.EMPTIED)


class WebhookEvent(models.Model):
    """An event as it arrived, kept until it is acted upon and for some time after."""

    class Status(models.TextChoices):
        RECEIVED = "received"
        PROCESSING = "processing"
        PROCESSED = "processed"
        IGNORED = "ignored"
        FAILED = "failed"
        DEAD = "dead", "given up by a person"

    FINISHED = (Status.PROCESSED, Status.IGNORED, Status.DEAD)
    UNFINISHED = (Status.RECEIVED, Status.PROCESSING, Status.FAILED)
    EMPTIED = Q(raw_body=b"")

    firm = models.ForeignKey(Firm, models.PROTECT, null=True, blank=True, related_name="+")
    provider = models.CharField(max_length=10, choices=GatewayAccount.Provider)
    account_key = models.CharField(max_length=36)
    event_id = models.CharField(max_length=200)
    type = models.CharField(max_length=100)
    raw_body = models.BinaryField()
    headers = models.JSONField(default=dict)
    signature_ok = models.BooleanField(default=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.RECEIVED)
    attempts = models.PositiveSmallIntegerField(default=0)
    received_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "account_key", "event_id"], name="webhooks_event_once"
            ),
        ]
        indexes = [
            # cleanup_webhook_events walks finished events by age.
            models.Index(fields=["status", "received_at"], name="webhooks_event_by_age"),
            # process_webhook_events starts here.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status__in=["received", "processing"]),
                name="webhooks_event_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class WebhookFingerprint(models.Model):
    """That an event has been here: outlives its payload, so that it is never acted on twice."""

    firm = models.ForeignKey(Firm, models.PROTECT, null=True, blank=True, related_name="+")
    provider = models.CharField(max_length=10, choices=GatewayAccount.Provider)
    account_key = models.CharField(max_length=36)
    event_id = models.CharField(max_length=200)
    first_seen_at = models.DateTimeField()
    event_deleted_at = models.DateTimeField(
        db_index=True, help_text="It is forgotten 400 days after this."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "account_key", "event_id"],
                name="webhooks_fingerprint_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"


class WebhookRefusal(models.Model):
    """How many requests the inbox turned away on a day, and why. Nothing of them is kept."""

    class Reason(models.TextChoices):
        UNKNOWN_ACCOUNT = "unknown_account"
        BAD_SIGNATURE = "bad_signature"
        STALE = "stale", "signed too long ago"
        TOO_LARGE = "too_large"
        MALFORMED = "malformed"

    provider = models.CharField(max_length=10, choices=GatewayAccount.Provider)
    reason = models.CharField(max_length=16, choices=Reason)
    day = models.DateField(help_text="UTC")
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "reason", "day"], name="webhooks_refusal_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.provider} {self.reason}: {self.count}"
