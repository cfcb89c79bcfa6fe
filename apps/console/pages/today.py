"""Today: how the platform is, what needs attention, and the runs, newest first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from moneyed import Money

from apps.console import services
from apps.console.health import look
from apps.console.models import Verb
from apps.console.rights import FIRMS, Rights
from apps.console.shell import Asking, page, press, show
from apps.core import money
from apps.core.reports import Outcome
from apps.firms.models import Firm
from apps.jobs.models import IDLE, JobRun, JobRunItem
from apps.jobs.timetable import Usual, usual_lengths

SHOWN = 50  # runs on a page
POLLED = 50  # runs that one look may ask about

GROUPS = {
    "attention": gettext_lazy("needs attention"),
    "going": gettext_lazy("going on"),
    "well": gettext_lazy("ended well"),
}
PREVIEWS = {
    "": gettext_lazy("with previews"),
    "out": gettext_lazy("without previews"),
    "only": gettext_lazy("previews only"),
}
DID_NOTHING = {
    "": gettext_lazy("left out"),
    "in": gettext_lazy("shown"),
}
SOURCES = {
    "command": gettext_lazy("a command"),
    "schedule": gettext_lazy("its schedule"),
    "queue": gettext_lazy("the queue"),
    "console": gettext_lazy("the console"),
    "code": gettext_lazy("code"),
}


# ---- filters --------------------------------------------------------------------------------


class Filters(forms.Form):
    """Which runs; all of it stands in the address."""

    job = forms.ChoiceField(required=False, label=gettext_lazy("Job"))
    group = forms.ChoiceField(required=False, label=gettext_lazy("State"))
    firm = forms.CharField(required=False, label=gettext_lazy("Firm"))
    source = forms.ChoiceField(required=False, label=gettext_lazy("Started by"))
    previews = forms.ChoiceField(
        required=False, label=gettext_lazy("Previews"), choices=list(PREVIEWS.items())
    )
    idle = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Runs that did nothing"),
        choices=list(DID_NOTHING.items()),
    )
    day = forms.DateField(
        required=False,
        label=gettext_lazy("Day (UTC)"),
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, data: Any, *, rights: Rights, firms: Sequence[Firm]) -> None:
        super().__init__(data, label_suffix="")
        self.rights, self.firms = rights, firms
        every = ("", _("all"))
        jobs = sorted(job.name for job in rights.jobs())
        fields: dict[str, Any] = self.fields
        fields["job"].choices = [every, *((job, job) for job in jobs)]
        fields["group"].choices = [every, *GROUPS.items()]
        fields["source"].choices = [every, *SOURCES.items()]
        if len(firms) <= FIRMS:
            choices = [every, *((firm.slug, firm.name) for firm in firms)]
            fields["firm"].widget = forms.Select(choices=choices)

    def clean_firm(self) -> Firm | None:
        slug = self.cleaned_data["firm"]
        if not slug:
            return None
        known = next((firm for firm in self.firms if firm.slug == slug), None)
        if known is None and len(self.firms) > FIRMS:
            known = self.rights.firms().filter(slug=slug).first()
        if known is None:
            raise forms.ValidationError(
                _("There is no firm '%(slug)s'."), params={"slug": slug}
            )
        return known

    def choose(self, runs: "QuerySet[JobRun]") -> "QuerySet[JobRun]":
        """Return the runs that were asked for; what cannot be read chooses nothing."""
        self.is_valid()
        asked = self.cleaned_data
        if job := asked.get("job"):
            runs = runs.filter(job=job)
        if group := asked.get("group"):
            runs = _in_group(runs, group)
        if firm := asked.get("firm"):
            touched = JobRunItem.objects.filter(firm=firm, run=OuterRef("pk"))
            named = Q(arguments__firm_id=firm.pk) | Q(arguments__tenant=firm.slug)
            runs = runs.filter(named | Exists(touched))
        if source := asked.get("source"):
            runs = runs.filter(source=source)
        if previews := asked.get("previews"):
            runs = runs.filter(dry_run=previews == "only")
        if not asked.get("idle"):
            runs = runs.exclude(IDLE)
        if day := asked.get("day"):
            start = datetime.combine(day, time(), UTC)
            runs = runs.filter(started_at__gte=start, started_at__lt=start + timedelta(days=1))
        return runs

    @property
    def asked(self) -> dict[str, str]:
        """What stands in the address, without what is empty."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}


def _in_group(runs: "QuerySet[JobRun]", group: str) -> "QuerySet[JobRun]":
    if group == "attention":
        return runs.filter(dry_run=False, acknowledged_at=None, state__in=JobRun.TROUBLED)
    if group == "going":
        return runs.filter(state__in=JobRun.UNDER_WAY)
    states = JobRun.State
    return runs.filter(state__in=[states.DONE, states.BUSY, states.DUPLICATE, states.PAUSED])


# ---- rows -----------------------------------------------------------------------------------


@dataclass
class Row:
    """A run as one person may see it: its own figures, or those of their firms alone."""

    run: JobRun
    whole: bool
    firm: str
    usual: Usual | None
    may_run: bool
    retried: bool
    counts: dict[str, int] = field(default_factory=dict)
    totals: list[Money] = field(default_factory=list)

    @property
    def started_by(self) -> str:
        run = self.run
        if self.whole and run.started_by:
            return str(run.started_by)
        if self.whole and run.schedule_name not in {"", run.job}:
            return _("schedule “%(name)s”") % {"name": run.schedule_name}
        return str(SOURCES[run.source])

    @property
    def going(self) -> bool:
        return self.run.state in JobRun.UNDER_WAY

    @property
    def took(self) -> timedelta | None:
        run = self.run
        if run.state == JobRun.State.RUNNING:
            return timezone.now() - run.started_at
        return run.took

    @property
    def may_retry(self) -> bool:
        run = self.run
        over = run.ended_at is not None and not run.dry_run and run.failed > 0
        return self.may_run and over and not self.retried

    @property
    def may_acknowledge(self) -> bool:
        return self.may_run and self.run.needs_attention


def rows_of(runs: Iterable[JobRun], *, rights: Rights, firms: Sequence[Firm]) -> list[Row]:
    """Return rows for the runs of a page, in two statements more at most."""
    listed = list(runs)
    usual = usual_lengths({run.job for run in listed})
    by_key: dict[Any, str] = {}
    for firm in firms:
        by_key[firm.pk] = by_key[firm.slug] = firm.name
    rows = [
        Row(
            run,
            whole=rights.sees_whole(run),
            firm=_confined_to(run, by_key),
            usual=usual.get(run.job),
            may_run=rights.may_on(Verb.RUN, run),
            retried=bool(getattr(run, "retried", False)),
        )
        for run in listed
    ]
    in_part = [row for row in rows if not row.whole]
    figures = _figures(in_part, rights) if in_part else {}
    for row in rows:
        if row.whole:
            row.counts = {str(outcome): getattr(row.run, outcome) for outcome in Outcome}
            row.totals = row.run.totals
        else:
            row.counts, row.totals = figures.get(row.run.pk, ({}, []))
    return rows


def _figures(
    rows: Sequence[Row], rights: Rights
) -> Mapping[int, tuple[dict[str, int], list[Money]]]:
    """Count, of runs that are seen in part, the items that are."""
    found = (
        rights.items()
        .filter(run__in=[row.run.pk for row in rows])
        .values_list("run", "outcome", "currency")
        .annotate(n=Count("pk"), minor=Sum("amount_minor"))
        .order_by("run", "currency")
    )
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    sums: dict[int, list[Money]] = defaultdict(list)
    for run, outcome, currency, n, minor in found:
        counts[run][outcome] += n
        if outcome == Outcome.DONE and currency and minor is not None:
            sums[run].append(money.from_minor(minor, currency))
    return {run: (dict(counts[run]), sums[run]) for run in counts}


def _confined_to(run: JobRun, names: Mapping[Any, str]) -> str:
    """Return the name of the one firm that a run was for, as far as it may be known."""
    tenant = run.arguments.get("tenant")
    named = tenant if isinstance(tenant, str) else run.arguments.get("firm_id")
    if named is None:
        return ""
    return names.get(named) or (f"#{named}" if isinstance(named, int) else str(named))


def _visible(rights: Rights) -> "QuerySet[JobRun]":
    """Return the runs that may be seen, with what a row needs."""
    # Said twice, for PostgreSQL looks through every run there is unless it knows how few are.
    again = JobRun.objects.filter(retry_of=OuterRef("pk"), retry_of__isnull=False)
    runs = rights.runs().select_related("started_by", "acknowledged_by")
    return runs.annotate(retried=Exists(again)).order_by("-started_at", "-pk")


# ---- pages ----------------------------------------------------------------------------------


@page
@require_safe
def today(request: Asking) -> HttpResponseBase:
    """Show how things are and the runs that the filters choose."""
    rights = request.rights
    if "going" in request.GET:
        return _going_on(request)
    firms = list(rights.firms().order_by("name")[: FIRMS + 1])
    filters = Filters(request.GET, rights=rights, firms=firms)
    runs = filters.choose(_visible(rights))
    if cursor := _cursor(request.GET.get("before", "")):
        at, pk = cursor
        runs = runs.filter(started_at__lte=at).exclude(started_at=at, pk__gte=pk)
    listed = list(runs[: SHOWN + 1])
    older = ""
    if len(listed) > SHOWN:
        last = listed[SHOWN - 1]
        before = f"{last.started_at.isoformat()}~{last.pk}"
        older = "?" + urlencode({**filters.asked, "before": before})
    rows = rows_of(listed[:SHOWN], rights=rights, firms=firms)
    return show(
        request,
        "console/today.html",
        title=_("Today"),
        condition=look(now=timezone.now()) if rights.whole else None,
        filters=filters,
        rows=rows,
        going=_asked_about(rows),
        older=older,
        newest=not cursor,
        here=request.get_full_path(),
    )


def _going_on(request: Asking) -> HttpResponseBase:
    """Answer how the runs stand now that a page has shown as going on."""
    keys = [int(key) for key in request.GET["going"].split(",")[:POLLED] if key.isdigit()]
    runs = _visible(request.rights).filter(pk__in=keys)
    firms = list(request.rights.firms().order_by("name")[: FIRMS + 1])
    rows = rows_of(runs, rights=request.rights, firms=firms)
    if not request.htmx:
        raise Http404("This is a part of a page.")
    return show(
        request,
        "console/today.html",
        title="",
        part="console/today_going.html",
        rows=rows,
        going=_asked_about(rows),
        here=request.htmx.current_url_abs_path or reverse("console:today"),
    )


def _asked_about(rows: Iterable[Row]) -> str:
    return ",".join(str(row.run.pk) for row in rows if row.going)


def _cursor(text: str) -> tuple[datetime, int] | None:
    """Read where the page before ended; nothing for what cannot be read."""
    at, _sign, pk = text.partition("~")
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None or not pk.isdigit():
        return None
    return moment, int(pk)


@page
@require_POST
def acknowledge(request: Asking, pk: int) -> HttpResponseBase:
    """Take the trouble of one run on."""
    run = get_object_or_404(request.rights.runs(), pk=pk)

    def act() -> str:
        services.acknowledge(run, note=request.POST.get("note", ""), caller=request.caller)
        return _("%(run)s is acknowledged.") % {"run": run}

    return press(request, act, back=_back(request))


def _back(request: Asking) -> str:
    """Return the page that a verb was pressed on, if it is one of ours."""
    there = request.POST.get("back", "")
    if url_has_allowed_host_and_scheme(there, allowed_hosts=None):
        return there
    return reverse("console:today")
