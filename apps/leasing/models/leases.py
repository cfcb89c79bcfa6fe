"""Who lives where, for how much, and which months have been dealt with."""

from datetime import date
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.billing.models import BillingAccount, Invoice
from apps.contacts.models import Contact
from apps.core.fields import Dated, Retained
from apps.documents.models import Document
from apps.firms.models import Firm, validate_currency
from apps.leasing.models.homes import Unit


class LeaseQuerySet(models.QuerySet["Lease"]):
    def living(self) -> Self:
        """Leases whose renters live there: active, or under notice."""
        return self.filter(status__in=Lease.LIVING)

    def overlapping(self, first: date, last: date) -> Self:
        """Leases in force on at least one day from ``first`` to ``last``."""
        return self.filter(start_date__lte=last).filter(
            Q(end_date=None) | Q(end_date__gte=first)
        )


class Lease(Dated, Retained):
    """A tenancy agreement for one unit."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PENDING_SIGNATURE = "pending_signature", "Pending signature"
        ACTIVE = "active"
        NOTICE = "notice", "Under notice"
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
        CO_RENTER = "co_renter", "Co-renter"
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
