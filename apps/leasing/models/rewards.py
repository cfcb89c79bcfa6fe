"""Programmes that thank renters, and what was given."""

from django.db import models
from django.db.models import Q

from apps.contacts.models import Contact
from apps.core.fields import Dated
from apps.firms.models import Firm, validate_currency
from apps.leasing.models.homes import Property


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
