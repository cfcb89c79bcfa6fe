"""What is owed: invoices and their lines."""

from datetime import date, datetime
from typing import Self

from django.db import models
from django.db.models import F, Q
from moneyed import Money

from apps.billing.models.accounts import BillingAccount
from apps.core import money
from apps.core.fields import Dated, Retained
from apps.firms.models import Firm


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def collectable(self) -> Self:
        """Issued, not void, and something is still owed."""
        return self.filter(status__in=Invoice.COLLECTABLE, balance_minor__gt=0)

    def due_for_autopay(self, *, now: datetime) -> Self:
        """Opted in, collectable, and neither finished nor being charged (spec D2, C-7).

        A date in the past is due, and so is none; but never when autopay has given up,
        waits for the customer or has a charge under way.
        """
        return self.collectable().filter(
            Q(autopay_next_charge_at=None) | Q(autopay_next_charge_at__lte=now),
            autopay_opt_in=True,
            in_dispute=False,
            autopay_status__in=Invoice.CHARGEABLE,
        )

    def undisputed(self, *, on: date) -> Self:
        """Neither in dispute nor on a payment plan that pauses dunning on that day."""
        return self.filter(in_dispute=False).filter(
            Q(dunning_paused_until=None) | Q(dunning_paused_until__lt=on)
        )


class Invoice(Dated, Retained):
    """A claim against a customer. Once issued its lines only grow; corrections are rows."""

    class Kind(models.TextChoices):
        PACKAGE = "package"
        RENT = "rent"
        WORK = "work"
        MANUAL = "manual"

    class Status(models.TextChoices):
        DRAFT = "draft"
        SENT = "sent"
        PARTIAL = "partial", "Partly paid"
        OVERDUE = "overdue"
        PAID = "paid"
        VOID = "void"
        WRITTEN_OFF = "written_off", "Written off"

    class Autopay(models.TextChoices):
        NONE = "", "—"
        SCHEDULED = "scheduled"
        PROCESSING = "processing"
        RETRYING = "retrying"
        NEEDS_ACTION = "needs_action", "Needs action"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    COLLECTABLE = (Status.SENT, Status.PARTIAL, Status.OVERDUE)
    CHARGEABLE = (Autopay.NONE, Autopay.SCHEDULED, Autopay.RETRYING)
    BY_HAND = (Status.DRAFT, Status.VOID, Status.WRITTEN_OFF)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="invoices")
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="invoices")
    number = models.CharField(max_length=40, blank=True, help_text="Empty while a draft.")
    kind = models.CharField(max_length=7, choices=Kind)
    period_start = models.DateField(null=True, blank=True)
    period_end = models.DateField(null=True, blank=True, help_text="First day after it.")
    currency = models.CharField(max_length=3)
    subtotal_minor = models.BigIntegerField(default=0)
    tax_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField(default=0)
    late_fees_minor = models.BigIntegerField(
        default=0, help_text="The part of the total that is late fees."
    )
    paid_minor = models.BigIntegerField(default=0)
    credited_minor = models.BigIntegerField(default=0)
    balance_minor = models.GeneratedField(
        expression=F("total_minor") - F("paid_minor") - F("credited_minor"),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    status = models.CharField(max_length=11, choices=Status, default=Status.DRAFT)
    issue_date = models.DateField(null=True, blank=True)
    due_date = models.DateField(null=True, blank=True)
    contractual_due_date = models.DateField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    closed_on = models.DateField(
        null=True,
        blank=True,
        help_text="The local date on which it was voided or written off.",
    )
    autopay_opt_in = models.BooleanField(default=False)
    autopay_status = models.CharField(max_length=12, choices=Autopay, blank=True, default="")
    autopay_next_charge_at = models.DateTimeField(null=True, blank=True)
    autopay_failure_count = models.PositiveSmallIntegerField(default=0)
    in_dispute = models.BooleanField(default=False)
    dunning_paused_until = models.DateField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=0)
    billed_to = models.CharField(
        max_length=450,
        blank=True,
        editable=False,
        help_text="Name and address of a customer who was erased, as the law wants them kept.",
    )

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "number"],
                condition=~Q(number=""),
                name="billing_invoice_number_once",
            ),
            models.CheckConstraint(
                condition=Q(paid_minor__gte=0)
                & Q(credited_minor__gte=0)
                & Q(total_minor__gte=F("paid_minor") + F("credited_minor")),
                name="billing_invoice_not_overpaid",
            ),
            models.CheckConstraint(
                condition=Q(late_fees_minor__gte=0) & Q(late_fees_minor__lte=F("total_minor")),
                name="billing_invoice_late_fees_within_total",
            ),
            models.CheckConstraint(
                condition=Q(period_end=None) | Q(period_end__gt=F("period_start")),
                name="billing_invoice_period_runs_forward",
            ),
        ]
        indexes = [
            models.Index(fields=["firm", "status", "due_date"], name="billing_invoice_by_due"),
            models.Index(
                # apply_late_fees and send_payment_reminders start here.
                fields=["due_date"],
                condition=Q(status__in=["sent", "partial", "overdue"]),
                name="billing_invoice_open",
            ),
            # process_recurring_charges starts here.
            models.Index(
                fields=["autopay_next_charge_at"],
                condition=Q(autopay_opt_in=True),
                name="billing_invoice_autopay",
            ),
        ]

    def __str__(self) -> str:
        return self.number or f"draft {self.pk}"

    @property
    def total(self) -> Money:
        return money.from_minor(self.total_minor, self.currency)

    @property
    def balance(self) -> Money:
        return money.from_minor(self.open_minor, self.currency)

    @property
    def open_minor(self) -> int:
        """What is owed, from this instance's own figures (``balance_minor`` is the row's)."""
        return self.total_minor - self.paid_minor - self.credited_minor

    @property
    def principal_open_minor(self) -> int:
        """What is owed without late fees: money covers principal first (spec B3)."""
        principal = self.total_minor - self.late_fees_minor
        return max(0, principal - self.paid_minor - self.credited_minor)

    def status_on(self, today: date) -> str:
        """The status that follows from the figures on a local day (precedence of spec B3)."""
        if self.status in self.BY_HAND:
            return self.status
        if self.open_minor == 0:
            return self.Status.PAID
        if self.due_date is not None and self.due_date < today:
            return self.Status.OVERDUE
        return self.Status.PARTIAL if self.paid_minor > 0 else self.Status.SENT


class InvoiceLine(models.Model):
    """One line. Append-only once the invoice is issued."""

    class Kind(models.TextChoices):
        PACKAGE_FEE = "package_fee"
        RENT = "rent"
        RECURRING_CHARGE = "recurring_charge"
        LATE_FEE = "late_fee"
        JOB = "job"
        TAX = "tax"
        CREDIT = "credit"
        OTHER = "other"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=16, choices=Kind)
    description = models.CharField(max_length=200)
    quantity = models.DecimalField(max_digits=12, decimal_places=3, default=1)
    unit_minor = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    period_start = models.DateField(null=True, blank=True)
    period_end = models.DateField(null=True, blank=True)
    added_after_issue = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.description
