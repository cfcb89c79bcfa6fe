"""Applying a preview exactly, after as much confirmation as the harm asks for."""

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.console import services
from apps.console.confirming import check
from apps.console.models import Verb
from apps.console.pages.run import (
    address_of,
    confirmation_of,
    find_run,
    press_for_run,
    until_when,
    why_not_applied,
)
from apps.console.shell import Asking, page, show
from apps.jobs.models import JobRun


@page
@require_safe
def confirm(request: Asking, pk: int) -> HttpResponseBase:
    """Ask for what confirms that a preview is to be applied, beside its totals."""
    preview = find_run(request, pk)
    request.rights.demand_on(Verb.APPROVE, preview)
    if why_not_applied(request, preview):
        return redirect(address_of(preview))  # which says why
    asked, usual = confirmation_of(preview)
    return show(
        request,
        "console/run_apply.html",
        title=_("Apply preview %(run)d of %(job)s") % {"run": preview.pk, "job": preview.job},
        run=preview,
        asked=asked,
        usual=usual,
        until=until_when(preview),
    )


@page
@require_POST
def apply(request: Asking, pk: int) -> HttpResponse:
    """Queue the run that does exactly what the preview showed."""
    preview = find_run(request, pk)
    request.rights.demand_on(Verb.APPROVE, preview)

    def queue() -> JobRun:
        asked, _usual = confirmation_of(preview)
        check(asked, preview, request.POST)
        return services.apply(preview, caller=request.caller)

    # Which leads on to the preview when that cannot be applied at all.
    back = reverse("console:run-apply-confirm", args=[preview.pk])
    said = _("Run %(run)d waits to do exactly what the preview showed.")
    return press_for_run(request, queue, said, back=back)
