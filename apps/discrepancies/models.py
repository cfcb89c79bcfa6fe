"""What a reconciliation found: where our books and somebody else's differ."""

from django.db import models
from django.db.models import Q

from apps.core.fields import Dated
from apps.firms.models import Firm


class Source(models.TextChoices):
    STRIPE = "stripe", "Stripe"
    BOG = "bog", "Bank of Georgia"
    S3 = "s3", "Storage"
    DIRECTORY = "directory"


class ReconciliationRun(models.Model):
    """One comparison of a firm's books with a source, as far as it got."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    source = models.CharField(max_length=10, choices=Source)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    since = models.DateTimeField(help_text="How far back it looked.")
    complete = models.BooleanField(
        default=False, help_text="Only a complete look may call an issue resolved."
    )
    checked = models.PositiveIntegerField(default=0)
    found = models.PositiveIntegerField(default=0)
    fresh = models.PositiveIntegerField(default=0, help_text="Found for the first time.")
    resolved = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["firm", "source", "-started_at"], name="discrepancies_run_latest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()} {self.started_at:%Y-%m-%d %H:%M}"


class Discrepancy(Dated):
    """One difference, from the first time it is seen until it is gone."""

    class Severity(models.TextChoices):
        WARNING = "warning"
        ERROR = "error"
        CRITICAL = "critical"

    class Status(models.TextChoices):
        OPEN = "open"
        RESOLVED = "resolved", "no longer observed"
        IGNORED = "ignored"
        REPAIRED = "repaired"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="discrepancies")
    source = models.CharField(max_length=10, choices=Source)
    kind = models.CharField(max_length=40)
    subject_key = models.CharField(max_length=200, help_text="What it is about, there or here.")
    label = models.CharField(max_length=200, help_text="What people call it.")
    local_state = models.CharField(max_length=200, blank=True)
    remote_state = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.ERROR)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    occurrences = models.PositiveIntegerField(default=1)
    notified_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "discrepancies"
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "source", "kind", "subject_key"],
                condition=Q(status="open"),
                name="discrepancies_open_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["firm", "source", "last_seen_at"],
                condition=Q(status="open"),
                name="discrepancies_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.kind}"

    @property
    def sentence(self) -> str:
        """What differs, in words."""
        return f"{self.label}: {self.remote_state} but {self.local_state}"
