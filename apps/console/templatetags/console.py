"""How the console writes a state, a time, a length of time, and money.

A state is always a word, a sign and a colour: nobody has to see the colour.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template.defaultfilters import date as write_date
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from moneyed import Money

from apps.core import money
from apps.core.reports import Outcome
from apps.jobs.models import JobRun

register = template.Library()

NOTHING = "–"

# By state: its sign, its tone (a class of console.css), its word.
STATES = {
    JobRun.State.QUEUED: ("…", "quiet", gettext_lazy("waiting")),
    JobRun.State.RUNNING: ("▶", "going", gettext_lazy("running")),
    JobRun.State.DONE: ("✓", "good", gettext_lazy("done")),
    JobRun.State.PARTIAL: ("!", "bad", gettext_lazy("partly failed")),
    JobRun.State.FAILED: ("✗", "bad", gettext_lazy("failed")),
    JobRun.State.CRASHED: ("✗", "bad", gettext_lazy("crashed")),
    JobRun.State.LOST: ("?", "bad", gettext_lazy("lost")),
    JobRun.State.CANCELLED: ("⏹", "warn", gettext_lazy("cancelled")),
    JobRun.State.INTERRUPTED: ("⏹", "warn", gettext_lazy("interrupted")),
    JobRun.State.BLOCKED: ("⛔", "bad", gettext_lazy("blocked")),
    JobRun.State.BUSY: ("=", "quiet", gettext_lazy("busy elsewhere")),
    JobRun.State.DUPLICATE: ("=", "quiet", gettext_lazy("duplicate")),
    JobRun.State.PAUSED: ("⏸", "quiet", gettext_lazy("paused")),
}
OUTCOMES = {
    Outcome.DONE: ("✓", "good", gettext_lazy("done")),
    Outcome.SKIPPED: ("-", "quiet", gettext_lazy("skipped")),
    Outcome.DECLINED: ("!", "warn", gettext_lazy("declined")),
    Outcome.FAILED: ("✗", "bad", gettext_lazy("failed")),
    Outcome.STALE: ("~", "warn", gettext_lazy("stale")),
}


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


@register.filter
def totals(amounts: Sequence[Money]) -> str:
    """Write amounts, one per currency: ``$1,499.00, 20,00 €``."""
    return ", ".join(money.write_grouped(each) for each in amounts) or NOTHING


@register.filter
def amount(value: Money | None) -> str:
    """Write one amount, or a dash."""
    return NOTHING if value is None else money.write_grouped(value)
