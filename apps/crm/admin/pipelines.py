"""What staff see and set of pipelines and their stages."""

from django.contrib import admin

from apps.crm.forms import PipelineForm
from apps.crm.models import Pipeline, Stage
from apps.firms.admin import FirmScopedAdmin, FirmScopedInline


class StageInline(FirmScopedInline[Stage, Pipeline]):
    model = Stage
    fields = ("position", "name", "stale_after_days")
    ordering = ("position", "pk")


@admin.register(Pipeline)
class PipelineAdmin(FirmScopedAdmin[Pipeline]):
    form = PipelineForm
    list_display = ("name", "manager", "stale_after_days", "firm")
    list_select_related = ("manager", "firm")
    search_fields = ("name",)
    ordering = ("name", "pk")
    fields = ("firm", "name", "manager", "stale_after_days")
    inlines = (StageInline,)
