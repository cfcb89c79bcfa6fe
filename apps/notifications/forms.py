"""What staff fill in about wishes and groups."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet

from apps.contacts.models import Contact
from apps.firms.admin import FirmScopedForm
from apps.notifications.models import (
    Channel,
    Notification,
    NotificationGroup,
    NotificationPreference,
)
from apps.notifications.types import Category, group_rules


class WishForm(forms.ModelForm[NotificationPreference]):
    """Who wants what, and how they said so."""

    ASKED = ("contact", "channel", "category", "wanted", "how")
    contacts: ClassVar[QuerySet[Contact]] = Contact.objects.none()

    contact = forms.ModelChoiceField(Contact.objects.none())
    channel = forms.ChoiceField(choices=Channel.choices, initial=Channel.SMS)
    category = forms.ChoiceField(
        choices=[("", "everything"), *Category.choices], required=False
    )
    wanted = forms.BooleanField(required=False, initial=True)
    how = forms.CharField(
        max_length=300,
        help_text="When and how they said so: it stands in the audit trail.",
        widget=forms.TextInput(attrs={"size": 60}),
    )

    class Meta:
        model = NotificationPreference
        fields = ("channel", "category", "wanted")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        contact = self.fields["contact"]
        assert isinstance(contact, forms.ModelChoiceField)
        contact.queryset = self.contacts
        link = Notification._meta.get_field("recipient_contact")
        contact.widget = AutocompleteSelect(link, admin.site, choices=contact.choices)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if contact := cleaned.get("contact"):
            self.instance.firm_id = contact.firm_id
        return cleaned


class GroupForm(FirmScopedForm[NotificationGroup]):
    """A group: its members by hand, or a rule of those there are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "rule" in self.fields:
            known = [(name, name.replace("_", " ")) for name in group_rules()]
            self.fields["rule"] = forms.ChoiceField(
                choices=[("", "—"), *known],
                required=False,
                help_text="Whom a dynamic group means, asked each time.",
            )
