"""Copies of what is held about somebody: who got which, making one, downloading it once."""

from pathlib import Path
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format

from apps.billing.admin import only_one
from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    ReadOnly,
    has_role,
    visible_firms,
    who,
)
from apps.firms.models import Firm, Role
from apps.privacy import services
from apps.privacy.forms import AnybodyForm, CustomerForm, ExportForm
from apps.privacy.models import DataExport


def answered_for(request: HttpRequest) -> "QuerySet[Firm]":
    """Return the firms for whose data whoever asks answers: those that they own."""
    firms, user = visible_firms(request), who(request)
    if user.is_superuser:
        return firms
    if not user.has_perm("privacy.add_dataexport"):
        return firms.none()
    return firms.filter(
        memberships__user=user,
        memberships__is_active=True,
        memberships__roles__role=Role.OWNER,
    )


@admin.register(DataExport)
class DataExportAdmin(ReadOnly, FirmScopedAdmin[DataExport]):
    list_display = ("made_at", "user", "firm", "file", "records", "law", "due_on", "made_by")
    list_filter = (("firm", FirmFilter), "law", "made_at")
    list_select_related = ("user", "firm", "made_by")
    search_fields = ("user__username", "user__first_name", "user__last_name")
    search_help_text = "A person's name, or the name that they sign in with."
    ordering = ("-made_at", "-pk")
    fields = (
        *("user", "firm", "law", "received_on", "extended", "due_on", "made_by", "made_at"),
        *("categories", "records", "size_bytes", "sha256", "path", "file"),
    )
    actions = ("download",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[DataExport]":
        """Superusers also see those that no single firm has made."""
        if request.user.is_superuser:
            return admin.ModelAdmin.get_queryset(self, request)
        return super().get_queryset(request)

    @admin.display(description="file", ordering="removed_at")
    def file(self, export: DataExport) -> str:
        if export.removed_at:
            return f"gone since {date_format(export.removed_at, 'DATETIME_FORMAT')}"
        return "there"

    # ---- make one -----------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = request.user.has_perm("privacy.add_dataexport")
        return who(request).is_superuser or (may and has_role(request, Role.OWNER))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask whose data, and export them; outside the transaction of Django's own page."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self._form(request)
        if form.is_valid():
            try:
                export = services.make_export(
                    wish=form.wish(made_by=who(request)), now=timezone.now()
                )
            except Problem as problem:
                form.add_error(None, str(problem))
            else:
                ready = (
                    f"The file about {export.user} is ready: select it to download it, once."
                )
                self.message_user(request, ready, messages.SUCCESS)
                return redirect("admin:privacy_dataexport_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": "Export what is held about somebody",
            "opts": self.opts,
            "form": form,
            "media": form.media,
            "button": "Export",
        }
        return TemplateResponse(request, "admin/press.html", context)

    def _form(self, request: HttpRequest) -> ExportForm:
        typed = request.POST if request.method == "POST" else None
        if request.user.is_superuser:
            return AnybodyForm(typed)
        contacts = Contact.objects.present().filter(firm__in=answered_for(request))
        return CustomerForm(typed, contacts=contacts.select_related("user", "firm"))

    # ---- hand it out ---------------------------------------------------------------------

    def has_download_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    @admin.action(description="Download the file (once)", permissions=["download"])
    def download(
        self, request: HttpRequest, exports: "QuerySet[DataExport]"
    ) -> FileResponse | None:
        if not request.user.is_superuser:
            exports = exports.filter(firm__in=answered_for(request))
        export = only_one(self, request, exports, "export")
        if export is None:
            return None
        try:
            file = services.take_file(export=export, actor=who(request), now=timezone.now())
        except Problem as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return None
        return FileResponse(file, as_attachment=True, filename=Path(export.path).name)
