"""What every page of the console has in common: the door, the frame and the answer.

A page is a function ``page(request, …)`` decorated with ``page``: it is inside the admin's
door (sign-in, second factor, no caching, CSRF), whoever asks has something to see here, and
``request.rights`` says what. A verb is a page that is posted to and ends in ``redirect``.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django_htmx.middleware import HtmxDetails

from apps.console.rights import Rights
from apps.console.services import Caller
from apps.core.problems import Problem
from apps.core.visitors import address
from apps.firms.models import User

P = ParamSpec("P")

# What stands at the top of each page, in the order of an operator's morning.
NAVIGATION = (
    ("console:today", _("Today")),
    ("console:calendar", _("Calendar")),
    ("console:jobs", _("Jobs")),
    ("console:why", _("Why?")),
)


class Asking(HttpRequest):
    """A request that has come through the console's door."""

    user: User
    rights: Rights
    caller: Caller
    htmx: HtmxDetails


Page = Callable[Concatenate[Asking, P], HttpResponseBase]


def page(view: "Page[P]") -> Callable[..., HttpResponseBase]:
    """Let in who may see something of the console, and tell the page what that is."""

    @wraps(view)
    def answer(request: Any, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        request.caller = Caller(request.user, address(request))
        request.rights = request.caller.rights
        if not request.rights.any:
            raise PermissionDenied("No grant for the console.")
        return view(request, *args, **kwargs)

    door: Callable[..., HttpResponseBase] = admin.site.admin_view(answer)
    return door


def show(
    request: Asking, template: str, *, title: str, status: int = 200, **context: Any
) -> TemplateResponse:
    """Answer with a page in the admin's frame.

    With ``part``, the name of a template, htmx is sent that one alone: a live part of the page.
    """
    if (part := context.pop("part", "")) and request.htmx:
        return TemplateResponse(request, part, {"rights": request.rights, **context})
    # Not ``each_context``: for a list of the admin's pages, which is not shown here, it asks
    # for the rights on every one of them.
    frame = {
        "site_title": admin.site.site_title,
        "site_header": admin.site.site_header,
        "site_url": admin.site.site_url,
        "has_permission": True,
        "is_popup": False,
        "is_nav_sidebar_enabled": False,
        "title": title,
        "rights": request.rights,
        "navigation": NAVIGATION,
    }
    return TemplateResponse(request, template, {**frame, **context}, status=status)


def press(
    request: Asking,
    act: Callable[[], str],
    *,
    back: str | Callable[[], str],
) -> HttpResponse:
    """Carry out one verb, say its sentence (or why not) on the page that comes next.

    ``act`` returns the sentence; what it raises as ``Problem`` is the other one. Where to go
    then may hang on what came of it.
    """
    try:
        messages.success(request, act())
    except Problem as problem:
        messages.error(request, str(problem))
    return redirect(back() if callable(back) else back)
