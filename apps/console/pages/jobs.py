"""Jobs: what Nightshift does by itself, when it did it last and when it will again."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.apps import apps
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.console.shell import Asking, page, show
from apps.jobs.figures import newest_runs
from apps.jobs.job import Job
from apps.jobs.models import JobPause, JobRun
from apps.jobs.timetable import Timing, next_due, timings


@dataclass(frozen=True, slots=True)
class Line:
    """One job on the list."""

    job: Job
    when: str
    next_at: datetime | None
    last: JobRun | None
    pause: JobPause | None


@page
@require_safe
def jobs(request: Asking) -> HttpResponseBase:
    """List the jobs that the person may see, by app."""
    now = timezone.now()
    seen = request.rights.jobs()
    own: dict[str, list[Timing]] = {}
    for timing in timings():
        own.setdefault(timing.job.name, []).append(timing)
    pauses = {pause.job: pause for pause in JobPause.objects.in_force(now)}
    last = newest_runs(seen, among=request.rights.runs().filter(dry_run=False))
    lines = [
        Line(
            job,
            when=" · ".join(dict.fromkeys(t.in_words for t in own.get(job.name, ()))),
            next_at=next_due(own.get(job.name, ()), pauses.get(job.name), after=now),
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
