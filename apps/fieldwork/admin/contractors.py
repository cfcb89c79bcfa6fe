"""Contractors, and the documents that say they may work and be paid."""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

from apps.billing.admin import only_one
from apps.core import money
from apps.core.days import Clock
from apps.core.forms import NOTHING
from apps.core.problems import Problem
from apps.fieldwork import services
from apps.fieldwork.admin.filters import ContractorFilter, PaperFilter
from apps.fieldwork.forms import DocumentForm, PayoutForm
from apps.fieldwork.models import (
    ComplianceDocument,
    ComplianceRequirement,
    ContractorProfile,
    WorkOrder,
)
from apps.fieldwork.services import Gap
from apps.firms.actions import Page, press_each, press_with_reason, too_many
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnlyInline, who
from apps.firms.buttons import Buttons

PAPERS = ("document", "documents")
IN_ORDER = "In order"


def write_gaps(gaps: Sequence[Gap]) -> str:
    """Write what a contractor lacks, or that it is nothing."""
    if not gaps:
        return IN_ORDER
    lacks = ", ".join(map(str, gaps))
    return format_html('<span class="is-late">{}</span>', lacks[:1].upper() + lacks[1:])


class PaperInline(ReadOnlyInline):
    model = ComplianceDocument
    fields = ("doc_type", "number", "expires_on", "status", "review_note")
    verbose_name_plural = "documents"
    ordering = ("doc_type", "-pk")
    show_change_link = True


class OpenWorkInline(ReadOnlyInline):
    model = WorkOrder
    currency = attrgetter("currency")
    fields = ("number", "title", "status", "due_date", "contractor_price_minor")
    verbose_name_plural = "open work"
    ordering = ("due_date", "number")
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).filter(status__in=WorkOrder.OPEN)


@admin.register(ContractorProfile)
class ContractorProfileAdmin(Buttons[ContractorProfile], FirmScopedAdmin[ContractorProfile]):
    list_display = ("contact", "trades", "documents", "is_active", "firm")
    list_filter = (("firm", FirmFilter), ContractorFilter, "is_active")
    list_select_related = ("contact", "firm")
    search_fields = ("contact__display_name", "contact__email", "trades")
    search_help_text = "A name, an e-mail address or a trade."
    ordering = ("contact__display_name", "pk")
    autocomplete_fields = ("contact",)
    readonly_fields = ("documents",)
    actions = ("request_payout",)

    def get_fields(self, request: HttpRequest, obj: ContractorProfile | None = None) -> Any:
        asked = ("contact", "trades", "is_active")
        return (*asked, "documents") if obj else asked

    def get_inlines(self, request: HttpRequest, obj: ContractorProfile | None) -> Any:
        return (PaperInline, OpenWorkInline) if obj else ()

    def get_readonly_fields(
        self, request: HttpRequest, obj: ContractorProfile | None = None
    ) -> Any:
        names = super().get_readonly_fields(request, obj)
        return (*names, "contact") if obj else names

    def has_delete_permission(
        self, request: HttpRequest, obj: ContractorProfile | None = None
    ) -> bool:
        """Whoever leaves is no longer active."""
        return False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Find out for the whole page at once who lacks documents."""
        listed = super().get_changelist_instance(request)
        clock = Clock.read()
        rows: list[ContractorProfile] = list(listed.result_list)
        for day in {row.firm.today(clock) for row in rows}:
            there = [row for row in rows if row.firm.today(clock) == day]
            gaps = services.gaps_of([row.pk for row in there], on=day)
            for row in there:
                row.gaps = gaps.get(row.pk, [])  # type: ignore[attr-defined]
        listed.result_list = rows
        return listed

    @admin.display(description="mandatory documents")
    def documents(self, contractor: ContractorProfile) -> str:
        gaps = getattr(contractor, "gaps", None)
        if gaps is None:
            today = contractor.firm.today(Clock.read())
            gaps = services.gaps_of([contractor.pk], on=today).get(contractor.pk, [])
        return write_gaps(gaps)

    def buttons(self, row: ContractorProfile) -> Sequence[str]:
        return ("request_payout",)

    def ways(self, request: HttpRequest, row: ContractorProfile) -> Sequence[tuple[str, str]]:
        if not request.user.has_perm("fieldwork.add_compliancedocument"):
            return ()
        add = reverse("admin:fieldwork_compliancedocument_add")
        return [("File a document", f"{add}?contractor={row.pk}")]

    def has_payout_permission(self, request: HttpRequest) -> bool:
        """Whoever may decide about payouts may ask for them."""
        return request.user.has_perm("fieldwork.change_payoutrequest")

    @admin.action(description="Request a payout", permissions=["payout"])
    def request_payout(
        self, request: HttpRequest, contractors: "QuerySet[ContractorProfile]"
    ) -> TemplateResponse | None:
        joined = contractors.select_related("contact", "firm")
        contractor = only_one(self, request, joined, "contractor")
        if contractor is None:
            return None
        form_class = partial(PayoutForm, contractor=contractor)
        between = Page(self, request, "Request a payout", "Request the payout")
        form = between.asked(form_class)
        if form is None:
            return between.ask([contractor], form_class)
        try:
            asked = services.request_payout(
                contractor=contractor,
                orders=list(form.cleaned_data["orders"]),
                extras=form.extras(),
                by=who(request),
                now=timezone.now(),
            )
        except Problem as problem:
            self.message_user(request, str(problem), messages.ERROR)
        else:
            text = f"{asked} over {money.write_grouped(asked.amount)} requested."
            self.message_user(request, text, messages.SUCCESS)
        return None


@admin.register(ComplianceRequirement)
class ComplianceRequirementAdmin(FirmScopedAdmin[ComplianceRequirement]):
    form = DocumentForm
    list_display = ("doc_type", "mandatory", "firm")
    list_filter = (("firm", FirmFilter), "mandatory")
    list_select_related = ("firm",)
    search_fields = ("doc_type",)
    search_help_text = "A document's name."
    ordering = ("doc_type", "pk")
    autocomplete_fields = ("firm",)
    fields = ("firm", "doc_type", "mandatory")

    def save_model(
        self, request: HttpRequest, obj: ComplianceRequirement, form: Any, change: bool
    ) -> None:
        if form.has_changed():
            services.require_document(requirement=obj, by=who(request))

    def delete_model(self, request: HttpRequest, obj: ComplianceRequirement) -> None:
        services.drop_requirement(requirement=obj, by=who(request))

    def delete_queryset(
        self, request: HttpRequest, queryset: "QuerySet[ComplianceRequirement]"
    ) -> None:
        for requirement in queryset:
            services.drop_requirement(requirement=requirement, by=who(request))


@admin.register(ComplianceDocument)
class ComplianceDocumentAdmin(Buttons[ComplianceDocument], FirmScopedAdmin[ComplianceDocument]):
    form = DocumentForm
    list_display = ("doc_type", "contractor", "number", "valid_until", "status", "firm")
    list_filter = (("firm", FirmFilter), PaperFilter, "status", "expires_on")
    list_select_related = ("contractor__contact", "firm")
    search_fields = ("doc_type", "number", "contractor__contact__display_name")
    search_help_text = "A document, its number, or a contractor's name."
    ordering = ("expires_on", "pk")
    autocomplete_fields = ("contractor", "file")
    actions = ("approve", "reject")
    readonly_fields = ("status", "reviewed_by", "reviewed_at", "review_note", "replaced_by")

    @admin.display(description="valid until", ordering="expires_on")
    def valid_until(self, paper: ComplianceDocument) -> str:
        """The last valid day; of a current paper that has ended, that it has."""
        if paper.expires_on is None:
            return NOTHING
        day = date_format(paper.expires_on)
        is_current = paper.status in ComplianceDocument.CURRENT
        if is_current and paper.expires_on < paper.firm.today(Clock.read()):
            return format_html('{} <span class="is-late">(ended)</span>', day)
        return day

    def get_fields(self, request: HttpRequest, obj: ComplianceDocument | None = None) -> Any:
        asked = ("contractor", "doc_type", "number", "issued_on", "expires_on", "file")
        return (*asked, *self.readonly_fields) if obj else asked

    def get_readonly_fields(
        self, request: HttpRequest, obj: ComplianceDocument | None = None
    ) -> Any:
        names = super().get_readonly_fields(request, obj)
        return (*names, "contractor", "doc_type") if obj else names

    def has_change_permission(
        self, request: HttpRequest, obj: ComplianceDocument | None = None
    ) -> bool:
        """What is rejected or replaced stays as it was."""
        gone = {ComplianceDocument.Status.REJECTED, ComplianceDocument.Status.SUPERSEDED}
        may = super().has_change_permission(request, obj)
        return may and (obj is None or obj.status not in gone)

    def has_delete_permission(
        self, request: HttpRequest, obj: ComplianceDocument | None = None
    ) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: ComplianceDocument, form: Any, change: bool
    ) -> None:
        paper = services.Paper(
            obj.doc_type, obj.number, obj.issued_on, obj.expires_on, obj.file
        )
        by, now = who(request), timezone.now()
        if change:
            services.correct_document(document=obj, paper=paper, by=by, now=now)
            return
        filed = services.file_document(contractor=obj.contractor, paper=paper, by=by, now=now)
        obj.pk = filed.pk
        obj.refresh_from_db()

    def response_post_save_add(self, request: HttpRequest, obj: ComplianceDocument) -> Any:
        """Go on to the document's own page: there it is approved or rejected."""
        name = "admin:fieldwork_compliancedocument_change"
        return HttpResponseRedirect(reverse(name, args=[obj.pk]))

    def buttons(self, row: ComplianceDocument) -> Sequence[str]:
        if row.status == ComplianceDocument.Status.PENDING_REVIEW:
            return self.actions
        return ("reject",) if row.status in ComplianceDocument.CURRENT else ()

    @admin.action(description="Approve", permissions=["change"])
    def approve(self, request: HttpRequest, papers: "QuerySet[ComplianceDocument]") -> None:
        clock = Clock.read()
        if not too_many(self, request, papers):
            press_each(
                self,
                request,
                papers.select_related("firm"),
                lambda paper: services.approve_document(
                    document=paper,
                    by=who(request),
                    note="",
                    today=paper.firm.today(clock),
                    now=clock.now,
                ),
                noun=PAPERS,
                done="approved",
            )

    @admin.action(description="Reject", permissions=["change"])
    def reject(
        self, request: HttpRequest, papers: "QuerySet[ComplianceDocument]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            papers.select_related("contractor__contact"),
            lambda paper, reason: services.reject_document(
                document=paper, by=who(request), reason=reason, now=timezone.now()
            ),
            title="Reject documents",
            noun=PAPERS,
            done="rejected",
            about=lambda paper: f"{paper}: {paper.get_status_display()}",
            warning="The contractors are told why. Whoever lacks a mandatory document gets "
            "neither work nor payouts.",
        )
