"""What staff see of the calendar, what they enter, and what they press."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.calendars import services
from apps.calendars.forms import AttendeeForm, EventForm, RuleForm
from apps.calendars.messages import when
from apps.calendars.models import (
    CalendarEvent,
    EventAttendee,
    WorkflowExecution,
    WorkflowRule,
)
from apps.firms.actions import press_with_reason
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    FirmScopedInline,
    ReadOnly,
    ReadOnlyInline,
    visible_firms,
    who,
)

EVENTS, EXECUTIONS = ("event", "events"), ("execution", "executions")


class AttendeeInline(FirmScopedInline[EventAttendee, CalendarEvent]):
    model = EventAttendee
    form = AttendeeForm
    fields = ("contact", "user")
    autocomplete_fields = ("contact",)
    verbose_name = "attendee"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[EventAttendee]":
        return super().get_queryset(request).select_related("contact", "user")


class ExecutionInline(ReadOnlyInline):
    model = WorkflowExecution
    fields = ("rule", "scheduled_for", "status", "error")
    ordering = ("scheduled_for", "pk")
    verbose_name = "workflow"
    verbose_name_plural = "what happens by itself"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("rule")


@admin.register(CalendarEvent)
class CalendarEventAdmin(FirmScopedAdmin[CalendarEvent]):
    form = EventForm
    list_display = ("title", "begins", "category", "organiser", "status", "firm")
    list_filter = (("firm", FirmFilter), "status", "starts_at", "category")
    list_select_related = ("organiser", "firm")
    search_fields = ("title", "category")
    search_help_text = "A title or a category."
    ordering = ("-starts_at", "-pk")
    inlines = (AttendeeInline, ExecutionInline)
    actions = ("cancel",)
    fieldsets = (
        (None, {"fields": ("firm", "title", "category", "organiser")}),
        (
            "When",
            {
                "fields": (
                    "timezone",
                    "all_day",
                    ("first_day", "begins"),
                    ("last_day", "ends"),
                    "status",
                )
            },
        ),
    )
    readonly_fields = ("status",)

    @admin.display(description="when", ordering="starts_at")
    def begins(self, event: CalendarEvent) -> str:
        return when(event)

    def get_fieldsets(self, request: HttpRequest, obj: CalendarEvent | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        fields = ("firm", "title", "category", "organiser", "begins", "timezone", "status")
        return ((None, {"fields": fields}),)

    def get_readonly_fields(
        self, request: HttpRequest, obj: CalendarEvent | None = None
    ) -> Any:
        names = super().get_readonly_fields(request, obj)
        return names if self.has_change_permission(request, obj) else (*names, "begins")

    def get_inlines(self, request: HttpRequest, obj: CalendarEvent | None) -> Any:
        return self.inlines if obj else (AttendeeInline,)

    def has_change_permission(
        self, request: HttpRequest, obj: CalendarEvent | None = None
    ) -> bool:
        """A cancelled event is only looked at."""
        is_off = obj is not None and obj.status == CalendarEvent.Status.CANCELLED
        return not is_off and super().has_change_permission(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: CalendarEvent | None = None
    ) -> bool:
        """Events are cancelled: what was done for them stays on record."""
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        firms = list(visible_firms(request)[:2])
        here = {"timezone": firms[0].timezone} if len(firms) == 1 else {}
        mine = {"organiser": who(request).pk}
        return {**mine, **here, **super().get_changeform_initial_data(request)}

    def save_model(
        self, request: HttpRequest, obj: CalendarEvent, form: Any, change: bool
    ) -> None:
        services.save_event(event=obj, actor=who(request), now=timezone.now())

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(
        self, request: HttpRequest, events: "QuerySet[CalendarEvent]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            events,
            lambda event, reason: services.cancel_event(
                event=event, actor=who(request), reason=reason, now=timezone.now()
            ),
            title="Cancel events",
            noun=EVENTS,
            done="cancelled",
            about=lambda event: f"{event}, {when(event)}",
            warning="What was to happen by itself will not, but for what rules say of "
            "cancelled events.",
        )


@admin.register(WorkflowRule)
class WorkflowRuleAdmin(FirmScopedAdmin[WorkflowRule]):
    form = RuleForm
    list_display = ("name", "category", "trigger", "offset", "action", "active", "firm")
    list_filter = (("firm", FirmFilter), "active", "trigger")
    list_select_related = ("firm",)
    search_fields = ("name", "category")
    search_help_text = "A rule's name or a category."
    ordering = ("name", "pk")
    autocomplete_fields = ("firm",)
    fieldsets = (
        (None, {"fields": ("firm", "name", "category", "active")}),
        ("When", {"fields": ("trigger", ("offset_value", "offset_unit"))}),
        ("What", {"fields": ("action", "text")}),
        ("In which order", {"fields": ("step", "is_dependent", "max_lateness_minutes")}),
    )

    @admin.display
    def offset(self, rule: WorkflowRule) -> str:
        if rule.trigger not in rule.TIMED:
            return "at once"
        return f"{rule.offset_value} {rule.offset_unit}"

    def has_delete_permission(
        self, request: HttpRequest, obj: WorkflowRule | None = None
    ) -> bool:
        """Rules are switched off: what they did stays on record."""
        return False

    def save_model(
        self, request: HttpRequest, obj: WorkflowRule, form: Any, change: bool
    ) -> None:
        if form.has_changed():
            services.save_rule(rule=obj, actor=who(request), now=timezone.now())


@admin.register(WorkflowExecution)
class WorkflowExecutionAdmin(ReadOnly, FirmScopedAdmin[WorkflowExecution]):
    list_display = ("rule", "event", "scheduled_for", "status", "attempts", "error", "firm")
    list_filter = (("firm", FirmFilter), "status", "scheduled_for")
    list_select_related = ("rule", "event", "firm")
    search_fields = ("rule__name", "event__title")
    search_help_text = "A rule's name or an event's title."
    ordering = ("-scheduled_for", "-pk")
    actions = ("try_again",)
    fields = (
        *("rule", "event", "occurrence_start", "scheduled_for", "next_attempt_at", "status"),
        *("attempts", "finished_at", "error"),
    )

    @admin.action(description="Try again", permissions=["press"])
    def try_again(
        self, request: HttpRequest, executions: "QuerySet[WorkflowExecution]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            executions.select_related("rule", "event"),
            lambda execution, reason: services.try_again(
                execution=execution, actor=who(request), reason=reason, now=timezone.now()
            ),
            title="Try again",
            noun=EXECUTIONS,
            done="put back into line",
            warning="What is too late by then is skipped.",
        )
