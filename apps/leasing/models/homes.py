"""What can be let, and where it stands."""

from datetime import date

from django.db import models

from apps.core.days import Clock
from apps.core.fields import Dated
from apps.firms.models import Firm, validate_currency, validate_timezone


class JurisdictionCap(Dated):
    """What the law of a place allows as a late fee. Data with a source, not code."""

    code = models.CharField(max_length=20, unique=True, help_text="US-NY")
    currency = models.CharField(max_length=3, validators=[validate_currency])
    max_fee_minor = models.BigIntegerField(null=True, blank=True)
    max_percent_of_rent = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True
    )
    source = models.CharField(max_length=200, help_text="The law, and who checked it when.")

    def __str__(self) -> str:
        return self.code


class Property(Dated):
    """A building; its zone decides what day it is for everybody in it (spec A2.3)."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="properties")
    name = models.CharField(max_length=120)
    address = models.CharField(max_length=250, blank=True)
    latitude = models.DecimalField(max_digits=8, decimal_places=5, null=True, blank=True)
    longitude = models.DecimalField(max_digits=8, decimal_places=5, null=True, blank=True)
    timezone = models.CharField(max_length=64, validators=[validate_timezone])
    currency = models.CharField(max_length=3, validators=[validate_currency])
    jurisdiction = models.ForeignKey(
        JurisdictionCap, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name_plural = "properties"
        constraints = [
            models.UniqueConstraint(fields=["firm", "name"], name="leasing_property_name_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def today(self, clock: Clock) -> date:
        """The date at the property."""
        return clock.today(self.timezone)


class Unit(Dated):
    """A flat, house or room that can be let."""

    class Status(models.TextChoices):
        VACANT = "vacant"
        OCCUPIED = "occupied"
        MAINTENANCE = "maintenance"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    property = models.ForeignKey(Property, models.PROTECT, related_name="units")
    label = models.CharField(max_length=20)
    status = models.CharField(max_length=11, choices=Status, default=Status.VACANT)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["property", "label"], name="leasing_unit_label_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.property} {self.label}"
