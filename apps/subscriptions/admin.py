"""What the platform's own people see of what it sells. Firms' staff see none of it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from apps.core.days import Clock
from apps.core.forms import AmountsForm
from apps.firms.actions import press_with_reason
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline, who
from apps.subscriptions import services
from apps.subscriptions.models import PaymentOrder, Plan, Subscription
from apps.subscriptions.services.receipts import written_card

SUBSCRIPTIONS = ("subscription", "subscriptions")
ORDERS = ("order", "orders")


class PlatformOnly:
    """Open to superusers, whatever rights somebody may have been given."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_press_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)


@admin.register(Plan)
class PlanAdmin(PlatformOnly, FirmScopedAdmin[Plan]):
    """Prices. A new one is charged from the next renewal, once the card's owner agrees."""

    form = AmountsForm  # type: ignore[assignment]  # a plan has no firm to keep to
    list_display = ("name", "code", "price_minor", "period_count", "trial_days")
    list_filter = ()
    search_fields = ("name", "code")
    ordering = ("price_minor", "pk")
    fields = ("code", "name", "price_minor", "currency", "period_count", "trial_days")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OrderInline(PlatformOnly, ReadOnlyInline):
    model = PaymentOrder
    fields = ("requested_at", "kind", "amount_minor", "status", "failure_code", "card")
    readonly_fields = ("card",)
    verbose_name_plural = "payment orders"
    ordering = ("-requested_at", "-pk")

    @admin.display(description="card")
    def card(self, order: PaymentOrder) -> str:
        return written_card(order.card_mask) or "–"


@admin.register(Subscription)
class SubscriptionAdmin(PlatformOnly, ReadOnly, FirmScopedAdmin[Subscription]):
    list_display = ("firm", "plan", "status", "expires_on", "cancel_at_period_end")
    list_filter = ("status", "plan", "cancel_at_period_end", "expires_on")
    list_select_related = ("firm", "plan")
    search_fields = ("firm__name", "firm__slug")
    ordering = ("expires_on", "pk")
    inlines = (OrderInline,)
    actions = ("suspend", "reactivate")
    fields = (
        *("firm", "plan", "status", "started_on", "expires_on"),
        *("cancel_at_period_end", "suspended_at"),
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.list_display

    @admin.action(description="Suspend", permissions=["press"])
    def suspend(
        self, request: HttpRequest, rows: "QuerySet[Subscription]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            rows,
            _change(services.suspend, request),
            title="Suspend subscriptions",
            noun=SUBSCRIPTIONS,
            done="suspended",
            warning="Everybody but the owners is signed out. No payment lifts it.",
        )

    @admin.action(description="Reactivate", permissions=["press"])
    def reactivate(
        self, request: HttpRequest, rows: "QuerySet[Subscription]"
    ) -> TemplateResponse | None:
        return press_with_reason(
            self,
            request,
            rows,
            _change(services.reactivate, request),
            title="Reactivate subscriptions",
            noun=SUBSCRIPTIONS,
            done="reactivated",
            warning="Whoever has not paid gets the days of grace again, from today.",
        )


@admin.register(PaymentOrder)
class PaymentOrderAdmin(PlatformOnly, ReadOnly, FirmScopedAdmin[PaymentOrder]):
    list_display = (
        *("requested_at", "firm", "kind", "amount_minor", "status", "failure_code"),
        *("cycle_expires_on", "attempt_no"),
    )
    list_filter = ("status", "kind", "failure_code", ("firm", FirmFilter), "requested_at")
    list_select_related = ("firm",)
    search_fields = ("external_order_id", "bog_order_id", "firm__slug")
    search_help_text = "Our reference, the bank's, or a firm's slug."
    ordering = ("-requested_at", "-pk")
    actions = ("was_charged", "never_happened")
    readonly_fields = ("card",)
    fields = (
        *("firm", "subscription", "kind", "status", "failure_code", "amount_minor", "days"),
        *("external_order_id", "bog_order_id", "idempotency_key", "parent_order", "card"),
        *("card_saved", "card_invalid_reason", "cycle_expires_on", "attempt_no"),
        *("requested_at", "resolved_at", "applied_at"),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[PaymentOrder]":
        rows = super().get_queryset(request)
        return rows.select_related("subscription__firm", "subscription__plan", "parent_order")

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._written(self.list_display)

    @admin.display(description="card")
    def card(self, order: PaymentOrder) -> str:
        return written_card(order.card_mask) or "–"

    @admin.action(description="Decide: it was charged", permissions=["press"])
    def was_charged(
        self, request: HttpRequest, rows: "QuerySet[PaymentOrder]"
    ) -> TemplateResponse | None:
        return self._decide(request, rows, charged=True)

    @admin.action(description="Decide: it never happened", permissions=["press"])
    def never_happened(
        self, request: HttpRequest, rows: "QuerySet[PaymentOrder]"
    ) -> TemplateResponse | None:
        return self._decide(request, rows, charged=False)

    def _decide(
        self, request: HttpRequest, rows: "QuerySet[PaymentOrder]", *, charged: bool
    ) -> TemplateResponse | None:
        @transaction.atomic
        def act(order: PaymentOrder, reason: str) -> None:
            services.decide_order(
                order=order, charged=charged, reason=reason, by=who(request), clock=Clock.read()
            )

        return press_with_reason(
            self,
            request,
            rows,
            act,
            title="It was charged" if charged else "It never happened",
            noun=ORDERS,
            done="decided",
            warning="Look at the bank's own pages first. "
            + (
                "The subscription is extended as if the bank had told us."
                if charged
                else "The card may then be charged again for the same days."
            ),
        )


def _change(service: Callable[..., None], request: HttpRequest) -> Any:
    def act(subscription: Subscription, reason: str) -> None:
        service(subscription=subscription, reason=reason, by=who(request), clock=Clock.read())

    return act
