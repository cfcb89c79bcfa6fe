"""The ledger's reports as staff read them, and as of when they are."""

from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format

from apps.billing.models import Receivables, RevenueMonth, ViewState
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly

M = TypeVar("M", bound=Model)


class ReportAdmin(ReadOnly, FirmScopedAdmin[M], Generic[M]):
    """A report of the ledger, filled by ``refresh_materialized_views``."""

    list_select_related = ("firm",)
    list_display_links = None
    actions = None
    list_filter: ClassVar[Any] = (("firm", FirmFilter), "currency")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[M]":
        """Return the rows; none before the first refresh, where PostgreSQL would refuse."""
        rows = super().get_queryset(request)
        return rows if self._refreshed_at() else rows.none()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        at = self._refreshed_at()
        words = f"As of {date_format(at, 'DATETIME_FORMAT')} UTC" if at else "Not filled yet"
        return super().changelist_view(request, {**(extra_context or {}), "subtitle": words})

    def _refreshed_at(self) -> datetime | None:
        return ViewState.objects.refreshed_at(self.model._meta.db_table)


@admin.register(Receivables)
class ReceivablesAdmin(ReportAdmin[Receivables]):
    list_display = ("currency", "bucket", "invoices", "amount_minor", "as_of", "firm")
    ordering = ("firm__name", "currency", "bucket")
    fields = list_display


@admin.register(RevenueMonth)
class RevenueMonthAdmin(ReportAdmin[RevenueMonth]):
    list_display = (
        *("month", "currency", "invoiced_minor", "collected_minor", "refunded_minor"),
        *("written_off_minor", "firm"),
    )
    ordering = ("-month", "firm__name", "currency")
    fields = list_display
