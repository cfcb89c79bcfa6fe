"""What staff see of contacts."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.contacts.models import Contact
from apps.firms.admin import FirmFilter, FirmScopedAdmin


@admin.register(Contact)
class ContactAdmin(FirmScopedAdmin[Contact]):
    list_display = ("display_name", "kind", "email", "phone", "firm")
    list_filter = (("firm", FirmFilter), "kind")
    list_select_related = ("firm",)
    search_fields = ("display_name", "email", "phone")
    search_help_text = "A name, an e-mail address or a phone number."
    ordering = ("display_name", "pk")
    autocomplete_fields = ("firm",)
    readonly_fields = ("user", "email_verified_at", "erased_at", "created_at")
    fields = (
        *("firm", "kind", "display_name", "first_name", "last_name", "email", "phone"),
        *("timezone", "locale", "user", "email_verified_at", "erased_at", "created_at"),
    )

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        """Trust a new address no more than any other: it opens a stranger's data (spec D7)."""
        if "email" in form.changed_data:
            obj.email_verified_at = None
        super().save_model(request, obj, form, change)
