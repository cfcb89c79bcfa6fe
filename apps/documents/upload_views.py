"""The page behind an upload link: whoever knows its address may send files.

As on the page that signs there is neither cookie nor CSRF token: the address proves as much.
There is no script either. Several files go with one form; each stands alone, so what has
arrived stays when another is not taken, and what is sent twice is there once.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from django_ratelimit.core import is_ratelimited

from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.visitors import discreet
from apps.documents import services
from apps.documents.kinds import KINDS
from apps.documents.models import FileRequest, FileRequestItem, UploadLink
from apps.documents.uploads import largest, look_at, taken
from apps.integrations.storage import StorageError

RATE = "60/m"  # requests from one address
SENDING_RATE = "20/m"  # forms by one link
AROUND = 1_048_576  # bytes that a form may have beside its files


@discreet()
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest, token: str) -> HttpResponse:
    """Show somebody what they are asked to send and what has come, and take files."""
    if is_ratelimited(request, group="upload", key="ip", rate=RATE, increment=True):
        return too_fast(request)
    now = timezone.now()
    link = services.find_upload_link(token)
    if link is None:
        return nowhere(request)
    if not link.firm.is_active:
        return closed(request, link)
    if not link.works_at(now):
        return expired(request, link, now=now)
    if request.method == "POST":
        return take(request, link, now=now)
    return show(request, link, Sent())


# ---- what comes in --------------------------------------------------------------------------


@dataclass
class Sent:
    """What came of a form."""

    stored: int = 0
    down: bool = False  # the storage was; what came after that was not tried
    problem: str = ""  # of the form as a whole
    problems: dict[int, list[str]] = field(default_factory=dict)  # by item

    def fails(self, item: FileRequestItem, why: str) -> None:
        self.problems.setdefault(item.pk, []).append(why)

    @property
    def status(self) -> int:
        if self.down:
            return 503
        return 422 if self.problem or self.problems else 200


def take(request: HttpRequest, link: UploadLink, *, now: datetime) -> HttpResponse:
    """Store what a form brought, file by file, and show what came of each."""
    if is_ratelimited(
        request,
        group="upload-form",
        key=lambda group, request: link.token_hash,
        rate=SENDING_RATE,
        increment=True,
    ):
        return too_fast(request)
    most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
    if int(request.META.get("CONTENT_LENGTH") or 0) > most * largest() + AROUND:
        return too_much(request)
    try:
        files = request.FILES
    except SuspiciousOperation:  # more files or fields than anybody chose
        return too_much(request)
    except (MultiPartParserError, UnreadablePostError):
        return broken(request)
    sent, items = Sent(), _items(link)
    for name in files:
        item = items.get(name)
        if item is None:
            sent.problem = (
                "Something that you sent is not asked for any more: it was not stored."
            )
            continue
        for file in files.getlist(name):
            _take_one(file, item, sent, now=now)
    if not files:
        sent.problem = "No file was chosen."
    if sent.status == 200:
        return HttpResponseRedirect(f"{request.path}?stored={sent.stored}")
    return show(request, link, sent)


def _items(link: UploadLink) -> dict[str, FileRequestItem]:
    """Return what files may be sent for, by the name of its field: nobody else's."""
    return {
        f"item-{item.pk}": item
        for request in services.requests_behind(link)
        for item in request.items.all()
    }


def _take_one(
    file: "UploadedFile[bytes]", item: FileRequestItem, sent: Sent, *, now: datetime
) -> None:
    name = f"“{file.name}”"
    if sent.down:
        sent.fails(item, f"{name} was not stored. Please send it again later.")
        return
    try:
        found = look_at(file.file, name=file.name or "")  # type: ignore[arg-type]
        name = f"“{found.name}”"
        services.receive_file(item=item, upload=found, now=now)
    except services.ThereAlready:
        return
    except StorageError:
        sent.down = True
        sent.fails(
            item,
            f"{name} could not be stored just now, and nothing of it was kept. "
            "Please send it again in a few minutes.",
        )
    except Problem as problem:
        sent.fails(item, f"{name}: {problem}")
    else:
        sent.stored += 1


# ---- what people see ------------------------------------------------------------------------


def show(request: HttpRequest, link: UploadLink, sent: Sent) -> HttpResponse:
    """Show the page, with what could not be taken beside what it was sent for."""
    asked = services.requests_behind(link)
    if not asked:
        words = f"{link.firm} does not need any more files from you. {sent.problem}"
        return _notice(request, sent.status, "Nothing is asked for", words)
    stored = request.GET.get("stored", "")
    context = {
        "link": link,
        "asked": asked,
        "sent": sent,
        "complete": all(one.status == FileRequest.Status.FULFILLED for one in asked),
        "stored": sent.stored or (int(stored) if stored.isdecimal() and len(stored) < 3 else 0),
        "today": link.firm.today(Clock(timezone.now())),
        "zone": link.contact.zone_name(link.firm),
        "kinds": ", ".join(taken()),
        "accept": ",".join(
            suffix
            for kind in KINDS
            if kind.content_type in settings.UPLOAD_TYPES
            for suffix in kind.suffixes
        ),
        "most": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
        "mib": settings.UPLOAD_MAX_MIB,
    }
    return render(request, "documents/upload.html", context, status=sent.status)


def expired(request: HttpRequest, link: UploadLink, *, now: datetime) -> HttpResponse:
    """Offer a new link, which goes to the address that the firm knows."""
    if request.method == "POST":
        services.send_fresh_link(link=link, clock=Clock(now))
        return _notice(
            request,
            200,
            "Look into your mail",
            f"If {link.firm} is still waiting for files, a new link is on its way to the "
            "address that the old one was sent to. There is at most one on a day.",
        )
    context = {"link": link}
    return render(request, "documents/upload_expired.html", context, status=410)


def nowhere(request: HttpRequest) -> HttpResponse:
    return _notice(
        request,
        404,
        "This link leads nowhere",
        "Part of the address may be missing, or it is very old. Look for a newer message, or "
        "ask the sender for a new link.",
    )


def closed(request: HttpRequest, link: UploadLink) -> HttpResponse:
    return _notice(
        request,
        410,
        "Files are not taken at the moment",
        f"{link.firm} takes no files here now, and nothing was stored. Please ask them how to "
        "send what they need.",
    )


def too_much(request: HttpRequest) -> HttpResponse:
    most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
    return _notice(
        request,
        413,
        "That was too much at once",
        f"At most {most} files can be sent at a time, of at most {settings.UPLOAD_MAX_MIB} MiB "
        "each. Nothing was stored: go back, and send a few at a time.",
    )


def broken(request: HttpRequest) -> HttpResponse:
    return _notice(
        request,
        400,
        "The files did not arrive whole",
        "Nothing was stored. Please go back and send them again.",
    )


def too_fast(request: HttpRequest) -> HttpResponse:
    response = _notice(
        request, 429, "Too many requests", "Please wait a minute, then open your link again."
    )
    response["Retry-After"] = "60"
    return response


def _notice(request: HttpRequest, status: int, heading: str, text: str) -> HttpResponse:
    context = {"heading": heading, "text": text}
    return render(request, "documents/notice.html", context, status=status)
