"""How long data stays, by policy and by law, and what went."""

from datetime import date

from django.core.validators import RegexValidator
from django.db import models

from apps.core.fields import Dated
from apps.firms.models import Firm, RetentionPolicy


class RetentionRun(models.Model):
    """What a firm's policy did with one type of data that was older than a cutoff.

    Figures only. However many runs it took: a run that was interrupted and the one that
    finished it write the same row.
    """

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="retention_runs")
    data_type = models.CharField(max_length=10, choices=RetentionPolicy.DataType)
    action = models.CharField(max_length=9, choices=RetentionPolicy.Action)
    cutoff = models.DateTimeField(help_text="What is older was due.")
    processed = models.PositiveBigIntegerField(default=0)
    held = models.PositiveBigIntegerField(default=0, help_text="Left alone by a legal hold.")
    failed = models.PositiveBigIntegerField(
        default=0, help_text="Errors, each of a batch or a file; the next run tries again."
    )
    ran_at = models.DateTimeField(help_text="When it began.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "data_type", "action", "cutoff"],
                name="privacy_retentionrun_once",
            ),
        ]
        indexes = [
            models.Index(fields=["firm", "-ran_at"], name="privacy_retentionrun_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_data_type_display()}: {self.processed}"


class StatutoryPeriod(Dated):
    """How long the law of a country has records kept. Data with a source, not code."""

    country = models.CharField(
        max_length=2,
        blank=True,
        unique=True,
        validators=[RegexValidator(r"^[A-Z]{2}\Z", "ISO 3166-1 alpha-2.")],
        help_text="ISO 3166-1 alpha-2. Empty: wherever no country is named.",
    )
    years = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=60, default="tax law")
    source = models.CharField(max_length=200, help_text="The law, and who checked it when.")

    def __str__(self) -> str:
        return f"{self.country or 'elsewhere'}: {self.years} years"

    def ends(self, since: date) -> date:
        """Return the last day that a record of a day is kept: years count from year's end."""
        return date(since.year + self.years, 12, 31)
