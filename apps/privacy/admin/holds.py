"""Legal holds: owners place and release them, staff read."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.core.problems import Problem
from apps.firms.actions import press_with_reason
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    FirmScopedForm,
    firms_with_role,
    has_role,
    who,
)
from apps.firms.models import LegalHold, Role
from apps.privacy import services

HOLDS = ("hold", "holds")


class HoldForm(FirmScopedForm[LegalHold]):
    """What is to be held, and why."""

    subject_id = forms.IntegerField(
        label="Number",
        required=False,
        min_value=1,
        help_text="Of the user, contact, document or lease, as it stands in the address of its "
        "page. Empty: the whole firm.",
    )

    class Meta:
        model = LegalHold
        fields = ("firm", "subject_type", "subject_id", "reason")

    def clean(self) -> dict[str, Any]:
        typed = super().clean()
        firm, kind = typed.get("firm"), typed.get("subject_type")
        if not firm or not kind or self.errors:
            return typed
        if kind == LegalHold.Subject.FIRM:
            typed["subject_id"] = firm.pk
        elif not typed["subject_id"]:
            self.add_error("subject_id", "Say which.")
            return typed
        try:
            services.check_hold(hold=LegalHold(**typed))
        except Problem as problem:
            self.add_error("subject_id", str(problem))
        return typed


@admin.register(LegalHold)
class LegalHoldAdmin(FirmScopedAdmin[LegalHold]):
    """Nobody edits a hold: it is placed, and released."""

    form = HoldForm
    list_display = ("subject", "reason", "placed_at", "placed_by", "released_at", "firm")
    list_filter = (
        ("firm", FirmFilter),
        "subject_type",
        ("released_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("firm", "placed_by")
    search_fields = ("reason", "=subject_id")
    search_help_text = "Why, or the number of what is held."
    ordering = ("-pk",)
    actions = ("release",)

    def get_fields(self, request: HttpRequest, obj: LegalHold | None = None) -> Any:
        if obj is None:
            return ("firm", "subject_type", "subject_id", "reason")
        placed = ("subject", "reason", "placed_by", "placed_at")
        return (*placed, "released_by", "released_at") if obj.released_at else placed

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "firm":
            field.queryset = firms_with_role(who(request), Role.OWNER).order_by("name")
        return field

    # ---- who may -------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and has_role(request, Role.OWNER)

    def has_change_permission(self, request: HttpRequest, obj: LegalHold | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LegalHold | None = None) -> bool:
        return False

    def has_release_permission(self, request: HttpRequest) -> bool:
        may = super().has_change_permission(request)
        return may and has_role(request, Role.OWNER)

    # ---- what happens --------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: LegalHold, form: Any, change: bool) -> None:
        services.place_hold(hold=obj, actor=who(request), now=timezone.now())

    @admin.action(description="Release", permissions=["release"])
    def release(
        self, request: HttpRequest, holds: "QuerySet[LegalHold]"
    ) -> TemplateResponse | None:
        actor, now = who(request), timezone.now()

        def act(hold: LegalHold, reason: str) -> None:
            if not has_role(request, Role.OWNER, firm_id=hold.firm_id):
                raise Problem("only the owner of a firm may")
            services.release_hold(hold=hold, reason=reason, actor=actor, now=now)

        return press_with_reason(
            self,
            request,
            holds.select_related("firm"),
            act,
            title="Release holds",
            noun=HOLDS,
            done="released",
            about=lambda hold: f"{hold} ({hold.reason})",
            warning="What they kept goes with the next run of the retention policies.",
        )
