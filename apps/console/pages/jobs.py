"""Jobs: what Nightshift does by itself, when it did it last and when it will again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.apps import apps
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from apps.console.lanes import days_ahead
from apps.console.rights import Rights
from apps.console.shell import Asking, page, show
from apps.jobs.job import Job
from apps.jobs.models import JobPause, JobRun
from apps.jobs.timetable import Timing, timings


@dataclass(frozen=True, slots=True)
class Line:
    """One job on the list."""

    job: Job
    when: str
    next_at: datetime | None
    last: JobRun | None
    pause: JobPause | None


@require_GET
@page
def jobs(request: Asking) -> HttpResponseBase:
    """List the jobs that the person may see, by app."""
    now = timezone.now()
    seen = request.rights.jobs()
    own: dict[str, list[Timing]] = {}
    for timing in timings():
        own.setdefault(timing.job.name, []).append(timing)
    pauses = {pause.job: pause for pause in JobPause.objects.in_force(now)}
    last = _last_runs(seen, request.rights)
    lines = [
        Line(
            job,
            when=" · ".join(dict.fromkeys(t.in_words for t in own.get(job.name, ()))),
            next_at=next_time(own.get(job.name, ()), pauses.get(job.name), after=now),
            last=last.get(job.name),
            pause=pauses.get(job.name),
        )
        for job in seen
    ]
    groups = [
        (apps.get_app_config(app).verbose_name, list(listed))
        for app, listed in groupby(lines, key=lambda line: line.job.app)
    ]
    return show(request, "console/jobs.html", title=_("Jobs"), groups=groups)


def gate_in_words(timing: Timing) -> str:
    """Say from when on, in each firm's own time, a schedule's job acts."""
    at, weekdays = timing.arguments.get("at"), timing.arguments.get("weekdays")
    if at and weekdays:
        return _("not before %(at)s local time, on %(days)s") % {"at": at, "days": weekdays}
    if at:
        return _("not before %(at)s local time") % {"at": at}
    return _("on %(days)s (local)") % {"days": weekdays} if weekdays else ""


def next_time(
    own: Iterable[Timing], pause: JobPause | None, *, after: datetime
) -> datetime | None:
    """Return when a job is started next; nothing while it rests without an end."""
    if pause:
        if pause.ended_at is None:
            return None
        after = pause.ended_at
    firsts = (next(timing.times(after, days_ahead(after)), None) for timing in own)
    return min((at for at in firsts if at), default=None)


def _last_runs(seen: list[Job], rights: Rights) -> dict[str, JobRun]:
    """Return the newest real run of each job: a look each into the index, in one statement."""
    branches = []
    for job in seen:
        newest = rights.runs().filter(job=job.name, dry_run=False).order_by("-started_at")
        branches.append(JobRun.objects.filter(pk__in=newest.values("pk")[:1]))
    if not branches:
        return {}
    first, *others = branches
    return {run.job: run for run in (first.union(*others, all=True) if others else first)}
