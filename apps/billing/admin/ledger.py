"""What staff see of the ledger. Money is read-only; corrections are actions."""

from collections.abc import Callable
from datetime import date
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format

from apps.audit.models import AuditEvent
from apps.audit.services import record
from apps.billing import services
from apps.billing.admin.cards import AttemptInline, CardInline
from apps.billing.forms import GATEWAY, PaymentForm
from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentAllocation,
)
from apps.core import days, money
from apps.core.days import Clock
from apps.core.forms import NOTHING
from apps.core.problems import Problem
from apps.firms.actions import Page, press_with_reason
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline, who
from apps.firms.models import User

M = TypeVar("M", bound=Model)

INVOICES = ("invoice", "invoices")
RECORDED = "payment_recorded"


class LineInline(ReadOnlyInline):
    model = InvoiceLine
    currency = attrgetter("invoice.currency")
    fields = ("kind", "description", "amount_minor", "period_start", "last_day")
    readonly_fields = ("last_day",)
    verbose_name_plural = "lines"
    ordering = ("pk",)

    @admin.display(description="last day")
    def last_day(self, line: InvoiceLine) -> str:
        return _last_day(line)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("invoice")


class AllocationInline(ReadOnlyInline):
    """Which payments cover which invoices; each page shows the other side."""

    model = PaymentAllocation
    currency = attrgetter("payment.currency")
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("payment", "invoice")


class PaidByInline(AllocationInline):
    fields = ("payment", "amount_minor")
    verbose_name_plural = "paid by"


class PaysForInline(AllocationInline):
    fields = ("invoice", "amount_minor")
    verbose_name_plural = "pays for"


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly, FirmScopedAdmin[Invoice]):
    list_display = (
        *("invoice", "account", "kind", "status", "due_date", "total_minor"),
        *("owed", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status", "kind", "due_date")
    list_select_related = ("account__contact", "firm")
    search_fields = ("number", "account__contact__display_name")
    search_help_text = "A number, or a customer's name."
    ordering = ("-issue_date", "-pk")
    inlines = (LineInline, PaidByInline, AttemptInline)
    actions = ("record_payment", "void", "write_off")
    readonly_fields = ("invoice", "last_day", "owed", "billed_to", "restricted_until")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("invoice", "account", "kind", "status", "period_start", "last_day"),
                    *("issue_date", "due_date"),
                )
            },
        ),
        (
            "Amounts",
            {
                "fields": (
                    *("subtotal_minor", "tax_minor", "total_minor", "late_fees_minor"),
                    *("paid_minor", "credited_minor", "owed"),
                )
            },
        ),
        (
            "Collection",
            {
                "fields": (
                    *("sent_at", "paid_at", "autopay_opt_in", "autopay_status"),
                    *("autopay_next_charge_at", "in_dispute", "dunning_paused_until"),
                )
            },
        ),
        (
            "Kept for the law",
            {"classes": ("collapse",), "fields": ("billed_to", "restricted_until")},
        ),
    )

    @admin.display(description="number", ordering="number")
    def invoice(self, invoice: Invoice) -> str:
        return str(invoice)

    @admin.display(description="owed", ordering="balance_minor")
    def owed(self, invoice: Invoice) -> str:
        """The balance; nobody owes what is void or written off."""
        if invoice.status in Invoice.BY_HAND:
            return NOTHING
        return _write(invoice.open_minor, invoice)

    @admin.display(description="last day")
    def last_day(self, invoice: Invoice) -> str:
        return _last_day(invoice)

    @admin.action(description="Record a payment", permissions=["press"])
    def record_payment(
        self, request: HttpRequest, invoices: "QuerySet[Invoice]"
    ) -> TemplateResponse | None:
        invoice = only_one(self, request, invoices, "invoice")
        if invoice is None:
            return None
        if invoice.status not in Invoice.COLLECTABLE:
            text = (
                f"Nothing is owed on {invoice}; it is {invoice.get_status_display().lower()}."
            )
            self.message_user(request, text, messages.WARNING)
            return None
        clock = Clock(now=timezone.now())
        today = invoice.firm.today(clock)
        take = partial(
            services.record_payment,
            account=invoice.account,
            invoices=[invoice],
            now=clock.now,
            today=today,
        )
        return take_payment(self, request, invoice, take, account=invoice.account, today=today)

    @admin.action(description="Void", permissions=["press"])
    def void(
        self, request: HttpRequest, invoices: "QuerySet[Invoice]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            invoices.select_related("account__contact", "firm"),
            _correct(services.void_invoice, request),
            title="Void invoices",
            noun=INVOICES,
            done="voided",
            about=_in_words,
            warning="A void invoice is never billed again. What was paid on it becomes credit.",
        )

    @admin.action(description="Write off", permissions=["press"])
    def write_off(
        self, request: HttpRequest, invoices: "QuerySet[Invoice]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            invoices.select_related("account__contact", "firm"),
            _correct(services.write_off, request),
            title="Write invoices off",
            noun=INVOICES,
            done="written off",
            about=_in_words,
            warning="What is owed on these invoices is given up. What was paid stays paid.",
        )


@admin.register(Payment)
class PaymentAdmin(ReadOnly, FirmScopedAdmin[Payment]):
    list_display = ("effective_on", "account", "amount_minor", "method", "status", "firm")
    list_filter = (("firm", FirmFilter), "status", "method", "effective_on")
    list_select_related = ("account__contact", "firm")
    search_fields = ("account__contact__display_name", "=gateway_ref")
    search_help_text = "A customer's name, or a payment's reference."
    ordering = ("-effective_on", "-pk")
    inlines = (PaysForInline,)
    fields = (
        *("account", "amount_minor", "method", "status", "effective_on"),
        *("initiated_at", "settled_at", "gateway", "gateway_ref", "note"),
    )


class CreditInline(ReadOnlyInline):
    model = AccountCredit
    fields = ("effective_on", "kind", "amount_minor", "invoice", "note")
    verbose_name_plural = "credit in and out"
    ordering = ("-effective_on", "-pk")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("invoice")


@admin.register(BillingAccount)
class BillingAccountAdmin(ReadOnly, FirmScopedAdmin[BillingAccount]):
    list_display = ("contact", "currency", "credit_minor", "autopay_enabled", "firm")
    list_filter = (("firm", FirmFilter), "currency", "autopay_enabled")
    list_select_related = ("contact", "firm")
    search_fields = ("contact__display_name", "contact__email")
    search_help_text = "A customer's name or e-mail address."
    ordering = ("contact__display_name", "pk")
    inlines = (CardInline, CreditInline)
    actions = ("record_payment",)
    fields = (
        *("contact", "currency", "credit_minor", "autopay_enabled", "autopay_timing"),
        *("default_payment_method", "gateway_customer"),
    )

    def has_press_permission(self, request: HttpRequest) -> bool:
        """Whoever may act on invoices may take money for them."""
        return request.user.has_perm("billing.change_invoice")

    @admin.action(description="Record a payment", permissions=["press"])
    def record_payment(
        self, request: HttpRequest, accounts: "QuerySet[BillingAccount]"
    ) -> TemplateResponse | None:
        account = only_one(self, request, accounts, "account")
        if account is None:
            return None
        clock = Clock(now=timezone.now())
        today = account.firm.today(clock)
        take = partial(services.record_payment, account=account, now=clock.now, today=today)
        return take_payment(self, request, account, take, account=account, today=today)


def only_one(
    page: admin.ModelAdmin[M], request: HttpRequest, rows: "QuerySet[M]", noun: str
) -> M | None:
    """Return the one row that was selected, or say that it must be one."""
    found = list(rows[:2])
    if len(found) == 1:
        return found[0]
    page.message_user(request, f"Select one {noun}.", messages.ERROR)
    return None


def take_payment(
    page: admin.ModelAdmin[M],
    request: HttpRequest,
    row: M,
    take: Callable[..., Payment],
    *,
    account: BillingAccount,
    today: date,
) -> TemplateResponse | None:
    """Ask what was paid, record it with ``take`` and say in one sentence what it covers."""
    form_class = partial(PaymentForm, code=account.currency, today=today)
    between = Page(page, request, "Record a payment", "Record the payment")
    form = between.asked(form_class)
    if form is None:
        return between.ask([row], form_class, about=_in_words)
    typed, reference = form.cleaned_data, str(form.cleaned_data["reference"])
    try:
        with transaction.atomic():
            payment = take(
                amount_minor=typed["amount"],
                method=typed["method"],
                effective_on=typed["paid_on"],
                note=typed["note"],
                gateway=GATEWAY,
                gateway_ref=reference,
            )
            _note_once(payment, who(request))
    except Problem as problem:
        page.message_user(request, str(problem), messages.ERROR)
    else:
        page.message_user(request, _said(payment), messages.SUCCESS)
    return None


def _note_once(payment: Payment, actor: User) -> None:
    """Write down who recorded a payment; a page sent twice comes here again.

    The account is locked since the payment was recorded, so nobody else is here meanwhile.
    """
    about = {"object_type": payment._meta.label_lower, "object_id": str(payment.pk)}
    if not AuditEvent.objects.filter(action=RECORDED, **about).exists():
        changes = {"amount_minor": payment.amount_minor, "currency": payment.currency}
        record(RECORDED, payment, actor=actor, changes=changes)


def _said(payment: Payment) -> str:
    covers = payment.allocations.select_related("invoice").order_by("pk")
    credits = payment.credits.values_list("amount_minor", flat=True)
    parts = [f"{_write(one.amount_minor, payment)} for {one.invoice}" for one in covers]
    if left := sum(credits):
        parts.append(f"{_write(left, payment)} kept as credit")
    return f"{_write(payment.amount_minor, payment)} recorded: {', '.join(parts)}."


def _write(minor: int, row: Payment | Invoice) -> str:
    return money.write_grouped(money.from_minor(minor, row.currency))


def _in_words(row: Any) -> str:
    """Describe a row on the page between pressing a button and its effect."""
    if not isinstance(row, Invoice):
        return str(row)
    amount = _write(row.total_minor, row)
    if row.status in Invoice.COLLECTABLE:
        amount = f"{_write(row.open_minor, row)} of {amount} open"
    return f"{row}, {row.account.contact}: {amount}, {row.get_status_display()}"


def _correct(service: Callable[..., Invoice], request: HttpRequest) -> Any:
    clock = Clock(now=timezone.now())

    def act(invoice: Invoice, reason: str) -> None:
        today = invoice.firm.today(clock)
        service(invoice=invoice, actor=who(request), reason=reason, today=today, now=clock.now)

    return act


def _last_day(row: Invoice | InvoiceLine) -> str:
    """People are shown the inclusive end of a period (spec A4.3)."""
    return date_format(row.period_end - days.DAY) if row.period_end else NOTHING
