"""One run: how it stands, what came of each item, and what may be done about it.

A dry run is shown here too, as a preview: with what is usual, and the way to apply it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Right
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.console import exports, services
from apps.console.confirming import Confirmation, blocked_by, needed
from apps.console.items import Cursor, Filter, Items, Page, choices_of, page_of
from apps.console.models import Verb
from apps.console.progress import progress_of
from apps.console.reasons import explain, reason_in_words
from apps.console.shell import Asking, page, press, show
from apps.console.signs import OUTCOMES
from apps.console.things import Things, kind_in_words
from apps.console.usual import Usual, usual_of
from apps.core.problems import BadOption
from apps.core.reports import Outcome
from apps.jobs.job import find
from apps.jobs.models import APPLICABLE, JobRun, JobRunLog
from apps.jobs.previews import to_apply

TAIL = 2_000  # characters of the log that the page shows
RELATED = 20  # runs that retry or apply this one
LIVE = "every 3s"  # how often a run that goes on is asked for


@page
@require_safe
def run(request: Asking, pk: int) -> HttpResponseBase:
    """Show a run, with the items that the filters in the address ask for."""
    one = find_run(request, pk)
    whole = request.rights.sees_whole(one)
    context: dict[str, Any] = {"run": one, "whole": whole, **_head(request, one, whole)}
    if request.htmx:
        return show(request, "", title="", part="console/run_head.html", **context)
    filters = Filter.read(request.GET)
    items = request.rights.items_of(one).select_related("firm")
    wanted = filters.on(items) if filters else items
    after = Cursor.read(request.GET.get("after", ""))
    found = page_of(items, wanted, after=after)
    context |= {
        "page": found,
        "rows": rows_of(request, one, found),
        "filters": filters,
        "query": filters.query,
        "after": after,
        "outcomes": [(o.value, OUTCOMES[o][2]) for o in Outcome],
        **_choices(one, items, filters),
    }
    if whole:
        context["log"] = _whole_lines(getattr(one, "log_tail", None) or "")
    kind = _("Preview") if one.dry_run else _("Run")
    title = f"{kind} {one.pk}: {one.job}"
    return show(request, "console/run.html", title=title, **context)


@page
@require_safe
def items(request: Asking, pk: int, kind: str) -> HttpResponseBase:
    """Send the items that the filters ask for as a file."""
    if kind not in {"csv", "json"}:
        raise Http404("There is no such kind of file.")
    one = find_run(request, pk)
    wanted = Filter.read(request.GET).on(request.rights.items_of(one))
    write = exports.as_csv if kind == "csv" else exports.as_json
    content = "text/csv" if kind == "csv" else "application/json"
    answer = StreamingHttpResponse(write(one, wanted), content_type=f"{content}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{one.job}-{one.pk}.{kind}"'
    return answer


@page
@require_safe
def log(request: Asking, pk: int) -> HttpResponseBase:
    """Show what was logged while a run went on, to whoever may see all of it."""
    one = find_run(request, pk)
    if not request.rights.sees_whole(one):
        raise Http404("The log speaks of every firm.")
    kept = JobRunLog.objects.filter(run=one).first()
    return show(
        request,
        "console/run_log.html",
        title=_("Log of run %(run)d") % {"run": one.pk},
        run=one,
        text=kept.text if kept else "",
    )


# ---- verbs ----------------------------------------------------------------------------------


@page
@require_POST
def cancel(request: Asking, pk: int) -> HttpResponse:
    one = find_run(request, pk)

    def act() -> str:
        if services.cancel(one, caller=request.caller):
            return _("Run %(run)d was asked to stop after its current item.") % {"run": one.pk}
        text = _("Run %(run)d is over, or was asked to stop already.")
        raise BadOption(text % {"run": one.pk})

    return press(request, act, back=address_of(one))


@page
@require_POST
def retry(request: Asking, pk: int) -> HttpResponse:
    one = find_run(request, pk)
    return press_for_run(
        request,
        lambda: services.retry(one, caller=request.caller),
        _("Run %(run)d waits to take up what failed here."),
        back=address_of(one),
    )


@page
@require_POST
def again(request: Asking, pk: int) -> HttpResponse:
    """Make a preview again, with the same arguments: what it would do now."""
    one = find_run(request, pk)
    request.rights.demand_on(Verb.PREVIEW, one)

    def start() -> JobRun:
        if not one.dry_run:
            raise BadOption(_("Run %(run)d is no preview.") % {"run": one.pk})
        return services.start(find(one.job), one.arguments, caller=request.caller)

    said = _("Preview %(run)d waits in the queue.")
    return press_for_run(request, start, said, back=address_of(one))


# ---- what pages of runs share -------------------------------------------------------------


def find_run(request: Asking, pk: int) -> JobRun:
    """Return a run of which whoever asks may see something, and as ``log_tail`` its log's end.

    Raises ``Http404``.
    """
    related = ("started_by", "cancel_requested_by", "preview", "retry_of")
    tail = Right("log__text", TAIL, output_field=CharField())
    runs: QuerySet[Any] = request.rights.runs().select_related(*related)
    found: JobRun | None = runs.annotate(log_tail=tail).filter(pk=pk).first()
    if found is None:
        raise Http404("No such run.")
    return found


def address_of(run: JobRun) -> str:
    return reverse("console:run", args=[run.pk])


def press_for_run(
    request: Asking, make: Callable[[], JobRun], said: str, *, back: str
) -> HttpResponse:
    """Carry out a verb that queues a run, and go to that run; or back, with why not."""
    made: list[JobRun] = []

    def act() -> str:
        made.append(make())
        return said % {"run": made[0].pk}

    return press(request, act, back=lambda: address_of(made[0]) if made else back)


def rows_of(request: Asking, run: JobRun, found: Page) -> list[dict[str, Any]]:
    """Return a page's items with their words, and the links that this person may follow."""
    things = Things(request)
    return [
        {
            "item": item,
            "kind": kind_in_words(item.subject_kind),
            "address": things.address(item),
            "why": explain(item, run),
        }
        for item in found.items
    ]


# ---- inside --------------------------------------------------------------------------------


def _head(request: Asking, run: JobRun, whole: bool) -> dict[str, Any]:
    """Return what is said of a run above its items; it alone is asked for while it goes on."""
    may = {
        "cancel": run.state in JobRun.UNDER_WAY and request.rights.may_on(Verb.RUN, run),
        "retry": False,
    }
    head: dict[str, Any] = {"may": may, "live": LIVE if run.state in JobRun.UNDER_WAY else ""}
    if not whole:
        return head
    related = list(
        JobRun.objects.filter(Q(retry_of=run) | Q(preview=run)).order_by("-pk")[:RELATED]
    )
    head["retries"] = [each for each in related if each.retry_of_id == run.pk]
    head["applications"] = [each for each in related if each.preview_id == run.pk]
    head["counts"] = [
        (outcome.value, getattr(run, outcome)) for outcome in Outcome if getattr(run, outcome)
    ]
    if run.state == JobRun.State.RUNNING:
        head["progress"] = progress_of(run, now=timezone.now())
    waiting = any(each.state in JobRun.UNDER_WAY for each in head["retries"])
    may["retry"] = (
        bool(run.failed and run.ended_at)
        and not (run.dry_run or waiting)
        and request.rights.may_on(Verb.RUN, run)
    )
    if run.dry_run:
        head |= _preview(request, run)
    return head


def _preview(request: Asking, run: JobRun) -> dict[str, Any]:
    """Return what is said of a preview: what is usual, what stops it, how to apply it."""
    usual = usual_of(run) if run.ended_at else None
    facts: dict[str, Any] = {
        "usual": usual,
        "blocked": blocked_by(run),
        "until": until_when(run),
        "may_again": bool(run.ended_at) and request.rights.may_on(Verb.PREVIEW, run),
    }
    if why := why_not_applied(request, run):
        return facts | {"why_not": why}
    return facts | {"confirmation": needed(run, usual, harm=find(run.job).harm)}


def why_not_applied(request: Asking, run: JobRun) -> str:
    """Say why a preview cannot be applied; empty when it can."""
    try:
        to_apply(run)
    except BadOption as problem:
        return str(problem)
    if not run.done:
        return _("There is nothing to apply: it would do nothing.")
    if not request.rights.may_on(Verb.APPROVE, run):
        return _("You may look at this preview, but not apply it.")
    return ""


def until_when(run: JobRun) -> datetime | None:
    """Return until when a preview may be applied."""
    return run.ended_at + APPLICABLE if run.ended_at else None


def confirmation_of(run: JobRun) -> tuple[Confirmation, Usual | None]:
    """Return what applying a preview must be confirmed with, and what is usual."""
    usual = usual_of(run)
    return needed(run, usual, harm=find(run.job).harm), usual


def _choices(run: JobRun, items: Items, filters: Filter) -> dict[str, Any]:
    """Return what the filters offer; what is chosen is always among it."""
    found = choices_of(items)
    codes = sorted({*found.reasons, *filter(None, [filters.reason])})
    return {
        "reasons": [(code, reason_in_words(code, run.job)) for code in codes],
        "firms": [(str(firm.pk), firm.name) for firm in found.firms],
    }


def _whole_lines(tail: str) -> str:
    """Return the end of a log without the line that was cut in two."""
    return tail.partition("\n")[2] if len(tail) == TAIL else tail
