"""The addresses of downloads from a local folder; S3 has its own."""

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from apps.core.visitors import discreet
from apps.integrations.storage import Missing
from apps.integrations.storage.folder import FolderStorage, read_link


@discreet()
@require_safe
def download(request: HttpRequest, token: str) -> HttpResponseBase:
    """Hand a file to whoever has its address; who may was asked when that was made.

    It is saved under its name and never shown, whatever it contains.
    """
    if settings.STORAGE["vendor"] != "folder":
        raise Http404
    try:
        key, file_name, content_type = read_link(token)
        file = FolderStorage(folder=settings.STORAGE["folder"]).open(key)
    except SignatureExpired:
        words = "This address has expired. Go back and open the file again."
        return HttpResponse(words, status=410, content_type="text/plain")
    except (BadSignature, Missing):
        raise Http404 from None
    response = FileResponse(
        file, as_attachment=True, filename=file_name, content_type=content_type
    )
    response["X-Content-Type-Options"] = "nosniff"
    return response
