"""What people type about engagements; each refusal is a sentence at its field."""

from typing import Any

from django import forms

from apps.core.forms import AmountField, parse_amount
from apps.engagements.models import Engagement
from apps.firms.actions import ReasonForm


class IntervalForm(ReasonForm):
    """How often the fee is billed from now on, and why."""

    interval = forms.ChoiceField(
        choices=Engagement.Interval, help_text="The fee stays the figure that it is."
    )
    field_order = ("interval", "reason")

    def clean_interval(self) -> Engagement.Interval:
        return Engagement.Interval(self.cleaned_data["interval"])


class FeeForm(ReasonForm):
    """A new package fee from a day on, and why."""

    fee = AmountField(min_value=0)
    effective_from = forms.DateField(
        label="From",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="For periods that begin on this day or later.",
    )
    field_order = ("fee", "effective_from", "reason")

    def __init__(self, *args: Any, code: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.code = code
        self.fields["fee"].help_text = f"In {code}, for a whole period."

    def clean_fee(self) -> int:
        return parse_amount(self.cleaned_data["fee"], self.code)
