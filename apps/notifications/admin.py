"""What staff see of the outbox, and the groups they write to."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from apps.contacts.models import Contact
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    ReadOnly,
    ReadOnlyInline,
    visible_firms,
    who,
)
from apps.firms.models import Membership
from apps.notifications import services
from apps.notifications.forms import GroupForm, WishForm
from apps.notifications.models import (
    Channel,
    Delivery,
    Notification,
    NotificationGroup,
    NotificationPreference,
    Suppression,
)
from apps.notifications.types import Category, registry


class DeliveryInline(ReadOnlyInline):
    model = Delivery
    fields = ("channel", "status", "attempts", "sent_at", "read_at", "reason")
    ordering = ("pk",)


@admin.register(Notification)
class NotificationAdmin(ReadOnly, FirmScopedAdmin[Notification]):
    list_display = ("created_at", "type", "recipient", "status", "firm")
    list_filter = (("firm", FirmFilter), "status", "type")
    list_select_related = ("firm", "recipient_contact", "recipient_user")
    search_fields = (
        *("recipient_contact__display_name", "recipient_user__username", "dedupe_key"),
    )
    search_help_text = "Whom it is for, or what it is about: rent-reminder:12"
    ordering = ("-pk",)
    inlines = (DeliveryInline,)
    fields = (
        *("type", "recipient", "status", "created_at", "not_before", "dedupe_key"),
        *("subject_type", "subject_id", "context", "emptied_at"),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Notification]":
        """Keep what the platform tells its operators about a firm from the firm's staff."""
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        works_there = Membership.objects.filter(
            firm=OuterRef("firm"), user=OuterRef("recipient_user"), is_active=True
        )
        ours = [type.name for type in registry().values() if type.from_platform]
        to_operators = Q(recipient_user__is_superuser=True, type__in=ours)
        to_its_own = Q(recipient_user=None) | Exists(works_there)
        return rows.filter(to_its_own).exclude(to_operators)

    @admin.display(description="recipient")
    def recipient(self, notification: Notification) -> str:
        return str(notification.recipient_contact or notification.recipient_user)


@admin.register(NotificationPreference)
class NotificationPreferenceAdmin(ReadOnly, FirmScopedAdmin[NotificationPreference]):
    """What people want; staff write down what they were told, and nobody changes a row."""

    list_display = ("recipient_key", "channel", "category", "wanted", "firm")
    list_filter = (("firm", FirmFilter), "channel", "wanted")
    list_select_related = ("firm",)
    search_fields = ("recipient_key",)
    search_help_text = "contact:12 or user:3"
    ordering = ("-pk",)
    fields = ("recipient_key", "channel", "category", "wanted", "created_at", "updated_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fields(
        self, request: HttpRequest, obj: NotificationPreference | None = None
    ) -> Any:
        return super().get_fields(request, obj) if obj else WishForm.ASKED

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj:
            return super().get_form(request, obj, change, **kwargs)
        theirs = Contact.objects.present().filter(firm__in=visible_firms(request))
        return type("OwnWishForm", (WishForm,), {"contacts": theirs})

    def save_model(
        self, request: HttpRequest, obj: NotificationPreference, form: Any, change: bool
    ) -> None:
        told = form.cleaned_data
        row = services.record_consent(
            contact=told["contact"],
            channel=Channel(told["channel"]),
            category=Category(told["category"]) if told["category"] else None,
            wanted=told["wanted"],
            how=told["how"],
            actor=who(request),
        )
        obj.pk, obj.recipient_key = row.pk, row.recipient_key


@admin.register(Suppression)
class SuppressionAdmin(ReadOnly, FirmScopedAdmin[Suppression]):
    list_display = ("created_at", "channel", "reason", "firm")
    list_filter = (("firm", FirmFilter), "channel", "reason")
    list_select_related = ("firm",)
    ordering = ("-pk",)
    fields = ("channel", "reason", "created_at")


@admin.register(NotificationGroup)
class NotificationGroupAdmin(FirmScopedAdmin[NotificationGroup]):
    list_display = ("name", "kind", "rule", "firm")
    list_filter = (("firm", FirmFilter), "kind")
    list_select_related = ("firm",)
    search_fields = ("name",)
    ordering = ("name", "pk")
    form = GroupForm
    autocomplete_fields = ("firm", "members")
    fields = ("firm", "name", "kind", "rule", "members")
