"""Documents, and who was asked to sign them."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from apps.core.problems import Problem
from apps.documents import services
from apps.documents.forms import UploadField
from apps.documents.models import Document, SignatureRequest
from apps.documents.uploading import file_with_form
from apps.documents.uploads import taken
from apps.firms.admin import FirmFilter, FirmScopedAdmin, FirmScopedForm, ReadOnlyInline
from apps.firms.models import User

State = Document.State
Status = SignatureRequest.Status
REQUIRED = "This field is required."


def _sender(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class SignatureInline(ReadOnlyInline):
    model = SignatureRequest
    fields = ("signer", "status", "token_created_at", "signed_at", "signed_name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("signer").order_by("pk")


class DocumentForm(FirmScopedForm[Document]):
    """A text, or a file: one of them, and a file only at the beginning."""

    file = UploadField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["file"]
        else:
            most = f"At most {settings.UPLOAD_MAX_MIB} MiB"
            self.fields["file"].help_text = f"Instead of a text. {most}: {', '.join(taken())}."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "text" in self.fields and "file" not in self.errors:
            text, file = cleaned.get("text"), cleaned.get("file")
            if text and file:
                self.add_error("file", "A document is either a text or a file.")
            elif not text and not file:
                asks = "Write a text, or choose a file." if "file" in self.fields else REQUIRED
                self.add_error("text", asks)
        return cleaned


@admin.register(Document)
class DocumentAdmin(FirmScopedAdmin[Document]):
    """Texts can be written until somebody is asked to sign them; files never change.

    Nothing is deleted here: retention and erasure know what has to be kept, and remove the
    file with the row.
    """

    form = DocumentForm
    list_display = ("title", "owner", "firm", "content", "state", "signatures", "created_at")
    list_filter = (("firm", FirmFilter), "state", "created_at")
    list_select_related = ("owner", "firm")
    search_fields = ("title", "file_name", "owner__display_name")
    ordering = ("-created_at", "-pk")
    autocomplete_fields = ("owner",)
    readonly_fields = (
        *("content", "size", "state", "sha256", "retention_anchor_on"),
        *("created_at", "updated_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        signed = Q(signature_requests__status=Status.SIGNED)
        return (
            super()
            .get_queryset(request)
            .annotate(
                asked=Count("signature_requests"),
                signed=Count("signature_requests", filter=signed),
            )
        )

    @admin.display(description="signed")
    def signatures(self, document: Document) -> str:
        asked = getattr(document, "asked", 0)
        return f"{getattr(document, 'signed', 0)} of {asked}" if asked else "—"

    @admin.display(description="content")
    def content(self, document: Document) -> str:
        """A link to the file, or what else it is."""
        if not document.is_file:
            return "Text" if document.text else "—"
        return download_link(document) if document.state == State.AVAILABLE else "File"

    @admin.display(description="size")
    def size(self, document: Document) -> str:
        return filesizeformat(document.size_bytes or 0)

    def get_fields(self, request: HttpRequest, obj: Document | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("firm", "title", "owner", "text", "file")
        what = ("content", "size") if obj.is_file else ("text",)
        return (
            *("firm", "title", "owner", *what, "state", "sha256", "retention_anchor_on"),
            *("created_at", "updated_at"),
        )

    def get_inlines(
        self, request: HttpRequest, obj: Document | None
    ) -> tuple[type[SignatureInline], ...]:
        return (SignatureInline,) if obj and not obj.is_file else ()

    def get_readonly_fields(
        self, request: HttpRequest, obj: Document | None = None
    ) -> tuple[str, ...]:
        if obj is None:
            return self.readonly_fields
        asked = getattr(obj, "asked", 0)
        return (*self.readonly_fields, "firm", *(("title", "text") if asked else ()))

    def has_change_permission(self, request: HttpRequest, obj: Document | None = None) -> bool:
        """What is on its way, or gone, is only looked at."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.state == State.AVAILABLE)

    def has_delete_permission(self, request: HttpRequest, obj: Document | None = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: Document, form: forms.ModelForm[Any], change: bool
    ) -> None:
        upload = form.cleaned_data.get("file")
        if upload is None:
            services.save_document(document=obj)
            return
        filed = file_with_form(
            self, request, upload, firm=obj.firm, title=obj.title, owner=obj.owner
        )
        obj.pk = filed.pk
        obj.refresh_from_db()

    # ---- downloads --------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        where = "<int:pk>/download/"
        view = self.admin_site.admin_view(self.download)
        return [path(where, view, name="documents_document_download"), *super().get_urls()]

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Lead who may see a document to its file, at an address that soon expires."""
        document = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_view_permission(request, document):
            raise PermissionDenied
        try:
            response = HttpResponseRedirect(services.link_to(document=document))
        except Problem as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return redirect("admin:documents_document_change", pk)
        response["Referrer-Policy"] = "no-referrer"
        return response


def download_link(document: Document) -> str:
    """Return a link to a document's file, for the admin of any app."""
    where = reverse("admin:documents_document_download", args=[document.pk])
    return format_html('<a href="{}">{}</a>', where, document.file_name)


class AskForm(FirmScopedForm[SignatureRequest]):
    """Whom to ask to sign what."""

    def clean_document(self) -> Document:
        document: Document = self.cleaned_data["document"]
        try:
            services.check_signable(document=document)
        except Problem as problem:
            raise forms.ValidationError(str(problem)) from None
        return document


@admin.register(SignatureRequest)
class SignatureRequestAdmin(FirmScopedAdmin[SignatureRequest]):
    """Who was asked to sign: people ask, ask again and revoke; nobody edits."""

    form = AskForm
    list_display = ("document", "signer", "state", "asked_at", "requested_by", "firm")
    list_filter = ("status", ("firm", FirmFilter), "token_created_at")
    list_select_related = ("document", "signer", "requested_by", "firm")
    search_fields = ("document__title", "signer__display_name", "signer__email")
    ordering = ("-token_created_at", "-pk")
    autocomplete_fields = ("document", "signer")
    actions = ("send_again", "revoke")

    def get_fields(
        self, request: HttpRequest, obj: SignatureRequest | None = None
    ) -> tuple[str, ...]:
        if obj is None:
            return ("document", "signer")
        return (
            *("firm", "document", "signer", "requested_by", "state", "generation"),
            *("token_created_at", "token_expires_at", "viewed_at", "declined_at"),
            *("expired_at", "signed_at", "signed_name", "signed_sha256"),
        )

    @admin.display(description="status", ordering="status")
    def state(self, request: SignatureRequest) -> str:
        """The status; a link past its end says so before the job has noted it."""
        if request.status in SignatureRequest.OPEN and not request.works_at(timezone.now()):
            return str(Status.EXPIRED.label)
        return request.get_status_display()

    @admin.display(description="asked at", ordering="token_created_at")
    def asked_at(self, request: SignatureRequest) -> datetime:
        return request.token_created_at

    def has_change_permission(
        self, request: HttpRequest, obj: SignatureRequest | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: SignatureRequest | None = None
    ) -> bool:
        return False

    def has_press_permission(self, request: HttpRequest) -> bool:
        """Whether a person may use the actions: Django's right to change requests."""
        return request.user.has_perm("documents.change_signaturerequest")

    def save_model(
        self,
        request: HttpRequest,
        obj: SignatureRequest,
        form: forms.ModelForm[Any],
        change: bool,
    ) -> None:
        asked, _ = services.request_signature(
            document=obj.document,
            signer=obj.signer,
            requested_by=_sender(request),
            now=timezone.now(),
        )
        obj.pk = asked.pk
        obj.refresh_from_db()

    @admin.action(description="Send again (the old link dies)", permissions=["press"])
    def send_again(self, request: HttpRequest, asked: QuerySet[SignatureRequest]) -> None:
        self._each(
            request,
            asked,
            lambda one: services.request_signature(
                document=one.document,
                signer=one.signer,
                requested_by=_sender(request),
                now=timezone.now(),
            ),
            "sent again",
        )

    @admin.action(description="Revoke the link", permissions=["press"])
    def revoke(self, request: HttpRequest, asked: QuerySet[SignatureRequest]) -> None:
        self._each(
            request,
            asked,
            lambda one: services.revoke(request=one, by=_sender(request), now=timezone.now()),
            "revoked",
        )

    def _each(
        self,
        request: HttpRequest,
        asked: QuerySet[SignatureRequest],
        act: Callable[[SignatureRequest], object],
        done: str,
    ) -> None:
        """Do something to each request, one transaction each, and say it in one sentence."""
        refused: Counter[str] = Counter()
        for one in asked:
            try:
                act(one)
            except Problem as problem:
                refused[str(problem).rstrip(".")] += 1
        count = len(asked) - refused.total()
        parts = [f"{count} link{'s' * (count != 1)} {done}"]
        parts += [f"{number} skipped: {why}" for why, number in refused.items()]
        level = messages.WARNING if refused else messages.SUCCESS
        self.message_user(request, ", ".join(parts) + ".", level)
