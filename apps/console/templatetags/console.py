"""How the console writes a state, a time, a length of time, and money.

A state is always a word, a sign and a colour: nobody has to see the colour.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import template
from django.template.defaultfilters import date as write_date
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from moneyed import Money

from apps.console.lanes import Lane, Mark
from apps.console.signs import NOTHING, OUTCOMES, STATES
from apps.core import money
from apps.core.reports import Outcome
from apps.jobs.models import JobRun
from apps.jobs.timetable import Usual

register = template.Library()


@register.simple_tag
def state(run: JobRun) -> SafeString:
    """Write how a run stands: ``✓ done``; a preview says that it is one."""
    sign, tone, word = STATES[JobRun.State(run.state)]
    return badge(sign, tone, f"{word} ({_('preview')})" if run.dry_run else str(word))


@register.simple_tag
def outcome(value: str) -> SafeString:
    """Write what came of one item."""
    sign, tone, word = OUTCOMES[Outcome(value)]
    return badge(sign, tone, str(word))


@register.simple_tag
def badge(sign: str, tone: str, word: str) -> SafeString:
    """Write a word behind its sign, in a tone: good, bad, warn, going or quiet."""
    return format_html(
        '<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>', tone, sign, word
    )


@register.simple_tag
def moment(at: datetime | None, zone: Any = None) -> SafeString | str:
    """Write a time as ``28 Nov 2026, 21:05``, in a zone or in UTC (and says so)."""
    if at is None:
        return NOTHING
    local = timezone.localtime(at, zone) if zone else at
    name = "" if zone else " UTC"
    return format_html(
        '<time datetime="{}">{}{}</time>', at.isoformat(), write_date(local, "j M Y, H:i"), name
    )


@register.filter
def length(span: timedelta | None) -> str:
    """Write a length of time so that one sees its size: ``0.4 s``, ``2 h 5 min``."""
    if span is None:
        return NOTHING
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


@register.filter
def ago(at: datetime | None) -> str:
    """Write how long ago, or how far ahead, a time is, in its largest unit."""
    if at is None:
        return NOTHING
    seconds = (timezone.now() - at).total_seconds()
    ahead, seconds = seconds < 0, abs(seconds)
    if seconds < 60:
        return _("in less than a minute") if ahead else _("just now")
    if seconds < 3600:
        count = round(seconds / 60)
        span = ngettext("%(count)d minute", "%(count)d minutes", count)
    elif seconds < 86_400:
        count = round(seconds / 3600)
        span = ngettext("%(count)d hour", "%(count)d hours", count)
    else:
        count = round(seconds / 86_400)
        span = ngettext("%(count)d day", "%(count)d days", count)
    words = span % {"count": count}
    return (_("in %(span)s") if ahead else _("%(span)s ago")) % {"span": words}


@register.simple_tag
def figure(count: int | None) -> SafeString | str:
    """Write a count; nothing is written small, so that the eye finds the rest."""
    return f"{count:,}" if count else format_html('<span class="nil">{}</span>', "0")


@register.simple_tag
def marks(lane: Lane) -> SafeString:
    """Draw the marks of a lane. A calendar has a thousand: too many for a template's loop."""
    drawn = (_mark(mark, lane.job.name) for mark in lane.marks)
    return mark_safe("\n".join(drawn))  # noqa: S308 - what is words is escaped


def _mark(mark: Mark, job: str) -> str:
    """Return a mark as HTML; ``format_html`` would escape its numbers, too."""
    words = escape(mark.words)
    drawn = (
        f'<rect class="{mark.tone}" x="{plain(mark.x)}" y="{mark.y}"'
        f' width="{plain(mark.width)}" height="{mark.height}" rx="2">'
        f"<title>{words}</title></rect>"
    )
    if not (mark.run or mark.to_job):
        return drawn
    to = (
        reverse("console:run", args=[mark.run])
        if mark.run
        else reverse("console:job", args=[job])
    )
    return f'<a href="{to}" aria-label="{escape(job)}, {words}">{drawn}</a>'


@register.filter
def plain(number: float) -> str:
    """Write a number for a picture: with a point in every language."""
    return f"{number:g}"


@register.filter
def in_address(asked: Mapping[str, str]) -> str:
    """Write filters as they stand in an address."""
    return urlencode(asked)


@register.filter
def broken_anywhere(text: str) -> SafeString:
    """Let a name_in_one_word go on in the next line after each underscore."""
    return mark_safe(escape(text).replace("_", "_<wbr>"))  # noqa: S308 - escaped just now


@register.simple_tag
def usual(took: timedelta | None, of: Usual | None) -> SafeString | str:
    """Write what a run of a job usually takes, and where this one lies in it.

    Eight in ten runs lie in the bar; the stroke is this one.
    """
    if of is None:
        return ""
    low, high = length(of.low), length(of.high)
    words = _("usual %(range)s") % {"range": low if low == high else f"{low} – {high}"}
    if took is None:
        return format_html('<div class="fine">{}</div>', words)
    scale = 80 / max(of.high.total_seconds() * 1.25, took.total_seconds(), 0.001)
    start, here = of.low.total_seconds() * scale, took.total_seconds() * scale
    return format_html(
        ' <svg class="span" viewBox="0 0 84 10" width="84" height="10" aria-hidden="true">'
        '<rect class="rail" x="0" y="4" width="84" height="2" rx="1"/>'
        '<rect class="usual" x="{}" y="2" width="{}" height="6" rx="3"/>'
        '<rect class="{}" x="{}" y="0" width="3" height="10" rx="1"/></svg>'
        '<div class="fine"><bdi>{}</bdi></div>',
        round(start, 1),
        round(max(of.high.total_seconds() * scale - start, 3), 1),
        "here slow" if took > of.high * 2 else "here",
        round(here, 1),
        words,
    )


@register.filter
def totals(amounts: Sequence[Money]) -> str:
    """Write amounts, one per currency: ``$1,499.00, 20,00 €``."""
    return ", ".join(money.write_grouped(each) for each in amounts) or NOTHING


@register.filter
def amount(value: Money | None) -> str:
    """Write one amount, or a dash."""
    return NOTHING if value is None else money.write_grouped(value)
