"""Files that come with a form of the admin, for the admin of any app above.

    class ComplianceForm(FirmScopedForm[ComplianceDocument]):
        file = UploadField(required=False)

    class ComplianceDocumentAdmin(UploadingAdmin, FirmScopedAdmin[ComplianceDocument]):
        form, upload, filed_as = ComplianceForm, "file", "document"

The admin saves a form within a transaction, so the document is written down there and its
file is sent after the commit (spec A5.4).
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone

from apps.contacts.models import Contact
from apps.core.later import after_commit
from apps.core.problems import Problem
from apps.documents.models import Document
from apps.documents.services import begin_upload, finish_upload
from apps.documents.uploads import Upload
from apps.firms.admin import who
from apps.firms.models import Firm


class UploadingAdmin:
    """Files what the form's ``UploadField`` took as a document that the row points to."""

    upload = "file"  # the form's field
    filed_as = "document"  # the row's foreign key

    def title_of(self, row: Any, upload: Upload) -> str:
        """Return what the document is called."""
        return upload.name

    def owner_of(self, row: Any) -> Contact | None:
        """Return whose document it is, if it is anybody's."""
        return None

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if upload := form.cleaned_data.get(self.upload):
            title, owner = self.title_of(obj, upload), self.owner_of(obj)
            document = file_with_form(
                self, request, upload, firm=obj.firm, title=title, owner=owner
            )
            setattr(obj, self.filed_as, document)
        super().save_model(request, obj, form, change)  # type: ignore[misc]


def file_with_form(
    page: Any,
    request: HttpRequest,
    upload: Upload,
    *,
    firm: Firm,
    title: str,
    owner: Contact | None,
) -> Document:
    """File an upload as a document whose file is sent after the commit.

    When the storage does not take it, the person is told, and the document stays unfinished.
    """
    now = timezone.now()
    document = begin_upload(firm=firm, upload=upload, title=title, owner=owner, now=now)

    def send() -> None:
        try:
            finish_upload(document=document, upload=upload, actor=who(request), now=now)
        except Problem as problem:
            text = f"But its file was not stored, so please send it again: {problem}"
            page.message_user(request, text, messages.ERROR)

    after_commit(send)
    return document
