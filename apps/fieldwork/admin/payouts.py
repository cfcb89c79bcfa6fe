"""What contractors ask for, and what they were paid."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.core import money
from apps.core.days import Clock
from apps.fieldwork import services
from apps.fieldwork.admin.contractors import write_gaps
from apps.fieldwork.admin.filters import PayoutFilter
from apps.fieldwork.forms import PaidForm
from apps.fieldwork.models import Payout, PayoutRequest, PayoutRequestLine
from apps.firms.actions import Page, press_each, press_with_reason, too_many
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline, who
from apps.firms.buttons import Buttons

REQUESTS = ("request", "requests")

Rows = QuerySet[PayoutRequest]
Status = PayoutRequest.Status


class LineInline(ReadOnlyInline):
    model = PayoutRequestLine
    currency = attrgetter("request.currency")
    fields = ("what", "amount_minor")
    readonly_fields = ("what",)
    verbose_name_plural = "what it is for"
    ordering = ("pk",)

    @admin.display(description="what")
    def what(self, line: PayoutRequestLine) -> str:
        return str(line)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("work_order", "request")


class PayoutInline(ReadOnlyInline):
    model = Payout
    fields = ("paid_at", "amount_minor", "reference", "recorded_by")
    verbose_name_plural = "paid"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("recorded_by")


@admin.register(PayoutRequest)
class PayoutRequestAdmin(ReadOnly, Buttons[PayoutRequest], FirmScopedAdmin[PayoutRequest]):
    list_display = ("number", "contractor", "amount_minor", "status", "requested_at", "firm")
    list_filter = (("firm", FirmFilter), PayoutFilter, "status", "requested_at")
    list_select_related = ("contractor__contact", "firm")
    search_fields = (
        *("number", "contractor__contact__display_name", "lines__work_order__number"),
    )
    search_help_text = "A request's or a work order's number, or a contractor's name."
    ordering = ("-requested_at", "-pk")
    actions = ("approve", "pay", "reject", "cancel")
    fields = (
        *("number", "contractor", "documents", "amount_minor", "status", "requested_at"),
        *("requested_by", "decided_at", "decided_by", "reason"),
    )
    readonly_fields = ("documents",)

    @admin.display(description="mandatory documents")
    def documents(self, asked: PayoutRequest) -> str:
        """What keeps the contractor from being paid, if anything does."""
        today = asked.firm.today(Clock.read())
        gaps = services.gaps_of([asked.contractor_id], on=today)
        return write_gaps(gaps.get(asked.contractor_id, []))

    def get_inlines(self, request: HttpRequest, obj: PayoutRequest | None) -> Any:
        is_paid = obj is not None and obj.status == Status.PAID
        return (LineInline, PayoutInline) if is_paid else (LineInline,)

    def buttons(self, row: PayoutRequest) -> Sequence[str]:
        return {
            Status.PENDING: ("approve", "reject", "cancel"),
            Status.APPROVED: ("pay", "cancel"),
        }.get(Status(row.status), ())

    @admin.action(description="Approve", permissions=["press"])
    def approve(self, request: HttpRequest, asked: Rows) -> None:
        clock = Clock.read()
        if not too_many(self, request, asked):
            press_each(
                self,
                request,
                asked.select_related("firm"),
                lambda one: services.approve_payout(
                    request=one, by=who(request), today=one.firm.today(clock), now=clock.now
                ),
                noun=REQUESTS,
                done="approved",
            )

    @admin.action(description="Record as paid", permissions=["press"])
    def pay(self, request: HttpRequest, asked: Rows) -> TemplateResponse | None:
        if too_many(self, request, asked):
            return None
        joined = asked.select_related("firm", "contractor__contact")
        between = Page(self, request, "Record payouts", "They are paid")
        form = between.asked(PaidForm)
        if form is None:
            return between.ask(joined, PaidForm, about=_in_words)
        clock = Clock.read()
        pay = partial(
            services.record_payout,
            reference=form.cleaned_data["reference"],
            by=who(request),
            now=clock.now,
        )
        press_each(
            self,
            request,
            joined,
            lambda one: pay(request=one, today=one.firm.today(clock)),
            noun=REQUESTS,
            done="paid",
        )
        return None

    @admin.action(description="Reject", permissions=["press"])
    def reject(self, request: HttpRequest, asked: Rows) -> TemplateResponse | None:
        return self._let_go(request, asked, services.reject_payout, "Reject", "rejected")

    @admin.action(description="Cancel", permissions=["press"])
    def cancel(self, request: HttpRequest, asked: Rows) -> TemplateResponse | None:
        return self._let_go(request, asked, services.cancel_payout, "Cancel", "cancelled")

    def _let_go(
        self,
        request: HttpRequest,
        asked: Rows,
        service: Callable[..., object],
        verb: str,
        done: str,
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            asked.select_related("contractor__contact"),
            lambda one, reason: service(
                request=one, by=who(request), reason=reason, now=timezone.now()
            ),
            title=f"{verb} payout requests",
            noun=REQUESTS,
            done=done,
            about=_in_words,
            warning="The contractors are told why. The work can be asked for again.",
        )


@admin.register(Payout)
class PayoutAdmin(ReadOnly, FirmScopedAdmin[Payout]):
    list_display = ("request", "contractor", "amount_minor", "paid_at", "reference", "firm")
    list_filter = (("firm", FirmFilter), "paid_at")
    list_select_related = ("request__contractor__contact", "firm")
    search_fields = (
        "request__number",
        "request__contractor__contact__display_name",
        "reference",
    )
    search_help_text = "A request's number, a contractor's name, or the bank's reference."
    ordering = ("-paid_at", "-pk")
    fields = ("request", "contractor", "amount_minor", "paid_at", "reference", "recorded_by")

    @admin.display(description="contractor")
    def contractor(self, payout: Payout) -> str:
        return str(payout.request.contractor)


def _in_words(asked: PayoutRequest) -> str:
    amount = money.write_grouped(asked.amount)
    return f"{asked}, {asked.contractor}: {amount}, {asked.get_status_display()}"
