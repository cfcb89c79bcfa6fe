"""Money out: what contractors ask for, and what they were paid (spec B2.5)."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from moneyed import Money

from apps.core import money
from apps.core.fields import Dated, Retained
from apps.fieldwork.models.contractors import ContractorProfile
from apps.fieldwork.models.work_orders import WorkOrder
from apps.firms.models import Firm, validate_currency


class PayoutRequestQuerySet(models.QuerySet["PayoutRequest"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def pending(self) -> Self:
        return self.filter(status=PayoutRequest.Status.PENDING)


class PayoutRequest(Dated, Retained):
    """A contractor's wish to be paid, in one currency."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "Pending"
        APPROVED = "APPROVED", "Approved"
        REJECTED = "REJECTED", "Rejected"
        PAID = "PAID", "Paid"
        CANCELLED = "CANCELLED", "Cancelled"

    LIVE = (Status.PENDING, Status.APPROVED, Status.PAID)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="payout_requests")
    number = models.CharField(max_length=20)
    contractor = models.ForeignKey(
        ContractorProfile, models.PROTECT, related_name="payout_requests"
    )
    amount_minor = models.BigIntegerField(help_text="The sum of its lines.")
    currency = models.CharField(max_length=3, validators=[validate_currency])
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(
        max_length=300, blank=True, help_text="Why it was rejected or cancelled."
    )

    objects = PayoutRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "number"], name="fieldwork_payoutrequest_number_once"
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="fieldwork_payoutrequest_positive"
            ),
        ]
        indexes = [
            # send_payout_reminders reads these, oldest first.
            models.Index(
                fields=["firm", "requested_at"],
                condition=Q(status="PENDING"),
                name="fieldwork_payouts_pending",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def amount(self) -> Money:
        return money.from_minor(self.amount_minor, self.currency)


class PayoutRequestLine(models.Model):
    """What a request is for: a work order, or something else that says what it is."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    request = models.ForeignKey(PayoutRequest, models.PROTECT, related_name="lines")
    work_order = models.ForeignKey(
        WorkOrder, models.PROTECT, null=True, blank=True, related_name="payout_lines"
    )
    description = models.CharField(
        max_length=150, blank=True, help_text="Materials, stand-by, a call-out."
    )
    amount_minor = models.BigIntegerField()
    # Whether the request is in PayoutRequest.LIVE, kept beside it so that the database can
    # refuse to pay for a work order twice.
    is_live = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["work_order"],
                condition=Q(is_live=True),
                name="fieldwork_payoutrequestline_one_live",
            ),
            models.CheckConstraint(
                condition=Q(work_order__isnull=False) | ~Q(description=""),
                name="fieldwork_payoutrequestline_for_something",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="fieldwork_payoutrequestline_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.description or str(self.work_order)

    @property
    def amount(self) -> Money:
        return money.from_minor(self.amount_minor, self.request.currency)


class Payout(Dated, Retained):
    """That a request was paid."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="payouts")
    request = models.OneToOneField(PayoutRequest, models.PROTECT, related_name="payout")
    paid_at = models.DateTimeField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[validate_currency])
    reference = models.CharField(max_length=100, blank=True, help_text="The bank's.")
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="fieldwork_payout_positive"
            ),
        ]
        indexes = [
            # send_daily_summary sums these.
            models.Index(fields=["firm", "paid_at"], name="fieldwork_payouts_by_day"),
        ]

    def __str__(self) -> str:
        return f"{money.write_grouped(self.amount)} for {self.request}"

    @property
    def amount(self) -> Money:
        return money.from_minor(self.amount_minor, self.currency)
