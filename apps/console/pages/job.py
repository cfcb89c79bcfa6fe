"""Job: what one job does, when, how its runs went; and every verb that starts or stops it."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.console import services
from apps.console.forms import PauseForm, StartForm, first_firm_option
from apps.console.models import Verb
from apps.console.pages.jobs import gate_in_words
from apps.console.rights import Rights
from apps.console.shell import Asking, page, press, show
from apps.console.signs import TONES
from apps.core import days
from apps.core.problems import BadOption
from apps.firms.models import Firm
from apps.jobs.job import Job, find
from apps.jobs.models import JobPause, JobRun
from apps.jobs.timetable import Timing, next_acting, next_due, timings

RUNS = 60  # in the picture
FIRMS = 20  # whose next time is shown at once
BAR, GAP, TALL = 10, 4, 80  # pixels


@dataclass(frozen=True, slots=True)
class Bar:
    """One run in the picture: as tall as it took long."""

    run: JobRun
    x: int
    y: float
    height: float
    tone: str

    @property
    def leads(self) -> bool:
        return self.tone in {"bad", "warn"}


@dataclass(frozen=True, slots=True)
class NextTime:
    """When a job acts for a firm, in the firm's own zone."""

    firm: Firm
    zone: Any
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Powers:
    """Which buttons a person has on a job."""

    run: bool
    preview: bool
    pause: bool


# ---- the page -------------------------------------------------------------------------------


@page
@require_safe
def job(request: Asking, name: str) -> HttpResponseBase:
    """Show one job."""
    return _show(request, _job(request, name))


def _job(request: Asking, name: str) -> Job:
    """Return a job that the person may see; to others there is none of that name."""
    try:
        found = find(name)
    except BadOption:
        raise Http404("There is no such job.") from None
    if found.name != name or not request.rights.may_somewhere(Verb.VIEW, name):
        raise Http404("There is no such job.")
    return found


def _show(
    request: Asking,
    job: Job,
    *,
    start: StartForm | None = None,
    pause: PauseForm | None = None,
    status: int = 200,
) -> HttpResponse:
    rights, now = request.rights, timezone.now()
    own = [t for t in timings() if t.job.name == job.name]
    held = (
        JobPause.objects.in_force(now).select_related("paused_by").filter(job=job.name).first()
    )
    runs = rights.runs().filter(job=job.name, dry_run=False).order_by("-started_at", "-pk")
    newest = list(runs[:RUNS])
    powers = powers_on(job, rights)
    first, *paragraphs = docstring(job)
    return show(
        request,
        "console/job.html",
        title=job.name,
        job=job,
        summary=first,
        paragraphs=paragraphs,
        schedules=[(t, t.in_words, gate_in_words(t), _admin_page(t, rights)) for t in own],
        pause=held,
        pause_seen=held if rights.may(Verb.VIEW, job.name) else None,
        next_at=next_due(own, held, after=now),
        firms=_next_times(request, own, held, now=now),
        bars=bars(newest[::-1]),
        runs=newest,
        picture=(max(len(newest), 1) * (BAR + GAP), TALL),
        powers=powers,
        start=start or StartForm(job, rights=rights) if powers.run or powers.preview else None,
        pausing=pause or PauseForm() if powers.pause else None,
        status=status,
    )


def powers_on(job: Job, rights: Rights) -> Powers:
    """Return what a person may do to a job for somebody at least.

    A grant for some firms is good only for a job that can be confined to one.
    """
    confinable = bool(first_firm_option(job))

    def may(verb: Verb) -> bool:
        return rights.may(verb, job.name) or (
            confinable and rights.may_somewhere(verb, job.name)
        )

    return Powers(
        run=may(Verb.RUN),
        preview=job.previews and may(Verb.PREVIEW),
        pause=rights.may(Verb.PAUSE, job.name),
    )


def docstring(job: Job) -> list[SafeString]:
    """Return what a job says of itself, in paragraphs, what stands in backticks as code."""
    text = inspect.getdoc(job.service) or job.name
    return [
        mark_safe(re.sub(r"(`+)(.+?)\1", r"<code>\2</code>", escape(part)))  # noqa: S308
        for part in re.split(r"\n\s*\n", text.strip())
    ]


def bars(runs: Sequence[JobRun]) -> list[Bar]:
    """Return the picture of some runs, oldest first."""
    lengths = [run.took.total_seconds() if run.took else 0.0 for run in runs]
    longest = max([*lengths, 0.001])
    drawn = []
    for number, (run, seconds) in enumerate(zip(runs, lengths, strict=True)):
        height = round(max(seconds / longest * (TALL - 4), 4), 1)
        tone = TONES[run.state]
        drawn.append(Bar(run, number * (BAR + GAP), round(TALL - height, 1), height, tone))
    return drawn


def _admin_page(timing: Timing, rights: Rights) -> str:
    if not rights.everything:
        return ""
    return reverse("admin:django_q_schedule_change", args=[timing.row.pk])


# ---- next times -----------------------------------------------------------------------------


def _next_times(
    request: Asking, own: Sequence[Timing], held: JobPause | None, *, now: datetime
) -> dict[str, Any]:
    """Return when the job acts next for the firms of a page of the list."""
    sought = request.GET.get("firm", "").strip()[:100]
    after, _sign, key = request.GET.get("after", "").rpartition("~")
    firms = request.rights.firms().filter(is_active=True)
    if sought:
        firms = firms.filter(name__icontains=sought)
    if key.isdigit():
        firms = firms.filter(name__gte=after).exclude(name=after, pk__lte=int(key))
    found = list(firms.order_by("name", "pk")[: FIRMS + 1]) if own else []
    more = ""
    if len(found) > FIRMS:
        last = found[FIRMS - 1]
        more = "?" + urlencode({"firm": sought, "after": f"{last.name}~{last.pk}"})
    begins = held.ended_at if held else now
    known: dict[tuple[Any, ...], datetime | None] = {}
    rows = []
    for firm in found[:FIRMS]:
        for_firm = [timing for timing in own if timing.reaches(firm.pk, firm.slug)]
        which = (firm.timezone, *(timing.row.pk for timing in for_firm))
        if which not in known:
            acts = begins and next_acting(for_firm, firm.timezone, after=begins)
            known[which] = acts[0] if acts else None
        rows.append(NextTime(firm, days.zone(firm.timezone), known[which]))
    return {"rows": rows, "sought": sought, "more": more, "begun": key.isdigit()}


# ---- verbs ----------------------------------------------------------------------------------


@page
@require_POST
def start(request: Asking, name: str) -> HttpResponseBase:
    """Start a preview, or a run; before one that cannot be taken back, ask."""
    job = _job(request, name)
    preview = request.POST.get("do") != "run"
    if preview and not job.previews:
        raise Http404("This job has no previews.")
    powers = powers_on(job, request.rights)
    if not (powers.preview if preview else powers.run):
        raise PermissionDenied(f"No grant to start {name}.")
    form = StartForm(job, rights=request.rights, data=request.POST)
    try:
        if not form.is_valid():
            return _show(request, job, start=form, status=422)
        arguments = form.arguments(dry_run=preview)
        if not preview and job.harm and request.POST.get("sure") != "yes":
            return _ask(request, job, form)
        run = services.start(job, arguments, caller=request.caller)
    except BadOption as problem:
        form.refuse(problem)
        return _show(request, job, start=form, status=422)
    return redirect("console:run", run.pk)


def _ask(request: Asking, job: Job, form: StartForm) -> HttpResponse:
    """Say what a run would do, for whom, and when that was last done."""
    services.may_start(job, form.arguments(dry_run=False), caller=request.caller)
    runs = request.rights.runs().filter(job=job.name, dry_run=False)
    last = runs.order_by("-started_at").first()
    given = [
        (str(field.label), dict(getattr(field.field, "choices", ())).get(str(field.value())))
        if hasattr(field.field, "choices")
        else (str(field.label), field.value())
        for field in form
        if field.value() not in (None, "", False)
    ]
    firm = first_firm_option(job)
    return show(
        request,
        "console/job_confirm.html",
        title=_("Run %(job)s now?") % {"job": job.name},
        job=job,
        form=form,
        given=given,
        every_firm=not (firm and form.cleaned_data.get(firm)) and not given,
        last=last,
        powers=powers_on(job, request.rights),
    )


@page
@require_POST
def pause(request: Asking, name: str) -> HttpResponseBase:
    """Let the job's schedules rest."""
    job = _job(request, name)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _show(request, job, pause=form, status=422)
    try:
        made = services.pause(job, caller=request.caller, **form.cleaned_data)
    except BadOption as problem:
        form.refuse(problem)
        return _show(request, job, pause=form, status=422)
    return press(request, lambda: f"{made}.", back=reverse("console:job", args=[name]))


@page
@require_POST
def resume(request: Asking, name: str) -> HttpResponseBase:
    """Let the job's schedules start it again."""
    job = _job(request, name)

    def act() -> str:
        services.resume(job, caller=request.caller)
        return _("%(job)s goes on at its next time.") % {"job": job.name}

    return press(request, act, back=reverse("console:job", args=[name]))
