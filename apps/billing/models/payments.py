"""What is paid: payments, what they cover, and credit."""

from django.db import models
from django.db.models import Q
from moneyed import Money

from apps.billing.models.accounts import BillingAccount
from apps.billing.models.cards import PaymentAttempt
from apps.billing.models.invoices import Invoice
from apps.core import money
from apps.core.fields import Dated, Retained
from apps.firms.models import Firm


class Payment(Dated, Retained):
    """Money that came in, or is on its way."""

    class Method(models.TextChoices):
        CASH = "cash"
        CHECK = "check"
        BANK = "bank", "Bank transfer"
        BANK_DEBIT = "bank_debit", "Bank debit"
        CARD = "card"
        OTHER = "other"

    class Status(models.TextChoices):
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        PARTIALLY_REFUNDED = "partially_refunded"
        REFUNDED = "refunded"
        DISPUTED = "disputed"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="payments")
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="payments")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=10, choices=Method)
    status = models.CharField(max_length=18, choices=Status)
    gateway = models.CharField(max_length=20, blank=True)
    gateway_ref = models.CharField(max_length=100, blank=True)
    attempt = models.ForeignKey(
        PaymentAttempt, models.PROTECT, null=True, blank=True, related_name="payments"
    )
    effective_on = models.DateField(help_text="The local date on which the payer paid.")
    initiated_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="billing_payment_positive"
            ),
            models.UniqueConstraint(
                fields=["gateway", "gateway_ref"],
                condition=~Q(gateway_ref=""),
                name="billing_payment_gateway_ref_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{money.write(self.amount)} on {self.effective_on}"

    @property
    def amount(self) -> Money:
        return money.from_minor(self.amount_minor, self.currency)


class PaymentAllocation(Dated):
    """Which part of a payment covers which invoice."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="allocations")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="allocations")
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="billing_allocation_positive"
            ),
            models.UniqueConstraint(
                fields=["payment", "invoice"], name="billing_allocation_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment} → {self.invoice}"


class AccountCredit(Dated, Retained):
    """One movement of an account's credit: positive comes in, negative is used."""

    class Kind(models.TextChoices):
        PREPAYMENT = "prepayment"
        SURPLUS = "surplus"
        REWARD = "reward"
        CONCESSION = "concession"
        RETURNED = "returned", "returned from an invoice"
        APPLIED = "applied", "applied to an invoice"
        REVERSED = "reversed"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="credits")
    amount_minor = models.BigIntegerField(help_text="Signed.")
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=10, choices=Kind)
    payment = models.ForeignKey(
        Payment, models.PROTECT, null=True, blank=True, related_name="credits"
    )
    invoice = models.ForeignKey(
        Invoice, models.PROTECT, null=True, blank=True, related_name="credits"
    )
    effective_on = models.DateField(help_text="Local date; counts as paid on it when applied.")
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(amount_minor=0), name="billing_credit_not_zero"
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.get_kind_display()} {money.write_minor(self.amount_minor, self.currency)}"
        )
