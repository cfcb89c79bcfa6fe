"""What staff see of engagements, and what they may press."""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format

from apps.billing.admin import only_one
from apps.billing.forms import AgreementForm
from apps.core.days import DAY, Clock
from apps.engagements import services
from apps.engagements.forms import FeeForm, IntervalForm
from apps.engagements.models import Engagement, EngagementPeriod, EngagementRate
from apps.firms.actions import Page, press_each, press_with_reason, too_many
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline, who

ENGAGEMENTS = ("engagement", "engagements")
PERIODS = ("period", "periods")
FEE = "package_fee_minor"
# What decides which days are billed, and for how much. Once in force, actions change it.
AGREED = (
    "account",
    "pricing_mode",
    FEE,
    "billing_interval",
    "billing_timing",
    "start_date",
    "billing_anchor",
    "bill_from",
)

Rows = QuerySet[Engagement]


class RateInline(ReadOnlyInline):
    model = EngagementRate
    currency = attrgetter("engagement.currency")
    fields = ("effective_from", "fee_minor")
    verbose_name_plural = "changes of the fee"
    ordering = ("effective_from",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("engagement")


@admin.register(Engagement)
class EngagementAdmin(FirmScopedAdmin[Engagement]):
    form = AgreementForm
    list_display = (
        *("name", "client", "status", "pricing_mode", FEE, "billing_interval"),
        *("start_date", "end_date", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status", "pricing_mode", "billing_interval")
    list_select_related = ("account__contact", "firm")
    search_fields = ("name", "account__contact__display_name")
    search_help_text = "An engagement's or a client's name."
    ordering = ("name", "pk")
    autocomplete_fields = ("account",)
    readonly_fields = ("status", "paused_on")
    inlines = (RateInline,)
    actions = (
        *("put_in_force", "pause", "resume", "change_fee", "change_interval"),
        *("move_to_calendar", "complete", "cancel"),
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("name", "account", "status", "start_date", "end_date", "paused_on"),
                )
            },
        ),
        (
            "Package",
            {
                "fields": (
                    *("pricing_mode", FEE, "tax_percent", "billing_interval"),
                    *("billing_timing", "billing_anchor", "bill_from", "proration"),
                ),
                "description": "Once the engagement is in force, actions of the list change "
                "the fee and the interval, so that it stays known who did it and why.",
            },
        ),
        ("Payment", {"fields": ("net_days", "autopay_opt_in")}),
    )

    @admin.display(description="client", ordering="account__contact__display_name")
    def client(self, engagement: Engagement) -> str:
        return str(engagement.account.contact)

    def get_readonly_fields(self, request: HttpRequest, obj: Engagement | None = None) -> Any:
        names = super().get_readonly_fields(request, obj)
        if obj is None or obj.status == Engagement.Status.DRAFT:
            return names
        return (*names, *self._written(AGREED))

    def get_fieldsets(self, request: HttpRequest, obj: Engagement | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or obj.status == Engagement.Status.DRAFT:
            return fieldsets
        return [(name, o | {"fields": self._written(o["fields"])}) for name, o in fieldsets]

    # ---- the life of an engagement ----------------------------------------------------

    @admin.action(description="Put in force", permissions=["change"])
    def put_in_force(self, request: HttpRequest, engagements: Rows) -> None:
        if not too_many(self, request, engagements):
            press_each(
                self,
                request,
                engagements,
                lambda one: services.activate_engagement(
                    engagement=one, actor=who(request), reason=""
                ),
                noun=ENGAGEMENTS,
                done="put in force",
            )

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, engagements: Rows) -> TemplateResponse | None:
        return self._press(
            request,
            engagements,
            _today(services.pause_engagement),
            title="Pause engagements",
            done="paused",
            warning="Nothing new is billed until they are resumed. What was billed stays.",
        )

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, engagements: Rows) -> TemplateResponse | None:
        return self._press(
            request,
            engagements,
            _today(services.resume_engagement),
            title="Resume engagements",
            done="resumed",
            warning="The days of the pause are never billed.",
        )

    @admin.action(description="Complete", permissions=["change"])
    def complete(self, request: HttpRequest, engagements: Rows) -> TemplateResponse | None:
        return self._press(
            request,
            engagements,
            _today(services.complete_engagement),
            title="Complete engagements",
            done="completed",
            warning="Nothing is billed any more.",
        )

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, engagements: Rows) -> TemplateResponse | None:
        return self._press(
            request,
            engagements,
            services.cancel_engagement,
            title="Cancel engagements",
            done="cancelled",
            warning="Whatever of them is not billed yet never is.",
        )

    # ---- what was agreed --------------------------------------------------------------

    @admin.action(description="Move to the calendar", permissions=["change"])
    def move_to_calendar(
        self, request: HttpRequest, engagements: Rows
    ) -> TemplateResponse | None:
        return self._press(
            request,
            engagements,
            services.move_to_calendar,
            title="Bill from the 1st of a month",
            done="moved to the calendar",
            warning="The days until the next 1st are billed as a part of a period.",
        )

    @admin.action(description="Change the interval", permissions=["change"])
    def change_interval(
        self, request: HttpRequest, engagements: Rows
    ) -> TemplateResponse | None:
        if too_many(self, request, engagements):
            return None
        between = Page(self, request, "Change the billing interval", "Change the interval")
        form = between.asked(IntervalForm)
        if form is None:
            return between.ask(engagements, IntervalForm)
        change = partial(
            services.change_interval,
            interval=form.cleaned_data["interval"],
            actor=who(request),
            reason=form.cleaned_data["reason"],
        )
        press_each(
            self,
            request,
            engagements,
            lambda one: change(engagement=one),
            noun=ENGAGEMENTS,
            done="changed",
        )
        return None

    @admin.action(description="Change the fee", permissions=["change"])
    def change_fee(self, request: HttpRequest, engagements: Rows) -> TemplateResponse | None:
        engagement = only_one(self, request, engagements, "engagement")
        if engagement is None:
            return None
        form_class = partial(FeeForm, code=engagement.currency)
        between = Page(self, request, "Change the package fee", "Change the fee")
        form = between.asked(form_class)
        if form is None:
            return between.ask([engagement], form_class)
        typed = form.cleaned_data
        change = partial(
            services.change_fee,
            fee_minor=typed["fee"],
            effective_from=typed["effective_from"],
            actor=who(request),
            reason=typed["reason"],
        )
        press_each(
            self,
            request,
            [engagement],
            lambda one: change(engagement=one),
            noun=ENGAGEMENTS,
            done="changed",
        )
        return None

    def _press(
        self, request: HttpRequest, rows: Rows, service: Callable[..., object], **words: str
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            rows.select_related("account__contact", "firm"),
            lambda one, reason: service(engagement=one, actor=who(request), reason=reason),
            noun=ENGAGEMENTS,
            about=lambda one: f"{one}, {one.account.contact}: {one.get_status_display()}",
            title=words["title"],
            done=words["done"],
            warning=words["warning"],
        )


@admin.register(EngagementPeriod)
class EngagementPeriodAdmin(ReadOnly, FirmScopedAdmin[EngagementPeriod]):
    list_display = ("engagement", "period_start", "last_day", "outcome", "invoice", "firm")
    list_filter = (("firm", FirmFilter), "outcome", "invoice__status", "period_start")
    list_select_related = ("engagement", "invoice", "firm")
    search_fields = ("invoice__number", "engagement__name")
    search_help_text = "An invoice's number, or an engagement's name."
    ordering = ("-period_start", "-pk")
    actions = ("issue", "invoice_again")
    fields = ("engagement", "period_start", "last_day", "outcome", "invoice")

    @admin.display(description="last day", ordering="period_end")
    def last_day(self, period: EngagementPeriod) -> str:
        return date_format(period.period_end - DAY)

    @admin.action(description="Issue the draft", permissions=["press"])
    def issue(self, request: HttpRequest, periods: "QuerySet[EngagementPeriod]") -> None:
        if not too_many(self, request, periods):
            clock = Clock(now=timezone.now())
            press_each(
                self,
                request,
                periods.select_related("engagement", "invoice", "firm"),
                lambda period: services.issue_drafted_period(
                    period=period,
                    today=period.firm.today(clock),
                    now=clock.now,
                    actor=who(request),
                ),
                noun=("draft", "drafts"),
                done="issued",
            )

    @admin.action(description="Invoice again", permissions=["press"])
    def invoice_again(
        self, request: HttpRequest, periods: "QuerySet[EngagementPeriod]"
    ) -> TemplateResponse | None:
        clock = Clock(now=timezone.now())
        return press_with_reason(
            self,
            request,
            periods.select_related("engagement", "invoice", "firm"),
            lambda period, reason: services.reissue_period(
                period=period,
                today=period.firm.today(clock),
                now=clock.now,
                actor=who(request),
                reason=reason,
            ),
            title="Invoice periods again",
            noun=PERIODS,
            done="invoiced again",
            warning="For periods whose invoice was voided: each gets a new one, at the fee "
            "now in force for its first day.",
        )


def _today(service: Callable[..., object]) -> Callable[..., object]:
    """Hand a service the date where the engagement's firm is."""
    clock = Clock(now=timezone.now())

    def act(*, engagement: Engagement, **how: Any) -> object:
        return service(engagement=engagement, today=engagement.firm.today(clock), **how)

    return act
