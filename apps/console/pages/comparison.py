"""What is different between a run and the one before it."""

from typing import Any

from django.http import Http404, HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.console.comparing import Difference, comparable_to, compare
from apps.console.items import Cursor
from apps.console.pages.run import find_run, rows_of
from apps.console.shell import Asking, page, show
from apps.core.problems import BadOption
from apps.jobs.models import JobRun


@page
@require_safe
def comparison(request: Asking, pk: int) -> HttpResponseBase:
    """Show a page of items that are new, changed or gone."""
    run = find_run(request, pk)
    before = _other(request, run)
    context: dict[str, Any] = {"run": run, "before": before}
    if before is not None:
        try:
            compared = compare(run, before, seen=request.rights.items_of)
        except BadOption as problem:
            raise Http404(str(problem)) from None
        wanted = request.GET.get("kind", "")
        kind = Difference(wanted) if wanted in Difference.values else Difference.NEW
        found = compared.page(kind, after=Cursor.read(request.GET.get("after", "")))
        context |= {
            "kind": kind,
            "kinds": Difference.choices,
            "page": found,
            "rows": rows_of(request, before if kind == Difference.GONE else run, found),
            "caveats": compared.caveats,
        }
    title = _("Run %(run)d compared") % {"run": run.pk}
    return show(request, "console/run_compare.html", title=title, **context)


def _other(request: Asking, run: JobRun) -> JobRun | None:
    """Return the run that the address names, or else the best one."""
    named = request.GET.get("with", "")
    if named.isdecimal() and len(named) < 19:
        return find_run(request, int(named))
    return comparable_to(run, request.rights.runs())
