"""What firms owe the platform: another seller, another bank, never in a firm's own books."""

from datetime import date
from typing import Self

from django.db import models
from django.db.models import Q
from moneyed import Money

from apps.core import money
from apps.core.fields import Dated
from apps.firms.models import Firm, validate_currency


class Plan(models.Model):
    """What the platform sells: a price for a number of days."""

    class PeriodUnit(models.TextChoices):
        DAY = "day"

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    price_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="GEL", validators=[validate_currency])
    period_unit = models.CharField(max_length=3, choices=PeriodUnit, default=PeriodUnit.DAY)
    period_count = models.PositiveSmallIntegerField(default=30)
    trial_days = models.PositiveSmallIntegerField(default=14)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(price_minor__gte=0), name="subscriptions_price_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(period_count__gte=1), name="subscriptions_period_some_days"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def price(self) -> Money:
        return money.from_minor(self.price_minor, self.currency)


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def served(self) -> Self:
        """Not suspended and not cancelled."""
        return self.filter(status__in=Subscription.SERVED)

    def renewing(self) -> Self:
        """What renews by itself as long as its firm is served: it ends, and costs money."""
        return self.served().filter(
            firm__is_active=True,
            cancel_at_period_end=False,
            expires_on__isnull=False,
            plan__price_minor__gt=0,
        )


class Subscription(Dated):
    """A firm's subscription of the platform."""

    class Status(models.TextChoices):
        TRIALING = "trialing", "Trial"
        ACTIVE = "active"
        GRACE = "grace", "Overdue, still served"
        SUSPENDED = "suspended"
        CANCELLED = "cancelled"

    SERVED = (Status.TRIALING, Status.ACTIVE, Status.GRACE)

    firm = models.OneToOneField(Firm, models.PROTECT, related_name="subscription")
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="subscriptions")
    status = models.CharField(max_length=9, choices=Status, default=Status.TRIALING)
    started_on = models.DateField()
    expires_on = models.DateField(
        null=True, blank=True, help_text="The first day not paid for; empty: never expires."
    )
    cancel_at_period_end = models.BooleanField(default=False)
    suspended_at = models.DateTimeField(null=True, blank=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        indexes = [
            # process_recurring_payments and check_subscription_status start here.
            models.Index(
                fields=["expires_on"],
                condition=Q(status__in=["trialing", "active", "grace"]),
                name="subscriptions_served",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.firm}: {self.plan}"

    def days_left(self, today: date) -> int | None:
        """Days until the first day not paid for; negative when overdue, None for never."""
        return (self.expires_on - today).days if self.expires_on else None


class PaymentOrder(Dated):
    """One request to the bank for a subscription's money."""

    class Kind(models.TextChoices):
        INITIAL = "initial"
        RENEWAL = "renewal"
        MANUAL = "manual"

    class Status(models.TextChoices):
        CREATED = "created"
        PENDING = "pending", "Accepted, not paid yet"
        COMPLETED = "completed"
        FAILED = "failed"
        REFUNDED = "refunded"
        UNKNOWN = "unknown", "Unknown: a person decides"

    OPEN = (Status.CREATED, Status.PENDING, Status.UNKNOWN)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="orders")
    kind = models.CharField(max_length=7, choices=Kind)
    external_order_id = models.CharField(max_length=60, unique=True, help_text="Ours.")
    bog_order_id = models.CharField(max_length=60, blank=True, help_text="The bank's.")
    parent_order = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="renewals",
        help_text="The order whose saved card is charged.",
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    days = models.PositiveSmallIntegerField(default=30, help_text="What it pays for.")
    status = models.CharField(max_length=9, choices=Status, default=Status.CREATED)
    card_saved = models.BooleanField(default=False)
    card_mask = models.CharField(max_length=24, blank=True)
    card_invalid_reason = models.CharField(max_length=60, blank=True)
    cycle_expires_on = models.DateField(
        null=True, blank=True, help_text="The expiry that this order is to move."
    )
    attempt_no = models.PositiveSmallIntegerField(default=1)
    idempotency_key = models.UUIDField(unique=True)
    failure_code = models.CharField(max_length=40, blank=True)
    requested_at = models.DateTimeField(help_text="Since when the bank may know of it.")
    resolved_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(
        null=True, blank=True, help_text="When the subscription was extended by it, once."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "cycle_expires_on"],
                condition=Q(
                    kind="renewal",
                    status__in=["created", "pending", "unknown", "completed"],
                ),
                name="subscriptions_renewal_once",
            ),
            models.UniqueConstraint(
                fields=["bog_order_id"],
                condition=~Q(bog_order_id=""),
                name="subscriptions_bog_order_once",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="subscriptions_order_positive"
            ),
        ]
        indexes = [
            # What process_recurring_payments asks the bank about first.
            models.Index(
                fields=["requested_at"],
                condition=Q(status__in=["created", "pending", "unknown"]),
                name="subscriptions_order_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} order {self.external_order_id}"

    @property
    def amount(self) -> Money:
        return money.from_minor(self.amount_minor, self.currency)
