"""What owners and admins of a firm see and press: the mailboxes that are read."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest

from apps.core.problems import Problem
from apps.firms.actions import press_each
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnlyInline, has_role, who
from apps.firms.models import Firm, Role, User
from apps.mailbox import services
from apps.mailbox.forms import SECRETS, ConnectionForm
from apps.mailbox.models import EmailConnection, EmailFolderState

LEADERS = (Role.OWNER, Role.ADMIN)
MAILBOXES = ("mailbox", "mailboxes")

Connections = QuerySet[EmailConnection]


def led_firms(user: User) -> "QuerySet[Firm]":
    """Return the firms whose credentials a person may enter: as owner or admin."""
    if user.is_superuser:
        return Firm.objects.all()
    return Firm.objects.visible_to(user).filter(
        memberships__user=user,
        memberships__is_active=True,
        memberships__roles__role__in=LEADERS,
    )


class FolderInline(ReadOnlyInline):
    model = EmailFolderState
    fields = ("folder", "last_uid", "uidvalidity", "since", "updated_at")
    verbose_name_plural = "how far the folders have been read"
    ordering = ("folder",)


@admin.register(EmailConnection)
class EmailConnectionAdmin(FirmScopedAdmin[EmailConnection]):
    """Owners and admins of a firm keep its mailboxes; secrets go in and never come out."""

    form = ConnectionForm
    list_display = (
        "name",
        "username",
        "status",
        "problem",
        "last_sync_at",
        "is_active",
        "firm",
    )
    list_filter = (("firm", FirmFilter), "status", "is_active")
    list_select_related = ("firm",)
    search_fields = ("name", "username")
    search_help_text = "What you call it, or its user name."
    ordering = ("firm__name", "name", "pk")
    inlines = (FolderInline,)
    actions = ("try_again", "switch_on", "switch_off")
    readonly_fields = (
        *("status", "problem", "held", "last_sync_at", "last_attempt_at"),
        *("consecutive_failures", "backoff_until"),
    )
    fieldsets = (
        (
            None,
            {"fields": ("firm", "name", "host", "port", "security", "username", "auth")},
        ),
        ("What is read", {"fields": ("folders", "is_active")}),
        (
            "How it is going",
            {
                "fields": (
                    *("status", "problem", "last_sync_at", "last_attempt_at"),
                    *("consecutive_failures", "backoff_until", "held"),
                )
            },
        ),
        (
            "New credentials",
            {
                "fields": SECRETS,
                "description": "What is typed here replaces what is stored, and is never "
                "shown again. Empty fields change nothing. Saving has the mailbox read with "
                "the next run.",
            },
        ),
    )

    @admin.display(description="credentials stored")
    def held(self, connection: EmailConnection) -> str:
        return ", ".join(sorted(connection.secret)) or "none"

    def get_fieldsets(self, request: HttpRequest, obj: EmailConnection | None = None) -> Any:
        """Whoever may only look finds no fields for credentials."""
        fieldsets = super().get_fieldsets(request, obj)
        writes = obj is None or self.has_change_permission(request, obj)
        return fieldsets if writes else fieldsets[:-1]

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "firm":
            field.queryset = led_firms(who(request)).order_by("name")
        return field

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and has_role(request, *LEADERS)

    def has_change_permission(
        self, request: HttpRequest, obj: EmailConnection | None = None
    ) -> bool:
        may = super().has_change_permission(request, obj)
        return may and has_role(request, *LEADERS, firm_id=obj.firm_id if obj else None)

    def has_delete_permission(
        self, request: HttpRequest, obj: EmailConnection | None = None
    ) -> bool:
        return False  # its letters name it; switch it off instead

    def save_model(
        self, request: HttpRequest, obj: EmailConnection, form: Any, change: bool
    ) -> None:
        if not led_firms(who(request)).filter(pk=obj.firm_id).exists():
            raise PermissionDenied
        services.save_connection(connection=obj, secrets=form.secrets(), actor=who(request))

    @admin.action(description="Try again now", permissions=["change"])
    def try_again(self, request: HttpRequest, connections: Connections) -> None:
        self._press(request, connections, services.try_again, "will be read with the next run")

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, connections: Connections) -> None:
        switch = partial(services.switch_connection, on=True)
        self._press(request, connections, switch, "switched on")

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, connections: Connections) -> None:
        switch = partial(services.switch_connection, on=False)
        self._press(request, connections, switch, "switched off")

    def _press(
        self,
        request: HttpRequest,
        connections: Connections,
        service: Callable[..., None],
        done: str,
    ) -> None:
        led = set(led_firms(who(request)).values_list("pk", flat=True))

        def act(connection: EmailConnection) -> None:
            if connection.firm_id not in led:
                raise Problem("only owners and admins of a firm may")
            service(connection=connection, actor=who(request))

        press_each(self, request, connections, act, noun=MAILBOXES, done=done)
