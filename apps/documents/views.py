"""The page behind a signing link: whoever knows its address is the signer.

It sets no cookie and asks for none, so there is nothing that another site could borrow: to
post here one must know the address, which is all that a CSRF token would prove. Django's own
check cannot be used either: under ``Referrer-Policy: no-referrer`` browsers post with
``Origin: null``, and it refuses that.
"""

from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from django_ratelimit.core import is_ratelimited

from apps.core.visitors import discreet
from apps.documents import services
from apps.documents.forms import SigningForm
from apps.documents.models import SignatureRequest

# Requests from one address, of which the shared cache keeps a hash. It counts without a
# lock, so a burst may get a few more through: the limit saves our time, the 256 bits protect.
RATE = "60/m"

Status = SignatureRequest.Status


@discreet()
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def sign(request: HttpRequest, token: str) -> HttpResponse:
    """Show a document to its signer, and take the signature or the refusal."""
    if is_ratelimited(request, group="sign", key="ip", rate=RATE, increment=True):
        return too_fast(request)
    now = timezone.now()
    signature = services.find_by_token(token)
    if signature is None or signature.status == Status.REVOKED:
        return nowhere(request)
    if signature.status in {Status.SIGNED, Status.DECLINED}:
        return answered(request, signature, now=now)
    if not signature.works_at(now):
        return expired(request, signature)
    if not signature.document.is_intact():
        return changed(request, signature)
    if request.method == "POST":
        return take_answer(request, signature, now=now)
    if request.method == "GET":
        services.view(request=signature, now=now)
    form = SigningForm(initial={"shown": signature.document.sha256})
    return show(request, signature, form)


def take_answer(
    request: HttpRequest, signature: SignatureRequest, *, now: datetime
) -> HttpResponse:
    """Sign or decline, and go back to the page, which then tells what became of it."""
    form = SigningForm(request.POST)
    try:
        if "decline" in request.POST:
            services.decline(request=signature, now=now)
        elif not form.is_valid():
            return show(request, signature, form)
        elif form.cleaned_data["shown"] != signature.document.sha256:
            return changed(request, signature)
        else:
            services.sign(request=signature, name=form.cleaned_data["name"], now=now)
    except services.DocumentChanged:
        return changed(request, signature)
    except services.LinkClosed:
        pass  # something else was faster; the page says what
    return HttpResponseRedirect(request.path)


# ---- what people see ----------------------------------------------------------------------


def show(request: HttpRequest, signature: SignatureRequest, form: SigningForm) -> HttpResponse:
    context = {"signature": signature, "form": form, "zone": _zone(signature)}
    return render(request, "documents/sign.html", context)


def answered(
    request: HttpRequest, signature: SignatureRequest, *, now: datetime
) -> HttpResponse:
    context = {
        "signature": signature,
        "zone": _zone(signature),
        # Old mail lies around for years: the text is shown only while the link is young.
        "with_text": now < signature.token_expires_at and signature.document.is_intact(),
    }
    return render(request, f"documents/{signature.status}.html", context)


def expired(request: HttpRequest, signature: SignatureRequest) -> HttpResponse:
    return _notice(
        request,
        410,
        "This link has expired — request a new one",
        "Signing links work for a few days only. Reply to the message that brought you here, "
        f"or ask {signature.firm} to send it again. Nothing has been signed.",
    )


def nowhere(request: HttpRequest) -> HttpResponse:
    return _notice(
        request,
        404,
        "This link leads nowhere",
        "It may have been withdrawn or replaced by a newer one, or part of the address is "
        "missing. Look for a newer message, or ask the sender for a new link.",
    )


def changed(request: HttpRequest, signature: SignatureRequest) -> HttpResponse:
    return _notice(
        request,
        409,
        "This document has changed",
        "Its text is no longer the one that you were asked to sign, so nothing has been "
        f"signed. Please ask {signature.firm} what to do.",
    )


def too_fast(request: HttpRequest) -> HttpResponse:
    response = _notice(
        request,
        429,
        "Too many requests",
        "Please wait a minute, then open your link again.",
    )
    response["Retry-After"] = "60"
    return response


def _notice(request: HttpRequest, status: int, heading: str, text: str) -> HttpResponse:
    context = {"heading": heading, "text": text}
    return render(request, "documents/notice.html", context, status=status)


def _zone(signature: SignatureRequest) -> str:
    return signature.signer.zone_name(signature.firm)
