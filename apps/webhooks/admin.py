"""What staff see of accounts at providers and of the inbox. Bodies and secrets stay unseen."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from apps.core.problems import Problem
from apps.firms.actions import press_each, press_with_reason, too_many
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    ReadOnly,
    has_role,
    who,
)
from apps.firms.models import Firm, Role, User
from apps.webhooks import services
from apps.webhooks.forms import SECRETS, AccountForm
from apps.webhooks.models import GatewayAccount, WebhookEvent, WebhookRefusal

M = TypeVar("M", bound=Model)

ACCOUNTS = ("account", "accounts")
EVENTS = ("event", "events")


def owned_firms(user: User) -> "QuerySet[Firm]":
    """Return the firms that a person owns; a superuser owns the platform, and so all."""
    if user.is_superuser:
        return Firm.objects.all()
    return Firm.objects.filter(
        memberships__user=user,
        memberships__is_active=True,
        memberships__roles__role=Role.OWNER,
    )


class PlatformToo(FirmScopedAdmin[M]):
    """Shows a superuser the platform's own rows as well, which are of no firm."""

    def get_queryset(self, request: HttpRequest) -> "QuerySet[M]":
        if who(request).is_superuser:
            rows: QuerySet[M] = admin.ModelAdmin.get_queryset(self, request)
            return rows
        return super().get_queryset(request)


@admin.register(GatewayAccount)
class GatewayAccountAdmin(PlatformToo[GatewayAccount]):
    """Owners keep their firm's accounts, superusers also the platform's."""

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

    def get_fieldsets(self, request: HttpRequest, obj: GatewayAccount | None = None) -> Any:
        """Whoever may only look finds no fields for credentials."""
        fieldsets = super().get_fieldsets(request, obj)
        writes = obj is None or self.has_change_permission(request, obj)
        return fieldsets if writes else fieldsets[:1]

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Only a superuser may leave the firm out: that makes the platform's account."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "firm":
            field.queryset = owned_firms(who(request)).order_by("name")
            field.required = not who(request).is_superuser
        return field

    # ---- who may -------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and has_role(request, Role.OWNER)

    def has_change_permission(
        self, request: HttpRequest, obj: GatewayAccount | None = None
    ) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (has_role(request, Role.OWNER) if obj is None else _owns(request, obj))

    def has_delete_permission(
        self, request: HttpRequest, obj: GatewayAccount | None = None
    ) -> bool:
        return False  # its events name it; disable it instead

    # ---- what happens ----------------------------------------------------------------------

    def save_model(
        self, request: HttpRequest, obj: GatewayAccount, form: Any, change: bool
    ) -> None:
        if not _owns(request, obj):
            raise PermissionDenied
        services.save_account(account=obj, secrets=form.secrets(), actor=who(request))

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, accounts: "QuerySet[GatewayAccount]") -> None:
        self._switch(request, accounts, services.disable_account, "disabled")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, accounts: "QuerySet[GatewayAccount]") -> None:
        self._switch(request, accounts, services.enable_account, "enabled")

    def _switch(
        self,
        request: HttpRequest,
        accounts: "QuerySet[GatewayAccount]",
        service: Callable[..., None],
        done: str,
    ) -> None:
        def act(account: GatewayAccount) -> None:
            if not _owns(request, account):
                raise Problem("only the owner of a firm may")
            service(account=account, actor=who(request))

        press_each(
            self, request, accounts.select_related("firm"), act, noun=ACCOUNTS, done=done
        )


def _owns(request: HttpRequest, account: GatewayAccount) -> bool:
    if account.firm_id is None:
        return who(request).is_superuser
    return has_role(request, Role.OWNER, firm_id=account.firm_id)


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
