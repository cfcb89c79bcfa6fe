"""On what terms rent is late, and which late fees were decided."""

from django.db import models
from django.db.models import Q

from apps.billing.models import Invoice
from apps.core.days import DAYS_LIST
from apps.core.fields import Dated
from apps.firms.models import Firm
from apps.leasing.models.homes import Property
from apps.leasing.models.leases import Lease


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
