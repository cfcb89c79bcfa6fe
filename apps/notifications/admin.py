"""What staff see of the outbox, and the groups they write to."""

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline
from apps.firms.models import Membership
from apps.notifications.models import (
    Delivery,
    Notification,
    NotificationGroup,
    NotificationPreference,
    Suppression,
)
from apps.notifications.types import registry


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
    list_display = ("recipient_key", "channel", "category", "wanted", "firm")
    list_filter = (("firm", FirmFilter), "channel", "wanted")
    list_select_related = ("firm",)
    search_fields = ("recipient_key",)
    search_help_text = "contact:12 or user:3"
    ordering = ("-pk",)


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
    autocomplete_fields = ("firm", "members")
    fields = ("firm", "name", "kind", "rule", "members")
