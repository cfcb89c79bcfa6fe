"""What went wrong with jobs and who was told, and whose turn it is to look."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class AlertQuerySet(models.QuerySet["Alert"]):
    def still_open(self) -> Self:
        return self.filter(recovered_at=None)

    def over(self) -> Self:
        return self.filter(recovered_at__isnull=False)

    def unacknowledged(self) -> Self:
        return self.filter(acknowledged_at=None)

    def worrying(self) -> Self:
        """Open ones that nobody has taken on yet, and that are more than slow."""
        return self.still_open().unacknowledged().exclude(kind=Alert.Kind.SLOW)


class Alert(models.Model):
    """Something that went wrong with a job or the queue, until it has recovered.

    It is the platform's, not a firm's, and names jobs and runs only.
    """

    class Kind(models.TextChoices):
        """The worst first: an e-mail's subject says that one."""

        NO_CLUSTER = "no_cluster", "No cluster"
        STUCK = "stuck", "Queue stuck"
        MISSED = "missed"
        BROKEN = "broken", "Lost or crashed"
        FAILED = "failed"
        PARTIAL = "partial", "Partly failed"
        LATE = "late"
        UNSCHEDULED = "unscheduled", "No schedule"
        MISREAD = "misread", "Schedule misread"
        SLOW = "slow", "Unusually slow"

    kind = models.CharField(max_length=12, choices=Kind)
    job = models.CharField(max_length=100, blank=True)
    scope = models.CharField(
        max_length=60, blank=True, help_text="Of several troubles of a job: 'schedule 12'."
    )
    # No foreign key: the record of runs goes in bulk, and what happened is still true then.
    run_number = models.BigIntegerField("run", null=True, blank=True)
    schedule_number = models.BigIntegerField("schedule", null=True, blank=True)
    since = models.DateTimeField(
        null=True, blank=True, help_text="When it was due, was begun, or has waited from."
    )
    text = models.TextField(help_text="What went wrong, in a sentence.")
    times = models.PositiveIntegerField(default=1, help_text="How often it happened.")
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField("last seen")
    told_at = models.DateTimeField("last told", null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    recovered_at = models.DateTimeField(null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            # Also how every look finds the open ones.
            models.UniqueConstraint(
                fields=["kind", "job", "scope"],
                condition=Q(recovered_at=None),
                name="monitoring_alert_one_open",
            ),
        ]
        indexes = [
            # Whether a failed run has been told of already.
            models.Index(fields=["run_number"], name="monitoring_alert_of_run"),
            models.Index(fields=["-opened_at"], name="monitoring_alert_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.job}" if self.job else self.get_kind_display()


class Delivery(models.Model):
    """One message about alerts on one channel, until it has got through.

    Whoever sends it claims it by moving ``due_at`` on; when they die, it is due again.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook"

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        GIVEN_UP = "given_up", "Given up"

    channel = models.CharField(max_length=7, choices=Channel)
    key = models.UUIDField(
        default=uuid.uuid4, editable=False, help_text="The same each time it is tried."
    )
    subject = models.CharField(max_length=200)
    body = models.TextField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            # What every look has to send.
            models.Index(
                fields=["due_at"],
                condition=Q(state="waiting"),
                name="monitoring_delivery_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.subject}"


class Watch(models.Model):
    """The one row by which all processes agree on who looks next, and what was seen."""

    name = models.CharField(max_length=20, unique=True)
    next_look_at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True, blank=True)
    judged_until = models.DateTimeField(help_text="Runs that ended before then were judged.")
    cluster_seen_at = models.DateTimeField(help_text="The last sign of life of any cluster.")

    class Meta:
        verbose_name_plural = "watches"

    def __str__(self) -> str:
        return self.name
