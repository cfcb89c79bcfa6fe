"""Why: type a number, a name or a mail address, and read what the jobs decided, and why."""

from urllib.parse import urlencode

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.console.shell import Asking, page, show
from apps.console.why import answers, find, headline, only_match, open_thing
from apps.core.days import Clock, zone
from apps.core.finding import MOST

TEMPLATE = "console/why.html"


@page
@require_safe
def why(request: Asking) -> HttpResponseBase:
    """Look for what was typed; with one match, show what the jobs say about it."""
    typed = request.GET.get("q", "").strip()
    kind, _colon, key = request.GET.get("thing", "").partition(":")
    title = _("Why?")
    if kind:
        thing = open_thing(kind, key, rights=request.rights)
        if thing is None:
            return show(request, TEMPLATE, title=title, typed=typed, is_missing=True)
        told = answers(thing, rights=request.rights, clock=Clock.read())
        return show(
            request,
            TEMPLATE,
            title=f"{title} {thing.found.label}",
            typed=typed or thing.found.label,
            thing=thing,
            answers=told,
            headline=headline(thing, told),
            zone=zone(thing.zone),
        )
    if not typed:
        return show(request, TEMPLATE, title=title, typed="")
    found = find(typed, rights=request.rights)
    if meant := only_match(found):
        # An address of its own, so that it can be kept and sent to a colleague.
        query = urlencode({"q": typed, "thing": f"{meant.kind}:{meant.key}"})
        return redirect(f"{reverse('console:why')}?{query}")
    return show(
        request,
        TEMPLATE,
        title=title,
        typed=typed,
        found=found[:MOST],
        is_cut=len(found) > MOST,
        is_missing=not found,
    )
