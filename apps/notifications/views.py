"""The page behind the unsubscribe link (spec A10.5, RFC 8058), and everybody's inbox."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.core.visitors import discreet
from apps.firms.admin import who
from apps.notifications import services
from apps.notifications.models import Channel

_DIGITS = 18  # what fits a primary key


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


@discreet()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def inbox(request: HttpRequest) -> HttpResponse:
    """Show somebody's in-app messages; a press marks some or all of them as read."""
    user = who(request)
    if request.method == "POST":
        named = request.POST.getlist("read")[: services.SHOWN]
        keys = [int(key) for key in named if key.isdecimal() and len(key) <= _DIGITS]
        services.mark_read(user=user, deliveries=keys, now=timezone.now())
        return redirect("notifications:inbox")
    page = {"messages": services.inbox_of(user), "unread": services.count_unread(user)}
    return render(request, "notifications/inbox.html", page)
