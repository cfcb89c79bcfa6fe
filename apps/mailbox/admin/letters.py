"""What staff see of letters, as they came to a mailbox."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.documents.admin import download_link
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, ReadOnlyInline
from apps.mailbox.models import EmailAttachment, EmailMessage


class AttachmentInline(ReadOnlyInline):
    model = EmailAttachment
    fields = ("file", "content_type", "size")
    ordering = ("position",)

    @admin.display(description="file")
    def file(self, attachment: EmailAttachment) -> str:
        if attachment.document is None:
            return attachment.name
        return download_link(attachment.document)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("document")


@admin.register(EmailMessage)
class EmailMessageAdmin(ReadOnly, FirmScopedAdmin[EmailMessage]):
    """Letters as they came to a mailbox."""

    list_display = (
        *("received_at", "subject", "sender", "mailbox", "state", "is_auto", "ticket", "firm"),
    )
    list_display_links = ("received_at", "subject")
    list_filter = (("firm", FirmFilter), "state", "is_auto", "received_at")
    list_select_related = ("connection", "entry__ticket", "firm", "raw")
    search_fields = ("subject", "sender_email", "=message_id", "connection__name")
    search_help_text = "A subject, a sender's address, a message id, or a mailbox."
    ordering = ("-received_at", "-pk")
    inlines = (AttachmentInline,)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("subject", "sender", "recipients", "copies", "received_at"),
                    *("header_date", "state", "problem", "is_auto", "ticket", "raw_copy"),
                )
            },
        ),
        ("Text", {"fields": ("text",)}),
        (
            "In the mailbox",
            {
                "fields": (
                    *("mailbox", "folder", "uidvalidity", "uid", "size", "message_id"),
                    "in_reply_to",
                ),
            },
        ),
    )

    @admin.display(description="from", ordering="sender_email")
    def sender(self, message: EmailMessage) -> str:
        return message.sender

    @admin.display(description="to")
    def recipients(self, message: EmailMessage) -> str:
        return ", ".join(message.to)

    @admin.display(description="cc")
    def copies(self, message: EmailMessage) -> str:
        return ", ".join(message.cc)

    @admin.display(description="mailbox", ordering="connection__name")
    def mailbox(self, message: EmailMessage) -> str:
        return str(message.connection)

    @admin.display(description="ticket")
    def ticket(self, message: EmailMessage) -> str:
        return str(message.entry.ticket) if message.entry else ""

    @admin.display(description="raw copy")
    def raw_copy(self, message: EmailMessage) -> str:
        return download_link(message.raw) if message.raw else "none"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[EmailMessage]":
        return super().get_queryset(request).defer("html", "references")
