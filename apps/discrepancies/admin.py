"""What staff see of what comparisons found, and what they may decide."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.discrepancies import services
from apps.discrepancies.models import Discrepancy, ReconciliationRun, Source
from apps.firms.actions import press_with_reason
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, who

ISSUES = ("discrepancy", "discrepancies")


@admin.register(Discrepancy)
class DiscrepancyAdmin(ReadOnly, FirmScopedAdmin[Discrepancy]):
    list_display = (
        *("label", "kind", "severity", "remote_state", "local_state", "status"),
        *("last_seen_at", "occurrences", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status", "severity", "source", "kind")
    list_select_related = ("firm",)
    search_fields = ("label", "subject_key")
    search_help_text = "An invoice's or document's number, or the other side's reference."
    ordering = ("-last_seen_at", "-pk")
    actions = ("settle", "ignore", "reopen")
    fields = (
        *("label", "source", "kind", "severity", "subject_key", "remote_state"),
        *("local_state", "status", "first_seen_at", "last_seen_at", "occurrences"),
        *("notified_at", "closed_at"),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Discrepancy]":
        """Keep what differs between the platform and its own bank from firms' staff."""
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.exclude(source=Source.BOG)

    @admin.action(description="Mark as repaired", permissions=["press"])
    def settle(
        self, request: HttpRequest, issues: "QuerySet[Discrepancy]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            issues,
            _decide(services.settle_discrepancy, request),
            title="Mark discrepancies as repaired",
            noun=ISSUES,
            done="marked as repaired",
            about=_in_words,
            warning="One that is still there is found again, and told again, as a new one.",
        )

    @admin.action(description="Ignore", permissions=["press"])
    def ignore(
        self, request: HttpRequest, issues: "QuerySet[Discrepancy]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            issues,
            _decide(services.ignore_discrepancy, request),
            title="Ignore discrepancies",
            noun=ISSUES,
            done="ignored",
            about=_in_words,
            warning="They are left alone for as long as the other side says the same.",
        )

    @admin.action(description="Reopen", permissions=["press"])
    def reopen(
        self, request: HttpRequest, issues: "QuerySet[Discrepancy]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            issues,
            _decide(services.reopen_discrepancy, request),
            title="Reopen discrepancies",
            noun=ISSUES,
            done="reopened",
            about=_in_words,
        )


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(ReadOnly, FirmScopedAdmin[ReconciliationRun]):
    list_display = (
        *("started_at", "source", "complete", "checked", "found", "fresh", "resolved", "firm"),
    )
    list_filter = (("firm", FirmFilter), "source", "complete", "started_at")
    list_select_related = ("firm",)
    ordering = ("-started_at", "-pk")
    fields = (
        *("source", "started_at", "ended_at", "since", "complete", "checked", "found"),
        *("fresh", "resolved"),
    )


def _decide(service: Callable[..., None], request: HttpRequest) -> Any:
    now = timezone.now()

    def act(issue: Discrepancy, reason: str) -> None:
        service(discrepancy=issue, actor=who(request), reason=reason, now=now)

    return act


def _in_words(issue: Discrepancy) -> str:
    return issue.sentence
