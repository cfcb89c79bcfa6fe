"""What staff see of contacts."""

from django.contrib import admin

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
