"""Alerts as operators see them: the platform's own, so no firm's staff do."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.firms.actions import press_each, too_many
from apps.firms.admin import ReadOnly, who
from apps.monitoring import services, words
from apps.monitoring.models import Alert, Delivery

NOTHING = "–"


@admin.register(Alert)
class AlertAdmin(ReadOnly, admin.ModelAdmin[Alert]):
    list_display = ("opened_at", "kind", "job", "text", "times", "where", "state")
    list_filter = (("recovered_at", admin.EmptyFieldListFilter), "kind", "opened_at")
    list_select_related = ("acknowledged_by",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("job", "=run_number")
    search_help_text = "A job's name or a run's number."
    ordering = ("-opened_at", "-pk")
    actions = ("acknowledge",)
    fields = (
        *("kind", "job", "scope", "text", "times", "where", "opened_at", "seen_at", "told_at"),
        *("acknowledged_at", "acknowledged_by", "recovered_at"),
    )

    @admin.display(description="look at")
    def where(self, alert: Alert) -> SafeString:
        url = words.url_of(alert)
        what = f"run #{alert.run_number}" if alert.run_number else alert.scope or "runs"
        return format_html('<a href="{}">{}</a>', url, what)

    @admin.display(description="state")
    def state(self, alert: Alert) -> str:
        if alert.recovered_at:
            return f"over since {words.written(alert.recovered_at)}"
        if alert.acknowledged_at:
            return f"acknowledged by {alert.acknowledged_by or 'somebody'}"
        return "open"

    @admin.action(description="Acknowledge", permissions=["press"])
    def acknowledge(self, request: HttpRequest, alerts: QuerySet[Alert]) -> None:
        if too_many(self, request, alerts):
            return
        actor = who(request)
        press_each(
            self,
            request,
            alerts,
            lambda alert: services.acknowledge(alert=alert, actor=actor),
            noun=("alert", "alerts"),
            done="acknowledged",
        )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin[Delivery]):
    """What was sent about alerts, and what did not get through."""

    list_display = ("made_at", "channel", "subject", "state", "attempts", "problem")
    list_filter = ("state", "channel")
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-made_at", "-pk")
    fields = (
        *("channel", "subject", "body", "state", "problem", "attempts"),
        *("made_at", "due_at", "sent_at"),
    )
