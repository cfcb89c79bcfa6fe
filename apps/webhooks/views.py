"""The addresses that providers call. Whoever has no signature learns nothing here.

No limit on how often: a provider sends in bursts, and an event that was turned away may
never come again. A refusal costs one look-up and one counted row.
"""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.webhooks import services
from apps.webhooks.services import Reason, Refused

# A made-up account and a made-up signature are answered alike.
ANSWERS = {
    Reason.UNKNOWN_ACCOUNT: 401,
    Reason.BAD_SIGNATURE: 401,
    Reason.STALE: 400,
    Reason.MALFORMED: 400,
    Reason.TOO_LARGE: 413,
}


@csrf_exempt
@require_POST
def inbox(request: HttpRequest, provider: str, key: UUID | None = None) -> HttpResponse:
    """Take in an event; 200 also for one that has been here before."""
    now = timezone.now()
    try:
        event = services.receive(
            provider=provider,
            key=key,
            raw=_body(request),
            path=request.get_full_path(),
            headers=request.headers,
            now=now,
        )
    except Refused as refused:
        services.count_refusal(provider=provider, reason=refused.reason, now=now)
        return _answer("Refused.", ANSWERS[refused.reason])
    if provider in ANSWERED:
        words = services.act_at_once(event=event) if event else ""
        return HttpResponse(ANSWERED[provider](words), content_type="text/xml; charset=utf-8")
    return _answer("Received.", 200)


def _twiml(words: str) -> str:
    """Return what Twilio reads: a text message to answer with, or none."""
    message = format_html("<Message>{}</Message>", words) if words else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'


# Who reads the answer: their events are acted on at once.
ANSWERED = {"twilio": _twiml}


def _body(request: HttpRequest) -> bytes:
    """Return the raw body; one that is announced as too large is not read at all.

    Django reads as much as was announced and no more: without a length, nothing.
    """
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        announced = 0
    if announced > services.MOST_BYTES:
        raise Refused(Reason.TOO_LARGE)
    if announced <= 0:  # below zero, Django's stream would have no end
        return b""
    try:
        return request.body
    except UnreadablePostError:  # the line went dead
        raise Refused(Reason.MALFORMED) from None


def _answer(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
