"""Requests to be erased: received, verified, approved by somebody else, and executed.

Owners decide for their firm, superusers for the platform. Staff read.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.actions import Page, press_each, press_with_reason, too_many
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    ReadOnlyInline,
    firms_with_role,
    has_role,
    visible_firms,
    who,
)
from apps.firms.models import Role, User
from apps.jobs.interventions import start
from apps.jobs.job import find
from apps.jobs.models import JobRun
from apps.jobs.recording import recorded
from apps.privacy import services
from apps.privacy.admin.listening import Listener
from apps.privacy.forms import HowForm, ReceiveForm
from apps.privacy.models import ErasureAction, ErasureRequest, ErasureStep, StatutoryPeriod
from apps.privacy.models.law import Law

Rows = QuerySet[ErasureRequest]
REQUESTS = ("request", "requests")
JOB = "execute_erasure_request"


class ActionInline(ReadOnlyInline):
    model = ErasureAction
    verbose_name_plural = "what was done"
    fields = ("firm", "category", "decision", "rows", "retained_until", "reason")
    ordering = ("firm", "pk")


class StepInline(ReadOnlyInline):
    model = ErasureStep
    verbose_name_plural = "what has to be done outside"
    fields = ("kind", "attempts", "next_attempt_at", "problem", "done_at")
    ordering = ("pk",)


@admin.register(ErasureRequest)
class ErasureRequestAdmin(FirmScopedAdmin[ErasureRequest]):
    """Nobody edits a request; each step of its life is an action of its own."""

    form = ReceiveForm
    list_display = ("__str__", "person", "status", "due_on", "received_on", "firm")
    list_filter = (("firm", FirmFilter), "status", "law", "due_on")
    list_select_related = ("firm", "contact", "user")
    search_fields = ("=pk",)
    search_help_text = "A request's number."
    ordering = ("-pk",)
    actions = ("verify", "approve", "extend", "reject", "cancel", "preview", "execute")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Requests to the platform are for those who run it."""
        if request.user.is_superuser:
            return admin.ModelAdmin.get_queryset(self, request)
        return super().get_queryset(request)

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.list_display

    def get_fields(self, request: HttpRequest, obj: ErasureRequest | None = None) -> Any:
        if obj is None:
            return ("firm", "contact", "user", "law", "received_on")
        return (
            *("firm", "contact", "user", "status", "law", "received_on", "extended", "due_on"),
            *("received_by", "verified_by", "verified_at", "verified_how"),
            *("approved_by", "approved_at", "to_settle", "closed_at", "reason"),
        )

    def get_inlines(self, request: HttpRequest, obj: ErasureRequest | None) -> Any:
        return (ActionInline, StepInline) if obj else ()

    def get_autocomplete_fields(self, request: HttpRequest) -> Any:
        """Of accounts only superusers have a page that can be searched."""
        return ("firm", "contact", "user") if request.user.is_superuser else ("contact",)

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """Most requests are written down on the day they come, by somebody of one firm."""
        initial = super().get_changeform_initial_data(request)
        firm = visible_firms(request).filter(pk=initial.get("firm")).first()
        today = Clock.read().today(firm.timezone) if firm else None
        return {"received_on": today, **initial}

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and not request.user.is_superuser:
            owned = firms_with_role(who(request), Role.OWNER)
            if db_field.name == "firm":
                field.queryset, field.required, field.help_text = owned, True, ""
            elif db_field.name == "user":
                known = Q(memberships__firm__in=owned) | Q(contacts__firm__in=owned)
                field.queryset = User.objects.filter(known).distinct().order_by("username")
        return field

    @admin.display(description="whom")
    def person(self, request: ErasureRequest) -> str:
        return _name(request)

    @admin.display(description="to be settled first")
    def to_settle(self, request: ErasureRequest) -> str:
        return "; ".join(request.blocked_by) or "—"

    # ---- who may do what ------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and has_role(request, Role.OWNER)

    def has_change_permission(
        self, request: HttpRequest, obj: ErasureRequest | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: ErasureRequest | None = None
    ) -> bool:
        return False

    def has_verify_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "verify")

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "approve")

    def has_close_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "close")

    def has_execute_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "execute")

    def _may(self, request: HttpRequest, what: str) -> bool:
        return request.user.has_perm(f"privacy.{what}_erasurerequest")

    # ---- the life of a request ------------------------------------------------------------

    def save_model(
        self, request: HttpRequest, obj: ErasureRequest, form: ModelForm[Any], change: bool
    ) -> None:
        made = services.receive_request(
            user=obj.user,
            contact=obj.contact,
            firm=obj.firm,
            law=Law(obj.law),
            received_on=obj.received_on,
            by=who(request),
        )
        obj.pk = made.pk
        obj.refresh_from_db()

    @admin.action(description="Confirm who asks", permissions=["verify"])
    def verify(self, request: HttpRequest, requests: Rows) -> TemplateResponse | None:
        if too_many(self, request, requests):
            return None
        title = "Confirm who asks"
        between = Page(self, request, title, title)
        form = between.asked(HowForm)
        if form is None:
            return between.ask(requests, HowForm, about=_about)
        how = form.cleaned_data["how"]
        self._each(
            request,
            requests,
            lambda one: services.verify_request(
                request=one, how=how, by=who(request), now=timezone.now()
            ),
            "verified",
        )
        return None

    @admin.action(description="Approve", permissions=["approve"])
    def approve(self, request: HttpRequest, requests: Rows) -> None:
        self._each(
            request,
            requests,
            lambda one: services.approve_request(
                request=one, by=who(request), now=timezone.now()
            ),
            "approved",
        )

    @admin.action(description="Take the longer time", permissions=["verify"])
    def extend(self, request: HttpRequest, requests: Rows) -> TemplateResponse | None:
        return self._with_reason(
            request,
            requests,
            lambda one, reason: services.extend_request(
                request=one, reason=reason, by=who(request), today=_today(one)
            ),
            title="Take the longer time",
            done="extended",
            warning="Tell the person before the shorter time is over, and why.",
        )

    @admin.action(description="Reject", permissions=["close"])
    def reject(self, request: HttpRequest, requests: Rows) -> TemplateResponse | None:
        return self._with_reason(
            request,
            requests,
            lambda one, reason: services.reject_request(
                request=one, reason=reason, by=who(request), now=timezone.now()
            ),
            title="Reject requests",
            done="rejected",
            warning="Nothing is erased. Tell the person why, and that they may complain.",
        )

    @admin.action(description="Cancel: the person has taken it back", permissions=["close"])
    def cancel(self, request: HttpRequest, requests: Rows) -> TemplateResponse | None:
        return self._with_reason(
            request,
            requests,
            lambda one, reason: services.cancel_request(
                request=one, reason=reason, by=who(request), now=timezone.now()
            ),
            title="Cancel requests",
            done="cancelled",
            warning="For requests that their person has taken back. Nothing is erased.",
        )

    # ---- carrying it out ------------------------------------------------------------------

    @admin.action(description="Preview what would be erased", permissions=["execute"])
    def preview(self, request: HttpRequest, requests: Rows) -> TemplateResponse | None:
        one = self._only_one(request, requests)
        if one is None:
            return None
        listener = Listener()
        arguments = {"request_id": one.pk, "dry_run": True}
        try:
            with recorded(
                find(JOB),
                arguments,
                audience=listener,
                source=JobRun.Source.CONSOLE,
                started_by=who(request),
            ):
                report = services.execute_erasure_request(request_id=one.pk, dry_run=True)
        except Problem as problem:
            self.message_user(request, str(problem), messages.WARNING)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": f"What would be erased: {_about(one)}",
            "opts": self.opts,
            "lines": [*listener.lines, *report.summary()],
        }
        return TemplateResponse(request, "admin/privacy/preview.html", context)

    @admin.action(description="Execute now", permissions=["execute"])
    def execute(self, request: HttpRequest, requests: Rows) -> TemplateResponse | None:
        one = self._only_one(request, requests)
        if one is None:
            return None

        def begin(asked: ErasureRequest, reason: str) -> None:
            with transaction.atomic():
                services.order_execution(request=asked, reason=reason, by=who(request))
                start(find(JOB), {"request_id": asked.pk}, by=who(request))

        return self._with_reason(
            request,
            requests,
            begin,
            title="Erase now",
            done="handed to the queue; what came of it is in the list of runs",
            warning="What is erased cannot be brought back.",
        )

    # ---- inside ---------------------------------------------------------------------------

    def _only_one(self, request: HttpRequest, requests: Rows) -> ErasureRequest | None:
        chosen = list(requests[:2])
        if len(chosen) == 1 and self._decides(request, chosen[0]):
            return chosen[0]
        text = "Choose exactly one request, of a firm that you own."
        self.message_user(request, text, messages.WARNING)
        return None

    def _decides(self, request: HttpRequest, asked: ErasureRequest) -> bool:
        """Whether whoever presses decides: owners for their firm, superusers for all."""
        if asked.firm_id is None:
            return bool(request.user.is_superuser)
        return has_role(request, Role.OWNER, firm_id=asked.firm_id)

    def _decided(
        self, request: HttpRequest, act: Callable[..., object]
    ) -> Callable[..., object]:
        def decide(asked: ErasureRequest, *rest: Any) -> object:
            if not self._decides(request, asked):
                raise Problem(f"{asked} is for the owners of its firm.")
            return act(asked, *rest)

        return decide

    def _each(
        self,
        request: HttpRequest,
        requests: Rows,
        act: Callable[[ErasureRequest], object],
        done: str,
    ) -> None:
        if not too_many(self, request, requests):
            rows = requests.select_related("firm")
            decide = self._decided(request, act)
            press_each(self, request, rows, decide, noun=REQUESTS, done=done)

    def _with_reason(
        self,
        request: HttpRequest,
        requests: Rows,
        act: Callable[[ErasureRequest, str], object],
        **words: str,
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            requests.select_related("firm"),
            self._decided(request, act),
            noun=REQUESTS,
            about=_about,
            **words,
        )


@admin.register(StatutoryPeriod)
class StatutoryPeriodAdmin(admin.ModelAdmin[StatutoryPeriod]):
    """How long the law of a country has records kept; superusers look after it."""

    list_display = ("__str__", "country", "years", "reason", "source")
    ordering = ("country",)
    fields = ("country", "years", "reason", "source")

    def has_delete_permission(
        self, request: HttpRequest, obj: StatutoryPeriod | None = None
    ) -> bool:
        """The one for wherever no country is named must stay."""
        wanted = obj is not None and not obj.country
        return super().has_delete_permission(request, obj) and not wanted


def _about(request: ErasureRequest) -> str:
    return f"{request} of {_name(request)}: {request.get_status_display().lower()}"


def _name(request: ErasureRequest) -> str:
    """Name whom a page is about: read from where it will be erased, and kept nowhere else."""
    return str(request.contact or request.user)


def _today(request: ErasureRequest) -> Any:
    zone = request.firm.timezone if request.firm else "UTC"
    return Clock(now=timezone.now()).today(zone)
