"""File requests: people ask, see what came, accept or refuse it, and remind."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join

from apps.core.days import Clock
from apps.documents import services
from apps.documents.admin.documents import download_link
from apps.documents.models import Document, FileRequest, FileRequestItem, ReceivedFile
from apps.firms.actions import press_each, press_with_reason, too_many
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    FirmScopedForm,
    ReadOnly,
    ReadOnlyInline,
    who,
)
from apps.firms.buttons import Buttons

State = ReceivedFile.State
REQUESTS = ("request", "requests")
FILES = ("file", "files")


class AskForm(FirmScopedForm[FileRequest]):
    """Whom to ask for what."""

    wanted = forms.CharField(
        label="Files",
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="One thing in each line. People may send several files for each.",
    )


def _arrived() -> QuerySet[ReceivedFile]:
    return ReceivedFile.objects.filter(document__state=Document.State.AVAILABLE)


class ItemInline(ReadOnlyInline):
    model = FileRequestItem
    verbose_name_plural = "what is asked for"
    fields = ("title", "came")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("pk").prefetch_related("files__document")

    @admin.display(description="what came")
    def came(self, item: FileRequestItem) -> str:
        """Each file, as a link to look at it by, and what was decided of it."""
        rows = [
            (download_link(file.document), file.get_state_display().lower(), file.reason)
            for file in sorted(item.files.all(), key=lambda file: file.pk)
            if file.document.state == Document.State.AVAILABLE
        ]
        lines = ((link, f"{state}: {why}" if why else state) for link, state, why in rows)
        return format_html_join("", "<div>{} ({})</div>", lines) if rows else "—"


@admin.register(FileRequest)
class FileRequestAdmin(Buttons[FileRequest], FirmScopedAdmin[FileRequest]):
    """Who was asked for which files: people ask, remind and cancel; nobody edits."""

    form = AskForm
    list_display = (
        *("title", "contact", "status", "files", "due_date", "reminder_count"),
        *("next_reminder_on", "requested_by", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status", "due_date", "asked_on")
    list_select_related = ("contact", "requested_by", "firm")
    search_fields = ("title", "contact__display_name", "contact__email")
    search_help_text = "A request's title, or whom it was sent to."
    ordering = ("-asked_on", "-pk")
    autocomplete_fields = ("contact",)
    actions = ("remind_now", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FileRequest]:
        came = Q(items__files__document__state=Document.State.AVAILABLE)
        waiting = came & Q(items__files__state=State.RECEIVED)
        return (
            super()
            .get_queryset(request)
            .annotate(
                came=Count("items__files", filter=came),
                waiting=Count("items__files", filter=waiting),
            )
        )

    def get_fields(
        self, request: HttpRequest, obj: FileRequest | None = None
    ) -> tuple[str, ...]:
        if obj is None:
            return ("contact", "title", "wanted", "note", "due_date", "remind_every_days")
        return (
            *("firm", "contact", "title", "note", "status", "requested_by", "asked_on"),
            *("due_date", "remind_every_days", "reminder_count", "last_reminder_on"),
            *("next_reminder_on", "fulfilled_at"),
        )

    def get_inlines(
        self, request: HttpRequest, obj: FileRequest | None
    ) -> tuple[type[ItemInline], ...]:
        return (ItemInline,) if obj else ()

    @admin.display(description="files")
    def files(self, request: FileRequest) -> str:
        """How many came, and how many of them somebody has to look at."""
        came, waiting = getattr(request, "came", 0), getattr(request, "waiting", 0)
        return f"{came}, {waiting} to look at" if waiting else str(came or "—")

    def buttons(self, row: FileRequest) -> tuple[str, ...]:
        return ("remind_now", "cancel") if row.status in FileRequest.OPEN else ()

    def ways(self, request: HttpRequest, row: FileRequest) -> list[tuple[str, str]]:
        if not _arrived().filter(item__request=row).exists():
            return []
        page = reverse("admin:documents_receivedfile_changelist")
        return [("Look at the files", f"{page}?item__request__id__exact={row.pk}")]

    def has_change_permission(
        self, request: HttpRequest, obj: FileRequest | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: FileRequest | None = None
    ) -> bool:
        return False

    def has_press_permission(self, request: HttpRequest) -> bool:
        """Whether a person may use the actions: Django's right to change requests."""
        return request.user.has_perm("documents.change_filerequest")

    def save_model(
        self, request: HttpRequest, obj: FileRequest, form: forms.ModelForm[Any], change: bool
    ) -> None:
        asked = services.request_files(
            contact=obj.contact,
            title=obj.title,
            items=form.cleaned_data["wanted"].splitlines(),
            note=obj.note,
            due_date=obj.due_date,
            remind_every_days=obj.remind_every_days,
            requested_by=who(request),
            clock=Clock(timezone.now()),
        )
        if not asked.contact.email:
            words = f"{asked.contact} has no e-mail address, so nobody was told of it."
            self.message_user(request, words, messages.WARNING)
        obj.pk = asked.pk
        obj.refresh_from_db()

    @admin.action(description="Remind now", permissions=["press"])
    def remind_now(self, request: HttpRequest, requests: QuerySet[FileRequest]) -> None:
        if not too_many(self, request, requests):
            clock, actor = Clock(timezone.now()), who(request)
            press_each(
                self,
                request,
                requests,
                lambda one: services.remind_now(request=one, actor=actor, clock=clock),
                noun=REQUESTS,
                done="reminded of",
            )

    @admin.action(description="Cancel", permissions=["press"])
    def cancel(
        self, request: HttpRequest, requests: QuerySet[FileRequest]
    ) -> TemplateResponse | None:
        now, actor = timezone.now(), who(request)
        return press_with_reason(
            self,
            request,
            requests,
            lambda one, reason: services.cancel_request(
                request=one, actor=actor, reason=reason, now=now
            ),
            title="Cancel requests",
            noun=REQUESTS,
            done="cancelled",
            about=_in_words,
            warning="Nothing more can be sent for them. What has come stays.",
        )


@admin.register(ReceivedFile)
class ReceivedFileAdmin(Buttons[ReceivedFile], ReadOnly, FirmScopedAdmin[ReceivedFile]):
    """What people have sent: to be looked at, accepted or refused."""

    list_display = ("item", "file", "contact", "state", "received_at", "firm")
    list_filter = (("firm", FirmFilter), "state", "received_at")
    list_select_related = ("document", "item__request__contact", "firm", "decided_by")
    search_fields = (
        *("document__file_name", "item__title", "item__request__title"),
        "item__request__contact__display_name",
    )
    search_help_text = "A file's name, what it was sent for, or by whom."
    ordering = ("-received_at", "-pk")
    actions = ("accept", "refuse")
    fields = (
        *("file", "size", "item", "request", "contact", "received_at", "state"),
        *("reason", "decided_by", "decided_at", "sha256"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReceivedFile]:
        arrived = Q(document__state=Document.State.AVAILABLE)
        return super().get_queryset(request).filter(arrived)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "item__request__id__exact" or super().lookup_allowed(
            lookup, value, request
        )

    @admin.display(description="file", ordering="document__file_name")
    def file(self, received: ReceivedFile) -> str:
        return download_link(received.document)

    @admin.display(description="size")
    def size(self, received: ReceivedFile) -> str:
        return filesizeformat(received.document.size_bytes or 0)

    @admin.display(description="request", ordering="item__request__title")
    def request(self, received: ReceivedFile) -> str:
        return str(received.item.request)

    @admin.display(description="from", ordering="item__request__contact__display_name")
    def contact(self, received: ReceivedFile) -> str:
        return str(received.item.request.contact)

    def buttons(self, row: ReceivedFile) -> tuple[str, ...]:
        return {State.RECEIVED: ("accept", "refuse"), State.ACCEPTED: ("refuse",)}.get(
            State(row.state), ()
        )

    @admin.action(description="Accept", permissions=["press"])
    def accept(self, request: HttpRequest, files: QuerySet[ReceivedFile]) -> None:
        if not too_many(self, request, files):
            now, actor = timezone.now(), who(request)
            press_each(
                self,
                request,
                files,
                lambda one: services.accept_file(file=one, actor=actor, now=now),
                noun=FILES,
                done="accepted",
            )

    @admin.action(description="Refuse", permissions=["press"])
    def refuse(
        self, request: HttpRequest, files: QuerySet[ReceivedFile]
    ) -> TemplateResponse | None:
        clock, actor = Clock(timezone.now()), who(request)
        return press_with_reason(
            self,
            request,
            files,
            lambda one, reason: services.refuse_file(
                file=one, actor=actor, reason=reason, clock=clock
            ),
            title="Refuse files",
            noun=FILES,
            done="refused",
            about=_sent_by,
            warning="Whoever sent them reads the reason, and is asked to send them again.",
        )


def _in_words(request: FileRequest) -> str:
    return f"{request} – {request.contact}"


def _sent_by(file: ReceivedFile) -> str:
    return f"{file} – {file.item.request.contact}"
