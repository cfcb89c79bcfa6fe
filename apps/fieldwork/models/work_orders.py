"""The work itself: orders, what became of them, and what they are estimated to cost."""

from datetime import date, datetime, timedelta
from typing import Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from moneyed import Money

from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.core import money
from apps.core.fields import Dated
from apps.documents.models import Document
from apps.fieldwork.models.contractors import ContractorProfile
from apps.firms.models import Firm, validate_currency
from apps.leasing.models import Unit


class WorkOrderQuerySet(models.QuerySet["WorkOrder"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def open(self) -> Self:
        """Work that is still to be done; completed work only waits for a look (spec D27)."""
        return self.filter(status__in=WorkOrder.OPEN)

    def unassigned(self) -> Self:
        return self.filter(status=WorkOrder.Status.PENDING)

    def approaching(self, *, on: date, days: int) -> Self:
        """Open and due on a local day or at most ``days`` days later."""
        return self.open().filter(due_date__gte=on, due_date__lte=on + timedelta(days=days))

    def overdue(self, *, on: date) -> Self:
        """Open, and the due date is past on a local day."""
        return self.open().filter(due_date__lt=on)

    def idle_since(self, instant: datetime) -> Self:
        """Open, and nothing has happened after an instant."""
        return self.open().filter(last_activity_at__lte=instant)

    def ready_for_payout(self) -> Self:
        """Verified, worth something to the contractor, and on no live payout request."""
        return self.filter(
            status=WorkOrder.Status.VERIFIED, contractor_price_minor__gt=0
        ).exclude(payout_lines__is_live=True)


class WorkOrder(Dated):
    """A piece of work for a customer, at a unit or anywhere; people call it a job."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "Pending"
        ASSIGNED = "ASSIGNED", "Assigned"
        IN_PROGRESS = "IN_PROGRESS", "In progress"
        ON_HOLD = "ON_HOLD", "On hold"
        COMPLETED = "COMPLETED", "Completed"
        VERIFIED = "VERIFIED", "Verified"
        CANCELLED = "CANCELLED", "Cancelled"

    OPEN = (Status.PENDING, Status.ASSIGNED, Status.IN_PROGRESS, Status.ON_HOLD)
    AUTO_STALE = "auto_stale"  # the cancel_reason of auto_close_stale_jobs

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="work_orders")
    number = models.CharField(max_length=20)
    title = models.CharField(max_length=150)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=11, choices=Status, default=Status.PENDING)
    contractor = models.ForeignKey(
        ContractorProfile, models.PROTECT, null=True, blank=True, related_name="work_orders"
    )
    unit = models.ForeignKey(
        Unit, models.PROTECT, null=True, blank=True, related_name="work_orders"
    )
    customer = models.ForeignKey(
        Contact, models.PROTECT, null=True, blank=True, related_name="work_orders"
    )
    due_date = models.DateField("due", null=True, blank=True)
    scheduled_on = models.DateField("scheduled", null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    currency = models.CharField(max_length=3, validators=[validate_currency])
    customer_price_minor = models.BigIntegerField(
        default=0, validators=[MinValueValidator(0)], help_text="What the customer pays."
    )
    contractor_price_minor = models.BigIntegerField(
        default=0, validators=[MinValueValidator(0)], help_text="What the contractor gets."
    )
    last_activity_at = models.DateTimeField(
        default=timezone.now,
        help_text="When a person last did something about it; our own mails do not count.",
    )
    do_not_auto_close = models.BooleanField(default=False)
    stale_warned_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=300, blank=True)
    invoice = models.OneToOneField(
        Invoice, models.PROTECT, null=True, blank=True, related_name="work_order"
    )

    objects = WorkOrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "number"], name="fieldwork_workorder_number_once"
            ),
            models.CheckConstraint(
                condition=Q(status="CANCELLED")
                | Q(status="PENDING", contractor__isnull=True)
                | Q(~Q(status="PENDING"), contractor__isnull=False),
                name="fieldwork_workorder_contractor_unless_pending",
            ),
            models.CheckConstraint(
                condition=Q(customer_price_minor__gte=0) & Q(contractor_price_minor__gte=0),
                name="fieldwork_workorder_prices_not_negative",
            ),
        ]
        indexes = [
            # send_pending_jobs_reminder, send_daily_summary and the office's list of overdue
            # work.
            models.Index(
                fields=["firm", "due_date"],
                condition=Q(status__in=["PENDING", "ASSIGNED", "IN_PROGRESS", "ON_HOLD"]),
                name="fieldwork_open_by_due",
            ),
            # auto_close_stale_jobs starts here.
            models.Index(
                fields=["last_activity_at"],
                condition=Q(status__in=["PENDING", "ASSIGNED", "IN_PROGRESS", "ON_HOLD"]),
                name="fieldwork_open_by_activity",
            ),
            # send_payout_reminders, and whoever requests a payout.
            models.Index(
                fields=["firm", "contractor", "verified_at"],
                condition=Q(status="VERIFIED", contractor_price_minor__gt=0),
                name="fieldwork_verified",
            ),
            # send_daily_summary counts new work.
            models.Index(fields=["firm", "created_at"], name="fieldwork_by_creation"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.title}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def customer_price(self) -> Money:
        return money.from_minor(self.customer_price_minor, self.currency)

    @property
    def contractor_price(self) -> Money:
        return money.from_minor(self.contractor_price_minor, self.currency)


class WorkOrderEvent(models.Model):
    """One thing that was done about a work order. Never changed."""

    class Kind(models.TextChoices):
        CREATED = "created"
        ASSIGNED = "assigned"
        REASSIGNED = "reassigned"
        UNASSIGNED = "unassigned"
        STARTED = "started"
        HELD = "held", "Put on hold"
        RESUMED = "resumed"
        COMPLETED = "completed"
        REOPENED = "reopened"
        VERIFIED = "verified"
        CANCELLED = "cancelled"
        DUE_DATE = "due_date", "Due date changed"
        ESTIMATED = "estimated", "Estimate submitted"
        ESTIMATE_DECIDED = "estimate_decided", "Estimate decided"
        INVOICED = "invoiced"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    work_order = models.ForeignKey(WorkOrder, models.PROTECT, related_name="events")
    kind = models.CharField("what", max_length=16, choices=Kind)
    from_status = models.CharField(max_length=11, choices=WorkOrder.Status, blank=True)
    to_status = models.CharField("state", max_length=11, choices=WorkOrder.Status)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    occurred_at = models.DateTimeField("when")
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            # send_daily_summary counts first completions.
            models.Index(
                fields=["firm", "occurred_at"],
                condition=Q(kind="completed"),
                name="fieldwork_completions",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.work_order.number} {self.get_kind_display().lower()}"


class WorkOrderNote(models.Model):
    """What somebody wrote about a work order, or added to it as a file."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    work_order = models.ForeignKey(WorkOrder, models.PROTECT, related_name="notes")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    text = models.TextField()
    file = models.ForeignKey(
        Document, models.PROTECT, null=True, blank=True, related_name="work_order_notes"
    )
    is_automatic = models.BooleanField(
        default=False, help_text="Written by a job; it counts as no activity."
    )
    written_at = models.DateTimeField("when")

    def __str__(self) -> str:
        return f"{self.work_order.number}: {self.text[:60]}"


class Estimate(Dated):
    """What a contractor would do a work order for."""

    class Status(models.TextChoices):
        DRAFT = "DRAFT", "Draft"
        SUBMITTED = "SUBMITTED", "Submitted"
        APPROVED = "APPROVED", "Approved"
        REJECTED = "REJECTED", "Rejected"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    work_order = models.ForeignKey(WorkOrder, models.PROTECT, related_name="estimates")
    contractor = models.ForeignKey(ContractorProfile, models.PROTECT, related_name="estimates")
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT)
    amount_minor = models.BigIntegerField(validators=[MinValueValidator(1)])
    currency = models.CharField(max_length=3, validators=[validate_currency])
    text = models.TextField("what it covers", blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="fieldwork_estimate_positive"
            ),
            models.CheckConstraint(
                condition=Q(status="DRAFT") | Q(submitted_at__isnull=False),
                name="fieldwork_estimate_submitted_at",
            ),
        ]
        indexes = [
            # send_daily_summary counts what came in.
            models.Index(
                fields=["firm", "submitted_at"],
                condition=Q(submitted_at__isnull=False),
                name="fieldwork_estimates_submitted",
            ),
        ]

    def __str__(self) -> str:
        return f"{money.write_grouped(self.amount)} by {self.contractor}"

    @property
    def amount(self) -> Money:
        return money.from_minor(self.amount_minor, self.currency)
