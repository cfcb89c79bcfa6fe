"""What owners and admins of a firm see and press: the mailboxes that are read."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.firms.admin import FirmFilter, ReadOnlyInline, who
from apps.firms.keeping import KeptAdmin
from apps.firms.models import Role
from apps.mailbox import services
from apps.mailbox.forms import SECRETS, ConnectionForm
from apps.mailbox.models import EmailConnection, EmailFolderState

Connections = QuerySet[EmailConnection]


class FolderInline(ReadOnlyInline):
    model = EmailFolderState
    fields = ("folder", "last_uid", "uidvalidity", "since", "updated_at")
    verbose_name_plural = "how far the folders have been read"
    ordering = ("folder",)


@admin.register(EmailConnection)
class EmailConnectionAdmin(KeptAdmin[EmailConnection]):
    """Owners and admins of a firm keep its mailboxes; secrets go in and never come out."""

    keepers = (Role.OWNER, Role.ADMIN)
    refusal = "only owners and admins of a firm may"
    noun = ("mailbox", "mailboxes")

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

    def save_kept(self, request: HttpRequest, row: EmailConnection, form: Any) -> None:
        services.save_connection(connection=row, secrets=form.secrets(), actor=who(request))

    @admin.action(description="Try again now", permissions=["change"])
    def try_again(self, request: HttpRequest, connections: Connections) -> None:
        self._act(request, connections, services.try_again, "will be read with the next run")

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, connections: Connections) -> None:
        switch = partial(services.switch_connection, on=True)
        self._act(request, connections, switch, "switched on")

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, connections: Connections) -> None:
        switch = partial(services.switch_connection, on=False)
        self._act(request, connections, switch, "switched off")

    def _act(
        self,
        request: HttpRequest,
        connections: Connections,
        service: Callable[..., object],
        done: str,
    ) -> None:
        act = partial(service, actor=who(request))
        self.press(request, connections, lambda one: act(connection=one), done)
