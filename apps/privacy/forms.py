"""What is asked before data are exported or erased; a refusal is a sentence at its field."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.utils import timezone

from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.admin import FirmScopedForm
from apps.firms.models import Firm, User
from apps.privacy.models import DataExport, ErasureRequest
from apps.privacy.models.law import Law
from apps.privacy.services import Wish
from apps.privacy.services.requests import check_whom


class ExportForm(forms.Form):
    """Under which law a copy was asked for, and when: the deadline counts from there."""

    law = forms.ChoiceField(choices=Law, initial=Law.GDPR)
    received_on = forms.DateField(
        label="Asked on",
        initial=lambda: timezone.now().date(),
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    extended = forms.BooleanField(
        required=False,
        label="The person was told in time that it takes longer, and why",
    )

    def subject(self) -> tuple[User, Firm | None]:
        """Return whose data, and which firm's only."""
        raise NotImplementedError

    def wish(self, *, made_by: User) -> Wish:
        """Return what was asked for."""
        user, firm = self.subject()
        typed = self.cleaned_data
        return Wish(
            user, firm, Law(typed["law"]), typed["received_on"], typed["extended"], made_by
        )


class AnybodyForm(ExportForm):
    """For superusers: anybody, and what all firms hold about them or one does."""

    user = forms.ModelChoiceField(
        User.objects.filter(erased_at=None),
        widget=AutocompleteSelect(DataExport._meta.get_field("user"), admin.site),
    )
    firm = forms.ModelChoiceField(
        Firm.objects.all(),
        required=False,
        widget=AutocompleteSelect(DataExport._meta.get_field("firm"), admin.site),
        help_text="Empty: what every firm and the platform hold.",
    )
    field_order = ("user", "firm")

    def subject(self) -> tuple[User, Firm | None]:
        return self.cleaned_data["user"], self.cleaned_data["firm"]


class CustomerForm(ExportForm):
    """For a firm's owners: a contact of theirs who has an account, and nothing of others."""

    contact = forms.ModelChoiceField(
        Contact.objects.none(),
        # Exports know no contact; a request to be erased does, and completes in the same way.
        widget=AutocompleteSelect(ErasureRequest._meta.get_field("contact"), admin.site),
    )
    field_order = ("contact",)

    def __init__(self, *args: Any, contacts: "QuerySet[Contact]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["contact"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = contacts

    def clean_contact(self) -> Contact:
        contact: Contact = self.cleaned_data["contact"]
        if contact.user is None or contact.user.erased_at:
            raise forms.ValidationError("This contact has no account to sign in with.")
        return contact

    def subject(self) -> tuple[User, Firm | None]:
        contact: Contact = self.cleaned_data["contact"]
        assert contact.user is not None
        return contact.user, contact.firm


# ---- requests to be erased ---------------------------------------------------------------


class HowForm(forms.Form):
    """How a person showed who they are."""

    how = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs={"size": 60, "autofocus": True}),
        help_text="For instance: answered from the address we know. No names, no numbers.",
        error_messages={"required": "Say how."},
    )


class ReceiveForm(FirmScopedForm[ErasureRequest]):
    """Who asks whom to be erased, when, and under which law."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        firm = cleaned.get("firm")
        today = Clock(now=timezone.now()).today(firm.timezone if firm else "UTC")
        if cleaned["received_on"] > today:
            self.add_error("received_on", "This day has not come yet.")
        try:
            check_whom(user=cleaned.get("user"), contact=cleaned.get("contact"), firm=firm)
        except Problem as problem:
            raise forms.ValidationError(str(problem)) from None
        return cleaned
