"""What staff see of firms, and of the people who work there."""

from collections import Counter
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.firms.admin.scoping import (
    FirmFilter,
    FirmScopedAdmin,
    FirmScopedInline,
    visible_firms,
)
from apps.firms.models import (
    Firm,
    FirmSettings,
    LegalHold,
    Membership,
    MembershipRole,
    RetentionPolicy,
    Role,
    User,
)
from apps.firms.rights import in_charge


class FirmSettingsInline(admin.StackedInline[FirmSettings, Firm]):
    model = FirmSettings
    can_delete = False


@admin.register(Firm)
class FirmAdmin(FirmScopedAdmin[Firm]):
    list_display = ("name", "slug", "status", "timezone", "currency", "is_demo")
    list_filter = ("status", "is_demo")
    search_fields = ("name", "slug")
    ordering = ("name",)
    readonly_fields = ("is_active", "suspended_at", "created_at", "updated_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Firms are made by ``provision_firm``, with all that a firm needs."""
        return False

    def get_inlines(self, request: HttpRequest, obj: Firm | None) -> Any:
        """Staff find the settings on a page of their own: this one they cannot save."""
        return (FirmSettingsInline,) if self.has_change_permission(request, obj) else ()

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        FirmSettings.objects.get_or_create(firm=form.instance)


@admin.register(FirmSettings)
class FirmSettingsAdmin(FirmScopedAdmin[FirmSettings]):
    """How a firm wants its work done; made with the firm, and gone with it."""

    list_display = ("firm", "invoice_prefix", "net_days", "reminders_by_email")
    list_select_related = ("firm",)
    ordering = ("firm__name",)
    fields = (
        *("firm", "invoice_prefix", "net_days", "reply_to"),
        *("reminders_by_email", "reminders_by_sms", "reminders_in_app", "email_quiet_hours"),
        *("late_fee_on_separate_invoice", "auto_issue_package_invoices"),
        *("stale_deal_days", "stale_deals_ignore_plans"),
        *("file_request_days_before", "file_request_reminder_days"),
        *("file_request_days_after_asking", "file_requests_expire"),
        *("audit_retention_floor_days", "require_second_factor"),
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: FirmSettings | None = None
    ) -> bool:
        return False


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(FirmScopedAdmin[RetentionPolicy]):
    """How long a firm keeps its data: made with the firm, changed by its owners."""

    list_display = ("data_type", "retention_days", "action", "is_active", "firm")
    list_filter = (("firm", FirmFilter), "data_type")
    list_select_related = ("firm",)
    ordering = ("firm__name", "data_type")
    fields = ("firm", "data_type", "retention_days", "action", "is_active", "held")
    readonly_fields = ("data_type", "held")

    @admin.display(description="legal holds")
    def held(self, policy: RetentionPolicy) -> str:
        """What of the firm's data this policy leaves alone for now."""
        in_force = LegalHold.objects.filter(firm=policy.firm_id, released_at=None)
        found = Counter(in_force.values_list("subject_type", flat=True))
        if LegalHold.Subject.FIRM in found:
            return "The whole firm is held: nothing goes."
        nouns = [
            f"{found[kind]} {kind.label.removeprefix('a ')}{'s' if found[kind] > 1 else ''}"
            for kind in LegalHold.Subject
            if found[kind]
        ]
        return f"{', '.join(nouns)} held: nothing of theirs goes." if nouns else "None."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: RetentionPolicy | None = None
    ) -> bool:
        """Staff read it; how long data live is for the owners to say."""
        if obj is None or request.user.is_superuser:
            return super().has_change_permission(request, obj)
        owners = in_charge([obj.firm_id], roles=[Role.OWNER]).get(obj.firm_id, [])
        return request.user in owners and super().has_change_permission(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: RetentionPolicy | None = None
    ) -> bool:
        return False


class RoleInline(FirmScopedInline[MembershipRole, Membership]):
    model = MembershipRole
    fields = ("role",)


@admin.register(Membership)
class MembershipAdmin(FirmScopedAdmin[Membership]):
    list_display = ("user", "firm", "role_names", "is_active", "blocked_by")
    list_filter = (("firm", FirmFilter), "is_active", "roles__role")
    list_select_related = ("user", "firm")
    search_fields = ("user__username", "user__first_name", "user__last_name")
    autocomplete_fields = ("user", "firm")
    inlines = (RoleInline,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Membership]":
        return super().get_queryset(request).prefetch_related("roles")

    @admin.display(description="roles")
    def role_names(self, membership: Membership) -> str:
        return ", ".join(role.get_role_display() for role in membership.roles.all())


@admin.register(User)
class PersonAdmin(UserAdmin[User]):
    """People, for superusers: an account may belong to several firms."""

    list_display = ("username", "first_name", "last_name", "is_staff", "is_active")
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("Nightshift", {"fields": ("timezone", "must_change_password")}),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        """For autocompletion, staff see who works in their firms."""
        people = super().get_queryset(request)
        if request.user.is_superuser:
            return people
        return people.filter(memberships__firm__in=visible_firms(request)).distinct()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)
