"""What staff see of stored cards, and how they decide what became of a charge."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.billing.forms import ChargedForm
from apps.billing.models import PaymentAttempt, PaymentMethod
from apps.billing.services.cards import invalidate_card
from apps.billing.services.settling import decide_attempt
from apps.core import money
from apps.core.forms import NOTHING
from apps.core.problems import Problem
from apps.firms.actions import Page, press_with_reason
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline, who

CARDS = ("card", "cards")
CHARGES = ("charge", "charges")

UNSURE = (
    "Look the charge up in the gateway's own pages first: what you say here decides whether "
    "the customer is charged again."
)


class CardInline(ReadOnlyInline):
    """A customer's cards, on the page of the account."""

    model = PaymentMethod
    fields = ("card", "expires", "status", "invalid_reason", "created_at")
    readonly_fields = ("card", "expires")
    verbose_name_plural = "cards"
    ordering = ("-created_at", "-pk")

    @admin.display(description="card")
    def card(self, method: PaymentMethod) -> str:
        return str(method)

    @admin.display(description="expires")
    def expires(self, method: PaymentMethod) -> str:
        return _expiry(method)


class AttemptInline(ReadOnlyInline):
    """What was tried to collect an invoice, on its page."""

    model = PaymentAttempt
    fields = ("ordinal", "asked", "payment_method", "status", "decline_code", "requested_at")
    readonly_fields = ("asked",)
    verbose_name_plural = "charges of stored cards"
    ordering = ("ordinal",)

    @admin.display(description="amount")
    def asked(self, attempt: PaymentAttempt) -> str:
        return money.write_grouped(attempt.amount)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("payment_method", "invoice")


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnly, FirmScopedAdmin[PaymentMethod]):
    list_display = ("card", "account", "expires", "status", "invalid_reason", "firm")
    list_filter = (("firm", FirmFilter), "status", "brand")
    list_select_related = ("account__contact", "firm")
    search_fields = ("account__contact__display_name", "=last4", "=provider_ref")
    search_help_text = "A customer's name, the last four digits, or the gateway's reference."
    ordering = ("-created_at", "-pk")
    actions = ("mark_as_not_chargeable",)
    readonly_fields = ("card", "expires")
    fields = (
        *("card", "account", "expires", "status", "invalid_reason"),
        *("provider", "provider_ref", "created_at", "updated_at"),
    )

    @admin.display(description="card", ordering="last4")
    def card(self, method: PaymentMethod) -> str:
        return str(method)

    @admin.display(description="expires", ordering=("exp_year"))
    def expires(self, method: PaymentMethod) -> str:
        return _expiry(method)

    @admin.action(description="Mark as not chargeable", permissions=["press"])
    def mark_as_not_chargeable(
        self, request: HttpRequest, methods: "QuerySet[PaymentMethod]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            methods.select_related("account__contact"),
            partial(_mark, request),
            title="Mark cards as not chargeable",
            noun=CARDS,
            done="marked as not chargeable",
            about=lambda method: f"{method}, {method.account.contact}",
            warning="These cards are never charged again. Their customers can store others.",
        )


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnly, FirmScopedAdmin[PaymentAttempt]):
    list_display = (
        *("invoice", "ordinal", "customer", "amount_minor", "status", "decline_code"),
        *("requested_at", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status", "failure_class", "requested_at")
    list_select_related = ("invoice__account__contact", "firm")
    search_fields = (
        *("invoice__number", "invoice__account__contact__display_name"),
        *("=gateway_ref", "=idempotency_key"),
    )
    search_help_text = "An invoice's number, a customer's name, or the gateway's reference."
    ordering = ("-requested_at", "-pk")
    actions = ("it_was_charged", "it_never_happened")
    readonly_fields = ("customer",)
    fields = (
        *("invoice", "ordinal", "customer", "amount_minor", "payment_method", "status"),
        *("failure_class", "decline_code", "gateway_ref", "idempotency_key"),
        *("requested_at", "resolved_at"),
    )

    @admin.display(description="customer", ordering="invoice__account__contact__display_name")
    def customer(self, attempt: PaymentAttempt) -> str:
        return str(attempt.invoice.account.contact)

    @admin.action(description="It was charged", permissions=["press"])
    def it_was_charged(
        self, request: HttpRequest, attempts: "QuerySet[PaymentAttempt]"
    ) -> TemplateResponse | None:
        found = list(attempts.select_related("invoice__account__contact")[:2])
        if len(found) != 1:
            self.message_user(request, "Select one charge.", messages.ERROR)
            return None
        between = Page(self, request, "The customer was charged", "Record the payment")
        form = between.asked(ChargedForm)
        if form is None:
            return between.ask(found, ChargedForm, about=_in_words, warning=UNSURE)
        reference = str(form.cleaned_data["gateway_ref"])
        try:
            _decide(
                request,
                found[0],
                str(form.cleaned_data["reason"]),
                happened=True,
                gateway_ref=reference,
            )
        except Problem as problem:
            self.message_user(request, str(problem), messages.ERROR)
        else:
            amount = money.write_grouped(found[0].amount)
            text = f"{amount} for {found[0].invoice} recorded as {reference}."
            self.message_user(request, text, messages.SUCCESS)
        return None

    @admin.action(description="It never happened", permissions=["press"])
    def it_never_happened(
        self, request: HttpRequest, attempts: "QuerySet[PaymentAttempt]"
    ) -> TemplateResponse | None:
        act: Callable[[PaymentAttempt, str], object] = partial(_decide, request, happened=False)
        return press_with_reason(
            self,
            request,
            attempts.select_related("invoice__account__contact"),
            act,
            title="These charges never happened",
            noun=CHARGES,
            done="released; the next run may charge again",
            about=_in_words,
            warning=UNSURE,
        )


def _mark(request: HttpRequest, method: PaymentMethod, reason: str) -> None:
    if not invalidate_card(method=method, reason=reason, actor=who(request)):
        raise Problem(f"the {method} was not chargeable before")


def _decide(
    request: HttpRequest,
    attempt: PaymentAttempt,
    reason: str,
    *,
    happened: bool,
    gateway_ref: str = "",
) -> None:
    decide_attempt(
        attempt=attempt,
        happened=happened,
        gateway_ref=gateway_ref,
        actor=who(request),
        reason=reason,
        now=timezone.now(),
    )


def _in_words(attempt: PaymentAttempt) -> str:
    """Describe a charge on the page between pressing a button and its effect."""
    return (
        f"{attempt.invoice}, {attempt.invoice.account.contact}: "
        f"{money.write_grouped(attempt.amount)} asked for on "
        f"{attempt.requested_at:%-d %B %Y, %H:%M} UTC, {attempt.get_status_display()}"
    )


def _expiry(method: PaymentMethod) -> str:
    """Return the date printed on a card; a bank account has none."""
    if method.exp_month is None or method.exp_year is None:
        return NOTHING
    return f"{method.exp_month:02}/{method.exp_year}"
