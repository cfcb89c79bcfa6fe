"""Calendar: a lane for each job, past and future, in the zone of a firm."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from apps.console.lanes import WIDTH, Span, draw, tallies
from apps.console.models import Verb
from apps.console.rights import FIRMS
from apps.console.shell import Asking, page, show
from apps.core import days
from apps.firms.models import Firm
from apps.jobs.models import JobPause
from apps.jobs.timetable import missed, timings

ROW, HEAD = 26, 30  # pixels
FIRST, LAST = date(2000, 1, 2), date(2100, 1, 1)

# By what stands in the address: the words, days before and after today, hours of a cell.
SPANS = {
    "24h": (gettext_lazy("24 hours"), 0, 0, 1),
    "7d": (gettext_lazy("7 days"), 5, 1, 6),
    "30d": (gettext_lazy("30 days"), 27, 2, 24),
}


LEGEND = (
    ("good", gettext_lazy("done")),
    ("bad", gettext_lazy("failed")),
    ("warn", gettext_lazy("stopped")),
    ("going", gettext_lazy("going on")),
    ("quiet", gettext_lazy("nothing done")),
    ("missed", gettext_lazy("missed")),
    ("future", gettext_lazy("to come")),
    ("pause", gettext_lazy("paused")),
)


class Looking(forms.Form):
    """What to look at; anything that cannot be read is what one sees at first."""

    span = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Over"),
        choices=[(name, words) for name, (words, *_rest) in SPANS.items()],
    )
    zone = forms.CharField(required=False, label=gettext_lazy("In the zone of"))
    day = forms.DateField(
        required=False,
        label=gettext_lazy("Around"),
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
    )


@page
@require_safe
def calendar(request: Asking) -> HttpResponseBase:
    """Show what ran, was missed and is to come."""
    rights, now = request.rights, timezone.now()
    firms = list(rights.firms().order_by("name")[: FIRMS + 1])
    slug, zone_name = _zone(request, firms)
    span_name = request.GET.get("span", "")
    _words, before, after, hours = SPANS.get(span_name, SPANS["24h"])
    today = now.astimezone(days.zone(zone_name)).date()
    day = _day(request.GET.get("day", ""), today)
    span = Span(zone_name, day - timedelta(days=before), before + after + 1, hours)
    seen = rights.jobs()
    whole = {job.name for job in seen if rights.may(Verb.VIEW, job.name)}
    rows = timings()
    pauses = list(JobPause.objects.touching(span.start, span.end).order_by("since"))
    lost = missed(
        [timing for timing in rows if timing.job.name in whole],
        pauses,
        since=span.start,
        now=min(now, span.end),
    )
    lanes = draw(
        seen,
        span,
        runs=tallies(rights.runs(), span),
        timings=rows,
        missed=lost,
        pauses=[pause for pause in pauses if pause.job in whole],
        now=now,
    )
    form = Looking(
        {"span": span_name or "24h", "zone": slug, "day": day}, label_suffix="", auto_id="id_%s"
    )
    if len(firms) <= FIRMS:
        zones = [
            ("", "UTC"),
            *((firm.slug, f"{firm.name} ({firm.timezone})") for firm in firms),
        ]
        form.fields["zone"].widget = forms.Select(choices=zones)
    kept = {"span": span_name, "zone": slug}
    return show(
        request,
        "console/calendar.html",
        title=_("Calendar"),
        form=form,
        span=span,
        lanes=[(HEAD + number * ROW, lane) for number, lane in enumerate(lanes)],
        changes=list(span.changes()),
        labels=list(span.labels()),
        now_x=span.x(now) if span.start <= now < span.end else None,
        now=now,
        width=WIDTH,
        height=HEAD + len(lanes) * ROW,
        head=HEAD,
        row=ROW,
        legend=LEGEND,
        earlier=_address(kept, day - timedelta(days=span.days)),
        later=_address(kept, day + timedelta(days=span.days)),
    )


def _zone(request: Asking, firms: list[Firm]) -> tuple[str, str]:
    """Return whose zone, and which: of whoever sees few firms their first one's."""
    by_slug = {firm.slug: firm for firm in firms}
    slug = request.GET.get("zone")
    if slug is None and not request.rights.whole and firms:
        slug = firms[0].slug
    if slug and slug not in by_slug and len(firms) > FIRMS:
        by_slug.update({f.slug: f for f in request.rights.firms().filter(slug=slug)})
    firm = by_slug.get(slug or "")
    return (firm.slug, firm.timezone) if firm else ("", "UTC")


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return day if FIRST <= day <= LAST else today


def _address(kept: dict[str, Any], day: date) -> str:
    return "?" + urlencode(
        {name: value for name, value in kept.items() if value} | {"day": day}
    )
