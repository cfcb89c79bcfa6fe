"""Who owes: a customer's account with a firm, and the numbers that invoices get."""

from django.db import models
from django.db.models import Q
from moneyed import Money

from apps.contacts.models import Contact
from apps.core import money
from apps.core.fields import Dated
from apps.firms.models import Firm, validate_currency


class BillingAccount(Dated):
    """A customer's account with a firm, in one currency."""

    class AutopayTiming(models.TextChoices):
        ISSUE = "issue"
        DUE = "due"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="billing_accounts")
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="billing_accounts")
    currency = models.CharField(max_length=3, validators=[validate_currency])
    autopay_enabled = models.BooleanField(default=False)
    autopay_timing = models.CharField(
        max_length=5, choices=AutopayTiming, default=AutopayTiming.DUE
    )
    # The sum of the account's AccountCredit rows, kept beside them so that the database can
    # refuse to spend more than there is.
    credit_minor = models.BigIntegerField(default=0)
    gateway_customer = models.CharField(
        max_length=100, blank=True, help_text="What the gateway calls this customer."
    )
    default_payment_method = models.ForeignKey(
        "billing.PaymentMethod", models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "contact", "currency"], name="billing_account_once"
            ),
            models.CheckConstraint(
                condition=Q(credit_minor__gte=0),
                name="billing_account_credit_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact} ({self.currency})"

    @property
    def credit(self) -> Money:
        return money.from_minor(self.credit_minor, self.currency)


class NumberSequence(models.Model):
    """The next number of a firm's series in a year; row-locked until the commit: no gaps.

    Year 0: the series goes on for ever (``JOB-000123``).
    """

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    series = models.CharField(max_length=12)
    year = models.PositiveSmallIntegerField()
    next_number = models.PositiveBigIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "series", "year"], name="billing_sequence_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series}-{self.year}"
