"""What staff see of the ledger. Money is read-only; corrections are actions."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentAllocation,
)
from apps.core import money
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline


def written(minor: int, currency: str) -> str:
    """Write an amount as the lists show it."""
    return money.write_grouped(money.from_minor(minor, currency))


class LineInline(ReadOnlyInline):
    model = InvoiceLine
    fields = ("kind", "description", "amount", "period_start", "period_end")
    readonly_fields = ("amount",)

    @admin.display(description="amount")
    def amount(self, line: InvoiceLine) -> str:
        return written(line.amount_minor, line.invoice.currency)


class AllocationInline(ReadOnlyInline):
    model = PaymentAllocation
    fields = ("payment", "invoice", "amount")
    readonly_fields = ("amount",)

    @admin.display(description="amount")
    def amount(self, allocation: PaymentAllocation) -> str:
        return written(allocation.amount_minor, allocation.payment.currency)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("payment", "invoice")


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly, FirmScopedAdmin[Invoice]):
    list_display = ("number", "account", "kind", "status", "due_date", "total", "balance")
    list_filter = (("firm", FirmFilter), "status", "kind", "due_date")
    list_select_related = ("account__contact", "firm")
    search_fields = ("number", "account__contact__display_name")
    ordering = ("-issue_date", "-pk")
    inlines = (LineInline, AllocationInline)

    @admin.display(description="total", ordering="total_minor")
    def total(self, invoice: Invoice) -> str:
        return written(invoice.total_minor, invoice.currency)

    @admin.display(description="balance", ordering="balance_minor")
    def balance(self, invoice: Invoice) -> str:
        return written(invoice.balance_minor, invoice.currency)


@admin.register(Payment)
class PaymentAdmin(ReadOnly, FirmScopedAdmin[Payment]):
    list_display = ("effective_on", "account", "amount", "method", "status", "firm")
    list_filter = (("firm", FirmFilter), "status", "method", "effective_on")
    list_select_related = ("account__contact", "firm")
    search_fields = ("account__contact__display_name", "gateway_ref")
    ordering = ("-effective_on", "-pk")
    inlines = (AllocationInline,)

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, payment: Payment) -> str:
        return written(payment.amount_minor, payment.currency)


class CreditInline(ReadOnlyInline):
    model = AccountCredit
    fields = ("effective_on", "kind", "amount", "invoice", "note")
    readonly_fields = ("amount",)

    @admin.display(description="amount")
    def amount(self, credit: AccountCredit) -> str:
        return written(credit.amount_minor, credit.currency)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("invoice")


@admin.register(BillingAccount)
class BillingAccountAdmin(ReadOnly, FirmScopedAdmin[BillingAccount]):
    list_display = ("contact", "currency", "credit_left", "autopay_enabled", "firm")
    list_filter = (("firm", FirmFilter), "currency", "autopay_enabled")
    list_select_related = ("contact", "firm")
    search_fields = ("contact__display_name", "contact__email")
    inlines = (CreditInline,)

    @admin.display(description="credit", ordering="credit_minor")
    def credit_left(self, account: BillingAccount) -> str:
        return written(account.credit_minor, account.currency)
