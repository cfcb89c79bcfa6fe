"""What retention policies have done."""

from django.contrib import admin

from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly
from apps.privacy.models import RetentionRun


@admin.register(RetentionRun)
class RetentionRunAdmin(ReadOnly, FirmScopedAdmin[RetentionRun]):
    list_display = (
        *("ran_at", "data_type", "action", "cutoff", "processed", "held", "failed", "firm"),
    )
    list_filter = (("firm", FirmFilter), "data_type", "ran_at")
    list_select_related = ("firm",)
    ordering = ("-ran_at", "-pk")
    fields = ("data_type", "action", "cutoff", "processed", "held", "failed", "ran_at")
