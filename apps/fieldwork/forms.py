"""What people type about work, papers and pay; each refusal is a sentence at its field."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms

from apps.core import money
from apps.core.forms import AmountField, parse_amount
from apps.fieldwork.models import (
    ContractorProfile,
    Estimate,
    WorkOrder,
)
from apps.fieldwork.services import Extra, Gap, Wanted, gaps_of
from apps.firms.admin import FirmScopedForm
from apps.firms.models import Firm


class WorkOrderForm(FirmScopedForm[WorkOrder]):
    """A work order: in the currency of its property, without one in its firm's."""

    def currency(self, cleaned: dict[str, Any]) -> str:
        if self.instance.currency:
            return self.instance.currency
        unit, firm = cleaned.get("unit"), cleaned.get("firm")
        place = unit.property if unit else firm or unit
        return str(place.currency) if place else ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.instance.currency = self.currency(cleaned)
        return cleaned

    def wanted(self) -> Wanted:
        """Return what was typed, for a new one."""
        typed = {
            name: self.cleaned_data[name]
            for name in Wanted.__dataclass_fields__
            if name in self.cleaned_data
        }
        return Wanted(**typed, currency=self.instance.currency)


class DocumentForm(FirmScopedForm[Any]):
    """A kind of document: what a firm asks for, or what a contractor has."""

    def clean_doc_type(self) -> str:
        return " ".join(str(self.cleaned_data["doc_type"]).split())


class EstimateForm(FirmScopedForm[Estimate]):
    """What a contractor would do a work order for, in its currency."""

    def currency(self, cleaned: dict[str, Any]) -> str:
        order = cleaned.get("work_order")
        return str(order.currency) if order else self.instance.currency

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.instance.currency = self.currency(cleaned)
        return cleaned


class NoteForm(forms.Form):
    """A note on work orders."""

    text = forms.CharField(
        label="Note",
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60, "autofocus": True}),
        error_messages={"required": "Write something."},
    )


class ContractorField(forms.ModelChoiceField[ContractorProfile]):
    """A choice of contractors; whoever may not work now says why."""

    def __init__(self, *, today: date, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.today = today
        self.gaps: dict[int, list[Gap]] | None = None

    def label_from_instance(self, contractor: ContractorProfile) -> str:
        if self.gaps is None:
            keys = [one.pk for one in self.queryset or ()]
            self.gaps = gaps_of(keys, on=self.today)
        gaps = self.gaps.get(contractor.pk, ())
        lacks = f" ({', '.join(map(str, gaps))})" if gaps else ""
        trades = f", {contractor.trades}" if contractor.trades else ""
        return f"{contractor}{trades}{lacks}"


class GiveForm(forms.Form):
    """To whom work is given."""

    def __init__(self, *args: Any, firm: Firm, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = ContractorProfile.objects.for_firm(firm).active()
        self.fields["contractor"] = ContractorField(
            queryset=active.select_related("contact").order_by("contact__display_name"),
            today=today,
            empty_label="Choose",
            error_messages={"required": "Choose a contractor."},
            help_text="Whoever lacks a mandatory document cannot be given work.",
        )


class OrdersField(forms.ModelMultipleChoiceField[WorkOrder]):
    """A choice of work orders that are to be paid."""

    def label_from_instance(self, order: WorkOrder) -> str:
        return f"{order}, {money.write_grouped(order.contractor_price)}"


class PayoutForm(forms.Form):
    """What a contractor is to be paid for: verified work, and perhaps something else."""

    description = forms.CharField(
        label="Something else",
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"size": 40}),
        help_text="Materials, stand-by, a call-out.",
    )
    amount = AmountField(label="Its amount", required=False, min_value=0)
    field_order = ("orders", "description", "amount")

    def __init__(self, *args: Any, contractor: ContractorProfile, **kwargs: Any) -> None:
        orders = contractor.work_orders.ready_for_payout().order_by("verified_at", "pk")
        # One request is in one currency: what else is ready is for another.
        chosen = [order.pk for order in orders if order.currency == orders[0].currency]
        kwargs["initial"] = {"orders": chosen}
        super().__init__(*args, **kwargs)
        self.contractor = contractor
        self.fields["orders"] = OrdersField(
            label="Verified work",
            queryset=orders,
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )
        self.order_fields(self.field_order)
        self.fields["amount"].help_text = f"In {contractor.firm.currency}, or as the work is."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        orders: Sequence[WorkOrder] = list(cleaned.get("orders") or ())
        code = orders[0].currency if orders else self.contractor.firm.currency
        description, amount = cleaned.get("description"), cleaned.get("amount")
        if bool(description) != bool(amount):
            missing = "amount" if description else "description"
            self.add_error(missing, "Say what it is for, and how much it is.")
        elif amount:
            try:
                cleaned["amount"] = parse_amount(amount, code)
            except forms.ValidationError as problem:
                self.add_error("amount", problem)
        elif not orders and not self.errors:
            self.add_error("orders", "Choose what is to be paid for.")
        return cleaned

    def extras(self) -> list[Extra]:
        """Return what was typed beside the work orders."""
        typed = self.cleaned_data
        return [Extra(typed["description"], typed["amount"])] if typed["description"] else []


class PaidForm(forms.Form):
    """That a request was paid."""

    reference = forms.CharField(
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"size": 40, "autofocus": True}),
        help_text="The bank's; the contractor is told.",
    )
