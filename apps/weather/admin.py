"""What staff see of the weather, what they set, and what they press."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.firms.actions import press_with_reason
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, who
from apps.weather import services
from apps.weather.models import WeatherAlert, WeatherThreshold


@admin.register(WeatherThreshold)
class WeatherThresholdAdmin(FirmScopedAdmin[WeatherThreshold]):
    list_display = ("applies_to", "heat", "cold", "wind", "gust", "firm")
    list_select_related = ("property", "firm")
    search_fields = ("property__name",)
    search_help_text = "A property's name."
    ordering = ("property__name", "pk")
    autocomplete_fields = ("firm", "property")
    fieldsets = (
        (
            None,
            {
                "fields": ("firm", "property", "heat", "cold", "wind", "gust"),
                "description": "What is left empty is as the firm says, else as usual. "
                "Official alerts are passed on in any case.",
            },
        ),
    )

    @admin.display(description="thresholds of", ordering="property__name")
    def applies_to(self, threshold: WeatherThreshold) -> str:
        return str(threshold.property or threshold.firm)

    def save_model(
        self, request: HttpRequest, obj: WeatherThreshold, form: Any, change: bool
    ) -> None:
        if form.has_changed():
            changed = form.changed_data
            services.save_threshold(threshold=obj, changed=changed, actor=who(request))

    def delete_model(self, request: HttpRequest, obj: WeatherThreshold) -> None:
        services.drop_threshold(threshold=obj, actor=who(request))

    def delete_queryset(
        self, request: HttpRequest, queryset: "QuerySet[WeatherThreshold]"
    ) -> None:
        for threshold in queryset:
            services.drop_threshold(threshold=threshold, actor=who(request))


@admin.register(WeatherAlert)
class WeatherAlertAdmin(ReadOnly, FirmScopedAdmin[WeatherAlert]):
    list_display = ("name", "property", "severity", "opened_at", "closed_at", "firm")
    list_filter = (
        ("firm", FirmFilter),
        ("closed_at", admin.EmptyFieldListFilter),
        "kind",
        "severity",
    )
    list_select_related = ("property", "firm")
    search_fields = ("property__name", "name")
    search_help_text = "A property's name, or what the weather is called."
    ordering = ("-opened_at", "-pk")
    actions = ("close",)
    fields = (
        *("property", "name", "kind", "source_key", "severity", "notified_severity"),
        *("opened_at", "last_seen_at", "observed_at", "calm_checks", "closed_at"),
    )

    @admin.action(description="Close", permissions=["press"])
    def close(
        self, request: HttpRequest, alerts: "QuerySet[WeatherAlert]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            alerts,
            lambda alert, reason: services.close_alert(
                alert=alert, actor=who(request), reason=reason, now=timezone.now()
            ),
            title="Close weather alerts",
            noun=("alert", "alerts"),
            done="closed",
            warning="Nobody is told of the same weather again within twelve hours.",
        )
