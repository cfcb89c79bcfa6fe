"""What staff see of their directory, and what its owners may press."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.directory import services
from apps.directory.forms import ConnectionForm, GroupForm
from apps.directory.models import (
    PASSWORD,
    DirectoryConnection,
    DirectoryIdentity,
    MappedAttribute,
    MappedGroup,
)
from apps.firms.actions import press_with_reason, too_many
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    FirmScopedInline,
    ReadOnly,
    who,
)
from apps.firms.keeping import KeptAdmin

IDENTITIES = ("person", "people")

Connections = QuerySet[DirectoryConnection]


class AttributeInline(FirmScopedInline[MappedAttribute, DirectoryConnection]):
    model = MappedAttribute
    fields = ("field", "attribute", "is_authoritative")


class GroupInline(FirmScopedInline[MappedGroup, DirectoryConnection]):
    model = MappedGroup
    form = GroupForm
    fields = ("group_dn", "role")


@admin.register(DirectoryConnection)
class DirectoryConnectionAdmin(KeptAdmin[DirectoryConnection]):
    """Where a firm's people come from. Its owners decide: a group can give any role."""

    noun = ("directory", "directories")

    form = ConnectionForm
    list_display = (
        *("servers", "base_dn", "is_enabled", "last_sync_at", "last_full_sync_at", "problem"),
        "firm",
    )
    list_filter = (("firm", FirmFilter), "is_enabled")
    list_select_related = ("firm",)
    ordering = ("firm__name",)
    readonly_fields = (
        *("is_enabled", "held", "dc_host", "dc_invocation_id", "last_usn", "last_sync_at"),
        *("last_full_sync_at", "problem"),
    )
    inlines = (AttributeInline, GroupInline)
    actions = ("try_out", "enable", "disable", "read_again")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("firm", "is_enabled", "servers", "security", "certificate_name"),
                    *("authority", "bind_user", "held"),
                )
            },
        ),
        ("People", {"fields": ("base_dn", "person_filter", "default_role")}),
        (
            "Before many are deactivated",
            {"fields": ("deactivation_limit_percent", "deactivation_limit_least")},
        ),
        (
            "How far it has been read",
            {
                "fields": (
                    *("last_sync_at", "last_full_sync_at", "dc_host", "dc_invocation_id"),
                    *("last_usn", "problem"),
                )
            },
        ),
        (
            "New password",
            {
                "fields": (PASSWORD,),
                "description": "What is typed here replaces what is stored, and is never "
                "shown again. Left empty, it changes nothing.",
            },
        ),
    )

    @admin.display(description="password stored", boolean=True)
    def held(self, connection: DirectoryConnection) -> bool:
        return PASSWORD in connection.credentials

    def save_kept(self, request: HttpRequest, row: DirectoryConnection, form: Any) -> None:
        services.save_connection(
            connection=row,
            secrets=form.secrets(),
            changed=frozenset(form.changed_data),
            actor=who(request),
        )

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if change and any(formset.has_changed() for formset in formsets):
            services.read_again(connection=form.instance, actor=who(request))

    @admin.action(description="Try to sign in", permissions=["change"])
    def try_out(self, request: HttpRequest, connections: Connections) -> None:
        self._act(request, connections, _try, "can be read")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, connections: Connections) -> None:
        self._act(request, connections, services.enable_directory, "enabled")

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, connections: Connections) -> None:
        self._act(request, connections, services.disable_directory, "disabled")

    @admin.action(description="Read in full next time", permissions=["change"])
    def read_again(self, request: HttpRequest, connections: Connections) -> None:
        self._act(request, connections, services.read_again, "will be read in full")

    def _act(
        self,
        request: HttpRequest,
        connections: Connections,
        service: Callable[..., object],
        done: str,
    ) -> None:
        act = partial(service, actor=who(request))
        self.press(request, connections, lambda one: act(connection=one), done)


def _try(*, connection: DirectoryConnection, actor: object) -> None:
    services.try_connection(connection=connection)


@admin.register(DirectoryIdentity)
class DirectoryIdentityAdmin(ReadOnly, FirmScopedAdmin[DirectoryIdentity]):
    """Who of the firm's people is who in its directory."""

    list_display = (
        *("sam_account_name", "user", "state", "title", "deactivated_by_sync"),
        *("last_seen_at", "firm"),
    )
    list_filter = (("firm", FirmFilter), "state", "deactivated_by_sync")
    list_select_related = ("user", "firm")
    search_fields = ("sam_account_name", "upn", "=object_guid", "user__username")
    search_help_text = "An account or a name in the directory, or its objectGUID."
    ordering = ("sam_account_name", "pk")
    actions = ("unlink",)
    fields = (
        *("user", "sam_account_name", "upn", "dn", "title", "object_guid", "state"),
        *("account_expires_at", "deactivated_by_sync", "last_seen_at"),
    )

    @admin.action(description="Unlink", permissions=["press"])
    def unlink(
        self, request: HttpRequest, identities: "QuerySet[DirectoryIdentity]"
    ) -> TemplateResponse | None:
        if too_many(self, request, identities):
            return None
        now, actor = timezone.now(), who(request)
        return press_with_reason(
            self,
            request,
            identities.select_related("connection", "user"),
            lambda identity, reason: services.unlink_identity(
                identity=identity, actor=actor, reason=reason, now=now
            ),
            title="Unlink people from the directory",
            noun=IDENTITIES,
            done="unlinked",
            about=lambda identity: f"{identity.sam_account_name}: {identity.user}",
            warning="Their accounts stay. The next run reads the whole directory and links "
            "people by their addresses.",
        )
