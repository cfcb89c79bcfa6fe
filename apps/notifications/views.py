"""The page behind the unsubscribe link of optional messages (spec A10.5, RFC 8058)."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.core.visitors import discreet
from apps.notifications import services
from apps.notifications.models import Channel


@discreet()
@csrf_exempt  # mail programs post here for one click; the signed token is the permission
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask on GET, since link scanners open everything; act on POST only."""
    asked = services.read_unsubscribe_token(token)
    if asked is None:
        raise Http404
    done = request.method == "POST"
    if done:
        services.prefer(
            firm_id=asked.firm.pk,
            recipient_key=asked.recipient_key,
            channel=Channel.EMAIL,
            category=asked.category,
            wanted=False,
        )
    page = {"firm": asked.firm, "category": asked.category.label.lower(), "done": done}
    return render(request, "notifications/unsubscribe.html", page)
