"""What staff see of who did what."""

from django.contrib import admin

from apps.audit.models import AuditEvent
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, FirmScopedAdmin[AuditEvent]):
    list_display = ("occurred_at", "action", "object_type", "object_id", "actor_label", "firm")
    list_filter = (("firm", FirmFilter), "action", "occurred_at")
    list_select_related = ("firm",)
    search_fields = ("object_id", "action", "actor_label")
    search_help_text = "What was done, by whom, or the number of the row it was done to."
    ordering = ("-occurred_at", "-pk")
    fields = (
        *("occurred_at", "action", "object_type", "object_id", "actor_label", "reason"),
        "changes",
    )
