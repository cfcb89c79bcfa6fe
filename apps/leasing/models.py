"""Who lives where, for how much, and on what terms."""

from datetime import date
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from apps.billing.models import BillingAccount, Invoice
from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.core.fields import Dated
from apps.documents.models import Document
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


class LeaseQuerySet(models.QuerySet["Lease"]):
    def living(self) -> Self:
        """Leases whose renters live there: active, or under notice."""
        return self.filter(status__in=Lease.LIVING)

    def overlapping(self, first: date, last: date) -> Self:
        """Leases in force on at least one day from ``first`` to ``last``."""
        return self.filter(start_date__lte=last).filter(
            Q(end_date=None) | Q(end_date__gte=first)
        )


class Lease(Dated):
    """A tenancy agreement for one unit."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PENDING_SIGNATURE = "pending_signature", "pending signature"
        ACTIVE = "active"
        NOTICE = "notice", "under notice"
        ENDED = "ended"
        TERMINATED = "terminated"

    class Proration(models.TextChoices):
        ACTUAL = "actual", "by days of the month"
        THIRTY = "thirty", "by thirtieths"
        NONE = "none", "full months only"

    LIVING = (Status.ACTIVE, Status.NOTICE)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="leases")
    unit = models.ForeignKey(Unit, models.PROTECT, related_name="leases")
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="leases")
    status = models.CharField(max_length=17, choices=Status, default=Status.DRAFT)
    start_date = models.DateField()
    end_date = models.DateField(
        null=True, blank=True, help_text="Last day; empty: month to month."
    )
    rent_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[validate_currency])
    due_day = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(31)]
    )
    proration = models.CharField(max_length=6, choices=Proration, default=Proration.ACTUAL)
    renewed_from = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="renewals"
    )
    agreement = models.ForeignKey(
        Document, models.PROTECT, null=True, blank=True, related_name="leases"
    )

    objects = LeaseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(end_date=None) | Q(end_date__gte=F("start_date")),
                name="leasing_lease_runs_forward",
            ),
            models.CheckConstraint(
                condition=Q(due_day__gte=1) & Q(due_day__lte=31),
                name="leasing_lease_due_day",
            ),
            models.CheckConstraint(
                condition=Q(rent_minor__gte=0), name="leasing_lease_rent_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["firm", "status"], name="leasing_lease_by_status"),
        ]

    def __str__(self) -> str:
        return f"Lease {self.pk} ({self.unit})"


class LeaseParty(Dated):
    """A person on a lease."""

    class Role(models.TextChoices):
        PRIMARY = "primary"
        CO_RENTER = "co_renter", "co-renter"
        GUARANTOR = "guarantor"

    RENTERS = (Role.PRIMARY, Role.CO_RENTER)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    lease = models.ForeignKey(Lease, models.CASCADE, related_name="parties")
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="lease_parties")
    role = models.CharField(max_length=9, choices=Role, default=Role.PRIMARY)

    class Meta:
        verbose_name_plural = "lease parties"
        constraints = [
            models.UniqueConstraint(
                fields=["lease", "contact"], name="leasing_leaseparty_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact} ({self.get_role_display()})"


class LeaseCharge(Dated):
    """A recurring charge beside the rent: pets, parking, storage; negative: a concession."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    lease = models.ForeignKey(Lease, models.CASCADE, related_name="charges")
    kind = models.CharField(max_length=40, help_text="Pet rent")
    amount_minor = models.BigIntegerField(help_text="Per month, signed.")
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True, help_text="Last day.")
    prorated = models.BooleanField(default=True, help_text="Off: the full amount always.")

    def __str__(self) -> str:
        return self.kind


class RentStep(Dated):
    """The rent from a day on."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    lease = models.ForeignKey(Lease, models.CASCADE, related_name="rent_steps")
    effective_from = models.DateField()
    rent_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lease", "effective_from"], name="leasing_rentstep_once"
            ),
        ]

    def __str__(self) -> str:
        return f"from {self.effective_from}"


class RentPeriod(Dated):
    """The claim that a lease's month has been dealt with. It outlives voiding the invoice."""

    class Outcome(models.TextChoices):
        INVOICED = "invoiced"
        WAIVED = "waived"
        SKIPPED = "skipped"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    lease = models.ForeignKey(Lease, models.PROTECT, related_name="rent_periods")
    period_start = models.DateField(help_text="First of the month.")
    period_end = models.DateField(help_text="First of the next month.")
    invoice = models.OneToOneField(
        Invoice, models.PROTECT, null=True, blank=True, related_name="rent_period"
    )
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.INVOICED)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lease", "period_start"], name="leasing_rentperiod_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lease} {self.period_start:%Y-%m}"


DAYS_LIST = RegexValidator(r"^(\d{1,3}(,\d{1,3})*)?\Z", "Days separated by commas: 3,1.")


class PropertyBillingConfig(Dated):
    """Late fees and reminders from a day on; the most specific wins: lease, property, firm."""

    class LateFee(models.TextChoices):
        NONE = "none"
        FLAT = "flat"
        PERCENTAGE = "percentage"

    class Base(models.TextChoices):
        UNPAID_PRINCIPAL = "unpaid_principal", "unpaid principal"
        RENT = "rent", "monthly rent"

    class Frequency(models.TextChoices):
        ONCE = "once"
        DAILY = "daily", "once, then daily"

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
    property = models.ForeignKey(
        Property, models.CASCADE, null=True, blank=True, related_name="billing_configs"
    )
    lease = models.ForeignKey(
        Lease, models.CASCADE, null=True, blank=True, related_name="billing_configs"
    )
    effective_from = models.DateField()
    grace_days = models.PositiveSmallIntegerField(default=5)
    late_fee_type = models.CharField(max_length=10, choices=LateFee, default=LateFee.NONE)
    late_fee_minor = models.BigIntegerField(default=0)
    late_fee_percent = models.DecimalField(max_digits=5, decimal_places=2, default=0)
    percent_base = models.CharField(max_length=16, choices=Base, default=Base.UNPAID_PRINCIPAL)
    max_fee_minor = models.BigIntegerField(null=True, blank=True)
    max_percent_of_rent = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True
    )
    min_balance_minor = models.BigIntegerField(default=0)
    next_business_day = models.BooleanField(default=False)
    fee_frequency = models.CharField(max_length=5, choices=Frequency, default=Frequency.ONCE)
    daily_minor = models.BigIntegerField(default=0)
    daily_max_days = models.PositiveSmallIntegerField(default=0)
    invoice_lead_days = models.PositiveSmallIntegerField(default=0)
    remind_days_before = models.CharField(max_length=40, blank=True, validators=[DAYS_LIST])
    remind_days_after = models.CharField(max_length=40, blank=True, validators=[DAYS_LIST])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lease", "effective_from"],
                condition=Q(lease__isnull=False),
                name="leasing_billingconfig_lease_once",
            ),
            models.UniqueConstraint(
                fields=["property", "effective_from"],
                condition=Q(lease__isnull=True, property__isnull=False),
                name="leasing_billingconfig_property_once",
            ),
            models.UniqueConstraint(
                fields=["firm", "effective_from"],
                condition=Q(lease__isnull=True, property__isnull=True),
                name="leasing_billingconfig_firm_once",
            ),
            models.CheckConstraint(
                condition=Q(late_fee_percent__gte=0) & Q(late_fee_percent__lte=100),
                name="leasing_billingconfig_percent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lease or self.property or self.firm} from {self.effective_from}"


class LateFeeAssessment(Dated):
    """That a late fee was decided. The key stays used in every state, so no fee comes back."""

    class State(models.TextChoices):
        APPLIED = "applied"
        WAIVED = "waived"
        REVERSED = "reversed"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="late_fee_assessments")
    fee_invoice = models.ForeignKey(
        Invoice,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Where the fee stands, when the firm issues it separately.",
    )
    assessment_key = models.CharField(max_length=10, help_text="'initial' or an ISO date.")
    assessed_on = models.DateField()
    base_minor = models.BigIntegerField()
    rate = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    fee_minor = models.BigIntegerField()
    cap_applied = models.CharField(max_length=40, blank=True)
    config = models.JSONField(default=dict, help_text="The terms as they were.")
    state = models.CharField(max_length=8, choices=State, default=State.APPLIED)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "assessment_key"], name="leasing_latefee_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice} {self.assessment_key}"


class RewardConfiguration(Dated):
    """A programme that thanks renters for paying on time, or early."""

    class Kind(models.TextChoices):
        STREAK = "streak"
        PREPAYMENT = "prepayment"

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
    property = models.ForeignKey(
        Property, models.CASCADE, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=10, choices=Kind)
    currency = models.CharField(max_length=3, validators=[validate_currency])
    amount_minor = models.BigIntegerField()
    threshold = models.PositiveSmallIntegerField(help_text="Months in a row, or days early.")
    repeatable = models.BooleanField(default=False)
    count_grace_as_on_time = models.BooleanField(default=False)
    starts_on = models.DateField(help_text="Only invoices due from this day on count.")
    ends_on = models.DateField(null=True, blank=True)
    yearly_cap_minor = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) & Q(threshold__gte=1),
                name="leasing_reward_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.threshold} {self.get_kind_display()} {self.currency}"


class RewardGrant(Dated):
    """A reward given, and the months that earned it."""

    class State(models.TextChoices):
        GRANTED = "granted"
        REVERSED = "reversed"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="reward_grants")
    configuration = models.ForeignKey(
        RewardConfiguration, models.PROTECT, related_name="grants"
    )
    qualifying_key = models.CharField(max_length=60)
    covers_from = models.DateField(help_text="First of the first month used up.")
    covers_to = models.DateField(help_text="First of the last month used up.")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    credit = models.OneToOneField(
        "billing.AccountCredit", models.PROTECT, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=8, choices=State, default=State.GRANTED)
    needs_review = models.BooleanField(
        default=False, help_text="The history that earned it has changed since."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "configuration", "qualifying_key"],
                name="leasing_rewardgrant_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact} {self.qualifying_key}"
