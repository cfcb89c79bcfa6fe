"""What contractors want for work: handed in, and approved or rejected."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.fieldwork import services
from apps.fieldwork.admin.pages import page_of
from apps.fieldwork.forms import EstimateForm
from apps.fieldwork.models import Estimate
from apps.firms.actions import press_each, press_with_reason, too_many
from apps.firms.admin import FirmFilter, FirmScopedAdmin, who
from apps.firms.buttons import Buttons


@admin.register(Estimate)
class EstimateAdmin(Buttons[Estimate], FirmScopedAdmin[Estimate]):
    """People hand estimates in and answer them; nobody edits."""

    form = EstimateForm
    list_display = (
        *("work_order", "contractor", "amount_minor", "status", "submitted_at", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status", "submitted_at")
    list_select_related = ("work_order", "contractor__contact", "firm")
    search_fields = (
        *("work_order__number", "work_order__title"),
        "contractor__contact__display_name",
    )
    search_help_text = "A work order's number or title, or a contractor's name."
    ordering = ("-pk",)
    autocomplete_fields = ("work_order", "contractor")
    actions = ("approve", "reject")

    def get_fields(self, request: HttpRequest, obj: Estimate | None = None) -> Any:
        asked = ("work_order", "contractor", "amount_minor", "text")
        if obj is None:
            return asked
        return (*asked, "status", "submitted_at", "decided_at", "decided_by", "reason")

    def has_change_permission(self, request: HttpRequest, obj: Estimate | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Estimate | None = None) -> bool:
        return False

    def has_press_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("fieldwork.change_estimate")

    def save_model(self, request: HttpRequest, obj: Estimate, form: Any, change: bool) -> None:
        estimate = services.draft_estimate(
            order=obj.work_order,
            contractor=obj.contractor,
            amount_minor=obj.amount_minor,
            text=obj.text,
        )
        services.submit_estimate(estimate=estimate, by=who(request), now=timezone.now())
        obj.pk = estimate.pk
        obj.refresh_from_db()

    def response_post_save_add(self, request: HttpRequest, obj: Estimate) -> Any:
        return HttpResponseRedirect(page_of(obj.work_order))

    def buttons(self, row: Estimate) -> Sequence[str]:
        return self.actions if row.status == Estimate.Status.SUBMITTED else ()

    @admin.action(description="Approve", permissions=["press"])
    def approve(self, request: HttpRequest, estimates: "QuerySet[Estimate]") -> None:
        if not too_many(self, request, estimates):
            press_each(
                self,
                request,
                estimates.select_related("work_order"),
                lambda one: services.approve_estimate(
                    estimate=one, by=who(request), now=timezone.now()
                ),
                noun=("estimate", "estimates"),
                done="approved",
            )

    @admin.action(description="Reject", permissions=["press"])
    def reject(
        self, request: HttpRequest, estimates: "QuerySet[Estimate]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            estimates.select_related("work_order", "contractor__contact"),
            lambda one, reason: services.reject_estimate(
                estimate=one, by=who(request), reason=reason, now=timezone.now()
            ),
            title="Reject estimates",
            noun=("estimate", "estimates"),
            done="rejected",
            about=lambda one: f"{one.work_order}: {one}",
            warning="The contractors are told why.",
        )
