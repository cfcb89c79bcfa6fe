"""What staff see of what was done about deals, and of when they were stale."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator

from apps.core.days import zone
from apps.core.forms import NOTHING
from apps.crm import services
from apps.crm.models import DealActivity, StaleDealAlert
from apps.firms.actions import press_each, press_with_reason, too_many
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline, who

ACTIVITIES = ("activity", "activities")

Rows = QuerySet[DealActivity]


def on_the_firms_clock(name: str) -> Callable[[Any, Any], str]:
    """Return a column that shows an instant as the clocks on the firm's walls did."""

    def shown(page: Any, row: Any) -> str:
        at: datetime | None = getattr(row, name)
        if at is None:
            return NOTHING
        return date_format(at.astimezone(zone(row.firm.timezone)), "DATETIME_FORMAT")

    words = name.removesuffix("_at").replace("_", " ")
    return admin.display(description=words, ordering=name)(shown)


class ByState(admin.SimpleListFilter):
    """Filter by what rows say in several columns at once."""

    title = parameter_name = "state"
    states: ClassVar[Mapping[str, Q]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in self.states]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        state = self.states.get(self.value() or "")
        return queryset.filter(state) if state else queryset


# ---- activities -----------------------------------------------------------------------------


class ActivityColumns:
    """When it was to be and when it was, and who wrote it down."""

    scheduled = on_the_firms_clock("scheduled_for")
    occurred = on_the_firms_clock("occurred_at")
    cancelled = on_the_firms_clock("cancelled_at")

    @admin.display(ordering="author__username")
    def by(self, activity: DealActivity) -> str:
        return "automated" if activity.is_automated else str(activity.author or NOTHING)


class ActivityInline(ActivityColumns, ReadOnlyInline):
    model = DealActivity
    fields = ("type", "occurred", "note", "by", "scheduled", "cancelled")
    verbose_name_plural = "activities, the newest first"
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("author", "firm")


class ActivityState(ByState):
    states = {
        "planned": Q(occurred_at=None, cancelled_at=None),
        "done": Q(occurred_at__isnull=False),
        "called off": Q(cancelled_at__isnull=False),
    }


@admin.register(DealActivity)
class DealActivityAdmin(ActivityColumns, ReadOnly, FirmScopedAdmin[DealActivity]):
    """What was done and is planned; it is logged on the list of deals."""

    list_display = ("deal", "type", "scheduled", "occurred", "short", "by", "firm")
    list_filter = (("firm", FirmFilter), ActivityState, "type", "is_automated")
    list_select_related = ("deal", "author", "firm")
    search_fields = ("deal__title", "note")
    search_help_text = "A deal's title, or words of the note."
    ordering = ("-pk",)
    actions = ("hold", "call_off")
    fields = ("deal", "type", "note", "scheduled", "occurred", "cancelled", "by")

    @admin.display(description="note")
    def short(self, activity: DealActivity) -> str:
        return Truncator(activity.note).chars(40)

    @admin.action(description="Took place as planned", permissions=["press"])
    def hold(self, request: HttpRequest, activities: Rows) -> None:
        if not too_many(self, request, activities):
            now = timezone.now()
            press_each(
                self,
                request,
                activities,
                lambda one: services.hold_activity(
                    activity=one,
                    occurred_at=min(one.scheduled_for or now, now),
                    actor=who(request),
                    now=now,
                ),
                noun=ACTIVITIES,
                done="held",
            )

    @admin.action(description="Call off", permissions=["press"])
    def call_off(self, request: HttpRequest, activities: Rows) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            activities,
            lambda one, reason: services.cancel_activity(
                activity=one, actor=who(request), reason=reason, now=timezone.now()
            ),
            title="Call activities off",
            noun=ACTIVITIES,
            done="called off",
        )


# ---- alerts ---------------------------------------------------------------------------------


class AlertState(ByState):
    states = {
        "stale": Q(resolved_on=None),
        "escalated": Q(resolved_on=None, escalated_on__isnull=False),
        "resolved": Q(resolved_on__isnull=False),
    }


@admin.register(StaleDealAlert)
class StaleDealAlertAdmin(ReadOnly, FirmScopedAdmin[StaleDealAlert]):
    list_display = (
        *("deal", "owner", "opened_on", "resolved_on", "reminder_count", "last_reminded_on"),
        *("escalated_on", "firm"),
    )
    list_filter = (("firm", FirmFilter), AlertState, "opened_on")
    list_select_related = ("deal__owner", "firm")
    search_fields = ("deal__title",)
    search_help_text = "A deal's title."
    ordering = ("-pk",)
    fields = (
        *("deal", "opened_on", "resolved_on", "reminder_count", "last_reminded_on"),
        "escalated_on",
    )

    @admin.display(ordering="deal__owner__username")
    def owner(self, alert: StaleDealAlert) -> str:
        return str(alert.deal.owner or NOTHING)
