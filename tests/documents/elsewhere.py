"""The admin of another app whose rows point to documents: leases, and their agreements."""

from typing import Any

from django.contrib.admin import AdminSite
from django.urls import path

from apps.documents.forms import UploadField
from apps.documents.models import Document
from apps.documents.uploading import UploadingAdmin
from apps.firms.admin import FirmScopedAdmin, FirmScopedForm
from apps.leasing.models import Lease
from project.urls import urlpatterns as project


class AgreementForm(FirmScopedForm[Lease]):
    file = UploadField(required=False)


class AgreementAdmin(UploadingAdmin, FirmScopedAdmin[Lease]):
    form, upload, filed_as = AgreementForm, "file", "agreement"
    fields = ("due_day", "file")

    def log_change(self, request: Any, obj: Lease, message: Any) -> Any:
        """Fail, when a test says so, after the row was saved."""
        if obj.due_day == 13:
            raise RuntimeError("the rest of the form could not be saved")
        return super().log_change(request, obj, message)


site = AdminSite("elsewhere")
site.register(Lease, AgreementAdmin)
site.register(Document, FirmScopedAdmin)
urlpatterns = [path("elsewhere/", site.urls), *project]
