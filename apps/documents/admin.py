"""What staff see and press: documents, and who was asked to sign them."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.core.problems import Problem
from apps.documents import services
from apps.documents.models import Document, SignatureRequest
from apps.firms.admin import FirmFilter, FirmScopedAdmin, FirmScopedForm, ReadOnlyInline
from apps.firms.models import User

Status = SignatureRequest.Status


def _sender(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class SignatureInline(ReadOnlyInline):
    model = SignatureRequest
    fields = ("signer", "status", "token_created_at", "signed_at", "signed_name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("signer").order_by("pk")


@admin.register(Document)
class DocumentAdmin(FirmScopedAdmin[Document]):
    """Documents can be written until somebody is asked to sign them."""

    list_display = ("title", "owner", "firm", "signatures", "created_at")
    list_filter = (("firm", FirmFilter), "created_at")
    list_select_related = ("owner", "firm")
    search_fields = ("title", "owner__display_name")
    ordering = ("-created_at", "-pk")
    autocomplete_fields = ("owner",)
    fields = ("firm", "title", "owner", "text", "sha256", "created_at", "updated_at")
    readonly_fields = ("sha256", "created_at", "updated_at")

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

    def get_inlines(
        self, request: HttpRequest, obj: Document | None
    ) -> tuple[type[SignatureInline], ...]:
        return (SignatureInline,) if obj else ()

    def get_readonly_fields(
        self, request: HttpRequest, obj: Document | None = None
    ) -> tuple[str, ...]:
        if obj is None:
            return self.readonly_fields
        asked = getattr(obj, "asked", 0)
        return (*self.readonly_fields, "firm", *(("title", "text") if asked else ()))

    def save_model(
        self, request: HttpRequest, obj: Document, form: forms.ModelForm[Any], change: bool
    ) -> None:
        services.save_document(document=obj)


class AskForm(FirmScopedForm[SignatureRequest]):
    """Whom to ask to sign what."""

    def clean_document(self) -> Document:
        document: Document = self.cleaned_data["document"]
        if not document.is_intact():
            raise forms.ValidationError("The text is not the one it was filed with.")
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
