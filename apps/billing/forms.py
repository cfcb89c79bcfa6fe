"""What people type about money that came in, and about what is billed."""

from datetime import date
from typing import Any
from uuid import uuid4

from django import forms

from apps.billing.models import Payment
from apps.core.forms import AmountField, parse_amount
from apps.firms.actions import ReasonForm
from apps.firms.admin import FirmScopedForm

GATEWAY = "desk"  # payments that people type in; their reference is the page's


class PaymentForm(forms.Form):
    """Money that came in: cash, a check, a transfer.

    The hidden reference belongs to the page: sent twice, it records one payment.
    """

    amount = AmountField()
    method = forms.ChoiceField(choices=Payment.Method, initial=Payment.Method.BANK)
    paid_on = forms.DateField(
        label="Date paid",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The day the payer paid: a check's own date, not the day it was cashed.",
    )
    note = forms.CharField(max_length=200, required=False)
    reference = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, code: str, today: date, **kwargs: Any) -> None:
        kwargs["initial"] = {"reference": uuid4(), "paid_on": today.isoformat()}
        super().__init__(*args, **kwargs)
        self.code, self.today = code, today
        self.fields["amount"].help_text = f"In {code}. What no invoice needs becomes credit."

    def clean_amount(self) -> int:
        minor = parse_amount(self.cleaned_data["amount"], self.code)
        if minor <= 0:
            raise forms.ValidationError("A payment must be more than zero.")
        return minor

    def clean_paid_on(self) -> date:
        day: date = self.cleaned_data["paid_on"]
        if day > self.today:
            raise forms.ValidationError("This day has not come yet.")
        return day


class ChargedForm(ReasonForm):
    """What a person found out about a charge that nobody could explain."""

    gateway_ref = forms.RegexField(
        r"^pi_\w{1,97}$",
        label="Reference",
        help_text="The payment's id in the gateway's own pages; it begins with pi_.",
        error_messages={"invalid": "The id of a payment begins with pi_."},
    )


class AgreementForm(FirmScopedForm[Any]):
    """An agreement: it is in its account's currency, and ends after it begins."""

    def currency(self, cleaned: dict[str, Any]) -> str:
        account = cleaned.get("account")
        return str(account.currency if account else self.instance.currency)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.instance.currency = self.currency(cleaned)
        start = cleaned.get("start_date") or self.instance.start_date
        end = cleaned.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", "The last day is before the first.")
        return cleaned
