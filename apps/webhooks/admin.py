"""What staff see of accounts at providers and of the inbox. Bodies and secrets stay unseen."""

from typing import Any, TypeVar

from django.conf import settings
from django.contrib import admin
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from apps.firms.actions import press_each, press_with_reason, too_many
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    ReadOnly,
    who,
)
from apps.firms.keeping import KeptAdmin
from apps.webhooks import services
from apps.webhooks.forms import SECRETS, AccountForm
from apps.webhooks.models import GatewayAccount, WebhookEvent, WebhookRefusal

M = TypeVar("M", bound=Model)

EVENTS = ("event", "events")

Accounts = QuerySet[GatewayAccount]


class PlatformToo(FirmScopedAdmin[M]):
    """Shows a superuser the platform's own rows as well, which are of no firm."""

    def get_queryset(self, request: HttpRequest) -> "QuerySet[M]":
        if who(request).is_superuser:
            rows: QuerySet[M] = admin.ModelAdmin.get_queryset(self, request)
            return rows
        return super().get_queryset(request)


@admin.register(GatewayAccount)
class GatewayAccountAdmin(PlatformToo[GatewayAccount], KeptAdmin[GatewayAccount]):
    """Owners keep their firm's accounts, superusers also the platform's."""

    noun = ("account", "accounts")

    form = AccountForm
    list_display = ("account", "livemode", "status", "firm")
    list_filter = (("firm", FirmFilter), "provider", "status", "livemode")
    list_select_related = ("firm",)
    ordering = ("firm__name", "provider", "pk")
    actions = ("disable", "enable")
    fieldsets = (
        (
            None,
            {"fields": ("firm", "provider", "livemode", "status", "address", "held")},
        ),
        (
            "New credentials",
            {
                "fields": SECRETS,
                "description": "What is typed here replaces what is stored, and is never "
                "shown again. Empty fields change nothing.",
            },
        ),
    )

    @admin.display(description="account", ordering="provider")
    def account(self, account: GatewayAccount) -> str:
        return str(account)

    @admin.display(description="webhook address")
    def address(self, account: GatewayAccount) -> str:
        """Where the provider is to send its events: to be copied to its own pages."""
        if not account.pk:
            return "Shown once the account is saved."
        path = reverse(f"webhooks:{account.provider}", args=[account.key])
        return f"{settings.SITE_URL}{path}"

    @admin.display(description="credentials stored")
    def held(self, account: GatewayAccount) -> str:
        return ", ".join(sorted(account.credentials)) or "none"

    def get_readonly_fields(
        self, request: HttpRequest, obj: GatewayAccount | None = None
    ) -> tuple[str, ...]:
        fixed = ("provider", "livemode") if obj else ()
        return (*super().get_readonly_fields(request, obj), "status", "address", "held", *fixed)

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Only a superuser may leave the firm out: that makes the platform's account."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "firm":
            field.required = not who(request).is_superuser
        return field

    def keeps(self, request: HttpRequest, row: GatewayAccount | None = None) -> bool:
        if row is not None and row.firm_id is None:
            return who(request).is_superuser
        return super().keeps(request, row)

    def save_kept(self, request: HttpRequest, row: GatewayAccount, form: Any) -> None:
        services.save_account(account=row, secrets=form.secrets(), actor=who(request))

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, accounts: Accounts) -> None:
        act, by = services.disable_account, who(request)
        self.press(request, accounts, lambda one: act(account=one, actor=by), "disabled")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, accounts: Accounts) -> None:
        act, by = services.enable_account, who(request)
        self.press(request, accounts, lambda one: act(account=one, actor=by), "enabled")


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnly, PlatformToo[WebhookEvent]):
    """What arrived and what became of it. Bodies hold personal data and are not shown."""

    list_display = (
        *("received_at", "type", "event_id", "provider", "status", "attempts"),
        *("error", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status", "provider", "received_at")
    list_select_related = ("firm",)
    search_fields = ("=event_id", "type")
    search_help_text = "A provider's own number of an event, or a type: payment_intent"
    ordering = ("-pk",)
    actions = ("process_again", "give_up")
    fields = (
        *("provider", "account_key", "event_id", "type", "status", "attempts"),
        *("received_at", "next_attempt_at", "processed_at", "error"),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[WebhookEvent]":
        return super().get_queryset(request).defer("raw_body", "headers")

    @admin.action(description="Process again", permissions=["press"])
    def process_again(self, request: HttpRequest, events: "QuerySet[WebhookEvent]") -> None:
        if too_many(self, request, events):
            return
        now, actor = timezone.now(), who(request)
        press_each(
            self,
            request,
            events,
            lambda event: services.process_again(event=event, actor=actor, now=now),
            noun=EVENTS,
            done="will be processed again",
        )

    @admin.action(description="Give up", permissions=["press"])
    def give_up(
        self, request: HttpRequest, events: "QuerySet[WebhookEvent]"
    ) -> TemplateResponse | None:
        actor = who(request)
        return press_with_reason(
            self,
            request,
            events,
            lambda event, reason: services.give_up(event=event, actor=actor, reason=reason),
            title="Give up events",
            noun=EVENTS,
            done="given up",
            warning="What these events tell of money will not be written down by them.",
        )


@admin.register(WebhookRefusal)
class WebhookRefusalAdmin(ReadOnly, admin.ModelAdmin[WebhookRefusal]):
    """How many requests the inbox turned away: of nobody in particular, for superusers."""

    list_display = ("day", "provider", "reason", "count")
    list_filter = ("provider", "reason")
    ordering = ("-day", "provider", "reason")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(
        self, request: HttpRequest, obj: WebhookRefusal | None = None
    ) -> bool:
        return bool(request.user.is_superuser)
