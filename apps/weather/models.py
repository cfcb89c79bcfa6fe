"""From which weather on people are warned, and what they were warned of."""

from datetime import datetime, timedelta
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from apps.core.fields import Dated
from apps.firms.models import Firm
from apps.leasing.models import Property

PAUSE = timedelta(hours=12)  # after the last hit, and again after closing (spec D20)


class WeatherThreshold(Dated):
    """From which weather on a firm warns, or about one property; what is empty is inherited."""

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
    property = models.ForeignKey(
        Property,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="weather_thresholds",
        help_text="Empty: all of the firm's.",
    )
    heat = models.DecimalField(
        "heat (°C)",
        max_digits=4,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(25), MaxValueValidator(60)],
        help_text="Warn when it feels this hot. Usually 39.4 (103 °F).",
    )
    cold = models.DecimalField(
        "cold (°C)",
        max_digits=4,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(-70), MaxValueValidator(10)],
        help_text="Warn when the wind makes it feel this cold. Usually -17.8 (0 °F).",
    )
    wind = models.DecimalField(
        "wind (m/s)",
        max_digits=4,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(60)],
        help_text="Warn of wind that blows this fast all the time. Usually 17.9 (40 mph).",
    )
    gust = models.DecimalField(
        "gusts (m/s)",
        max_digits=4,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(90)],
        help_text="Warn of gusts this fast. Usually 25.9 (58 mph).",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["property"],
                condition=Q(property__isnull=False),
                name="weather_threshold_property_once",
            ),
            models.UniqueConstraint(
                fields=["firm"],
                condition=Q(property__isnull=True),
                name="weather_threshold_firm_once",
            ),
        ]

    def __str__(self) -> str:
        return f"Thresholds of {self.property or self.firm}"


class WeatherAlertQuerySet(models.QuerySet["WeatherAlert"]):
    def open(self) -> Self:
        """Of weather that is not over."""
        return self.filter(closed_at=None)

    def remembered(self, *, now: datetime) -> Self:
        """Open ones, and those closed so lately that the same is not alerted of again."""
        return self.filter(Q(closed_at=None) | Q(closed_at__gt=now - PAUSE))


class WeatherAlert(Dated):
    """An episode: one stretch of one kind of weather at a property, told of once.

    A second time only when it gets worse than what people were told.
    """

    class Kind(models.TextChoices):
        HEAT = "heat", "extreme heat"
        COLD = "cold", "extreme cold"
        WIND = "wind", "high winds"
        SEVERE = "severe", "official alert"

    class Severity(models.TextChoices):
        MODERATE = "moderate"
        SEVERE = "severe"
        EXTREME = "extreme"

        @property
        def rank(self) -> int:
            return list(type(self)).index(self)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    property = models.ForeignKey(Property, models.PROTECT, related_name="weather_alerts")
    kind = models.CharField(max_length=6, choices=Kind)
    source_key = models.CharField(
        max_length=200, blank=True, help_text="Which official event; empty: our observation."
    )
    message_id = models.CharField(
        max_length=200, blank=True, help_text="The authority's latest message about it."
    )
    name = models.CharField(max_length=120, help_text="What people call it: Tornado Warning.")
    severity = models.CharField(max_length=8, choices=Severity)
    notified_severity = models.CharField(
        max_length=8, choices=Severity, help_text="The worst that people were told."
    )
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="When it was last over the threshold.")
    observed_at = models.DateTimeField(help_text="Of the latest observation that counted.")
    calm_checks = models.PositiveSmallIntegerField(
        default=0, help_text="Observations in a row that were well back; two may end it."
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = WeatherAlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["property", "kind", "source_key"],
                condition=Q(closed_at=None),
                name="weather_alert_one_open",
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None) | Q(closed_at__gte=models.F("opened_at")),
                name="weather_alert_runs_forward",
            ),
        ]
        indexes = [
            # check_weather_alerts asks what is open, and what closed a moment ago.
            models.Index(fields=["property", "closed_at"], name="weather_alert_lately"),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.property}"
