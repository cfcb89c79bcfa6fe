"""What was given back of a payment, and when."""

from django.db import models
from django.db.models import Q

from apps.billing.models.payments import Payment
from apps.core import money
from apps.core.fields import Dated
from apps.firms.models import Firm


class Refund(Dated):
    """Money that went back to the payer; in the currency of its payment."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    effective_on = models.DateField(help_text="The local date on which it was given back.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="billing_refund_positive"
            ),
        ]

    def __str__(self) -> str:
        amount = money.write_minor(self.amount_minor, self.payment.currency)
        return f"{amount} given back on {self.effective_on}"
