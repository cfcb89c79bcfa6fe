"""Cards that customers have stored, and each time that one was asked for money."""

from django.db import models
from django.db.models import Q
from moneyed import Money

from apps.billing.models.accounts import BillingAccount
from apps.billing.models.invoices import Invoice
from apps.core import money
from apps.core.fields import Dated
from apps.firms.models import Firm


class PaymentMethod(Dated):
    """A card (or bank account) that a customer has stored with the gateway, not with us."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        INVALID = "invalid", "cannot be charged"
        DETACHED = "detached", "removed"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="payment_methods")
    provider = models.CharField(max_length=20)
    provider_ref = models.CharField(max_length=100)
    brand = models.CharField(max_length=30, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    exp_month = models.PositiveSmallIntegerField(null=True, blank=True)
    exp_year = models.PositiveSmallIntegerField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    invalid_reason = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "provider", "provider_ref"],
                name="billing_paymentmethod_ref_once",
            ),
        ]

    def __str__(self) -> str:
        brand = self.brand[:1].upper() + self.brand[1:]
        return f"{brand or 'Card'} ending {self.last4}" if self.last4 else "stored card"


class PaymentAttempt(Dated):
    """One request for money: the intent is committed before the gateway is called (A5.4)."""

    class Status(models.TextChoices):
        IN_FLIGHT = "in_flight", "In flight"
        PROCESSING = "processing", "Processing at the bank"
        SUCCEEDED = "succeeded"
        REQUIRES_ACTION = "requires_action", "Customer must authenticate"
        DECLINED = "declined"
        TRANSIENT_ERROR = "transient_error", "Never happened"
        UNKNOWN = "unknown", "Unknown: a person decides"

    class FailureClass(models.TextChoices):
        NONE = "", "—"
        SOFT = "soft", "may be tried again"
        HARD = "hard", "card cannot be charged"
        AUTHENTICATION = "authentication"
        TECHNICAL = "technical"

    OPEN = (Status.IN_FLIGHT, Status.PROCESSING, Status.UNKNOWN)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="attempts")
    payment_method = models.ForeignKey(PaymentMethod, models.PROTECT, related_name="attempts")
    ordinal = models.PositiveSmallIntegerField()
    idempotency_key = models.CharField(max_length=60, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=15, choices=Status, default=Status.IN_FLIGHT)
    failure_class = models.CharField(
        max_length=14, choices=FailureClass, blank=True, default=""
    )
    decline_code = models.CharField(max_length=60, blank=True)
    gateway_ref = models.CharField(max_length=100, blank=True)
    requested_at = models.DateTimeField(help_text="Since when the gateway may know of it.")
    resolved_at = models.DateTimeField(null=True, blank=True)
    autopay_before = models.CharField(
        max_length=12,
        choices=Invoice.Autopay,
        blank=True,
        default="",
        help_text="What the invoice's autopay was before the claim.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "ordinal"], name="billing_attempt_ordinal_once"
            ),
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(status__in=["in_flight", "processing", "unknown"]),
                name="billing_attempt_one_open",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="billing_attempt_positive"
            ),
        ]
        indexes = [
            # What process_recurring_charges resolves first, and reconcile_stripe looks at.
            models.Index(
                fields=["firm", "requested_at"],
                condition=Q(status__in=["in_flight", "processing", "unknown"]),
                name="billing_attempt_unresolved",
            ),
            models.Index(
                fields=["firm", "gateway_ref"],
                condition=~Q(gateway_ref=""),
                name="billing_attempt_by_ref",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.ordinal} for {self.invoice}"

    @property
    def amount(self) -> Money:
        return money.from_minor(self.amount_minor, self.currency)
