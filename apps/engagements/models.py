"""What a consultancy has agreed with a client, and which periods of it have been billed."""

from datetime import date
from typing import Self

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.billing.models import BillingAccount, Invoice
from apps.core.fields import Dated, Retained
from apps.firms.models import Firm, validate_currency


class EngagementQuerySet(models.QuerySet["Engagement"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def billed_by_package(self) -> Self:
        """Active, and with a package fee in its pricing (mixed bills the package part)."""
        return self.filter(
            status=Engagement.Status.ACTIVE, pricing_mode__in=Engagement.BY_PACKAGE
        )


class Engagement(Dated, Retained):
    """Work for a client under one agreement."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        ACTIVE = "active"
        PAUSED = "paused"
        COMPLETED = "completed"
        CANCELLED = "cancelled"

    class PricingMode(models.TextChoices):
        PACKAGE = "package"
        MIXED = "mixed", "Package and hourly"
        HOURLY = "hourly"
        FIXED = "fixed", "Fixed price"

    class Interval(models.TextChoices):
        MONTHLY = "monthly"
        QUARTERLY = "quarterly"
        ANNUAL = "annual"

        @property
        def months(self) -> int:
            return {"monthly": 1, "quarterly": 3, "annual": 12}[self]

    class Timing(models.TextChoices):
        ADVANCE = "advance", "In advance"
        ARREARS = "arrears", "In arrears"

    class Proration(models.TextChoices):
        DAILY = "daily", "By days"
        NONE = "none", "Full fee"

    BY_PACKAGE = (PricingMode.PACKAGE, PricingMode.MIXED)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="engagements")
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="engagements")
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT)
    pricing_mode = models.CharField(max_length=7, choices=PricingMode)
    package_fee_minor = models.BigIntegerField(default=0, validators=[MinValueValidator(0)])
    currency = models.CharField(max_length=3, validators=[validate_currency])
    billing_interval = models.CharField(
        max_length=9, choices=Interval, default=Interval.MONTHLY
    )
    billing_timing = models.CharField(max_length=7, choices=Timing, default=Timing.ADVANCE)
    start_date = models.DateField()
    end_date = models.DateField(null=True, blank=True, help_text="The last day, inclusive.")
    billing_anchor = models.DateField(
        null=True,
        blank=True,
        help_text="The day that periods are counted from; else the start.",
    )
    bill_from = models.DateField(
        help_text="Put under billing on this day; earlier periods are never billed."
    )
    proration = models.CharField(max_length=5, choices=Proration, default=Proration.DAILY)
    net_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Days to pay; else the firm's."
    )
    tax_percent = models.DecimalField(
        max_digits=5, decimal_places=2, default=0, validators=[MinValueValidator(0)]
    )
    autopay_opt_in = models.BooleanField(default=False)
    paused_on = models.DateField(null=True, blank=True)

    objects = EngagementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(package_fee_minor__gte=0), name="engagements_fee_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(end_date=None) | Q(end_date__gte=F("start_date")),
                name="engagements_end_not_before_start",
            ),
        ]
        indexes = [
            # generate_package_invoices starts here.
            models.Index(
                fields=["firm"],
                condition=Q(status="active", pricing_mode__in=["package", "mixed"]),
                name="engagements_billed",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def anchor(self) -> date:
        """The day that billing periods are counted from."""
        return self.billing_anchor or self.start_date


class EngagementRate(models.Model):
    """The package fee from a day on."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    engagement = models.ForeignKey(Engagement, models.PROTECT, related_name="rates")
    effective_from = models.DateField()
    fee_minor = models.BigIntegerField(validators=[MinValueValidator(0)])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["engagement", "effective_from"], name="engagements_rate_once"
            ),
            models.CheckConstraint(
                condition=Q(fee_minor__gte=0), name="engagements_rate_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.engagement} from {self.effective_from}"


class EngagementPeriod(Dated):
    """The claim: this period of this engagement has been dealt with, for ever (spec B3)."""

    class Outcome(models.TextChoices):
        INVOICED = "invoiced"
        WAIVED = "waived"
        SKIPPED = "skipped"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    engagement = models.ForeignKey(Engagement, models.PROTECT, related_name="periods")
    period_start = models.DateField()
    period_end = models.DateField(help_text="First day after it.")
    invoice = models.ForeignKey(
        Invoice, models.PROTECT, null=True, blank=True, related_name="engagement_periods"
    )
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.INVOICED)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["engagement", "period_start"], name="engagements_period_once"
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")),
                name="engagements_period_runs_forward",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.engagement} from {self.period_start}"
