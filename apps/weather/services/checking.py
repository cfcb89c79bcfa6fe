"""The job: look at the weather of every property, and warn who lives there (spec D20)."""

import time
from contextlib import closing
from functools import partial

from django.conf import settings

from apps.core import batches
from apps.core.days import Clock
from apps.core.reports import Report
from apps.integrations.weather import get_official_alerts, get_weather
from apps.leasing.services.scope import Scope
from apps.weather.services.episodes import ACTIVE, SENT, settle
from apps.weather.services.findings import Lookout

CHECKED = "checked"  # a tally
_TIME = 0.6  # of a job's time-out; what the services do not say by then is not waited for


def check_weather_alerts(
    *, property: int | None = None, firm_id: int | None = None, dry_run: bool = False
) -> Report:
    """Warn tenants and managers of extreme heat, cold, wind and official alerts.

    Looks at the weather of every property with coordinates. What is over its thresholds (its
    own, its firm's, else the usual) opens an episode: one message to each renter of a lease
    in force and to the firm's managers, a second only when it gets worse. It is over after
    two calm observations in a row, twelve hours or more after the last hit, or when the
    authority says so; the same is not told again within twelve hours of that. Observations
    older than two hours are ignored, and what is not known is never taken for zero. Severe
    and extreme alerts do not wait for the morning. A dry run asks the services, too.
    """
    clock = Clock.read()
    scope = Scope.find(property=property, firm_id=firm_id)
    report = Report(dry_run=dry_run, heading="Checking weather alerts...", summary=_summary)
    scope.tell(report)
    ends = time.monotonic() + settings.JOB_TIMEOUT * _TIME
    with (
        closing(get_weather(ends=ends)) as weather,
        closing(get_official_alerts(ends=ends)) as official,
    ):
        for homes, today in scope.by_day(report, clock):
            lookout = Lookout(report, weather, official, today, clock.now)
            for page in batches.pages(homes):
                report.tallies[CHECKED] += len(page)
                report.attempt_each(
                    lookout.findings(page),
                    partial(settle, now=clock.now),
                    subject=lambda finding: finding.subject,
                )
    return report


def _summary(report: Report) -> list[str]:
    figures = (
        ("Properties checked", report.tallies[CHECKED]),
        ("Alerts sent", report.tallies[SENT]),
        ("Already active", report.tallies[ACTIVE]),
        ("Errors", report.failed),
    )
    return ["Summary: " + ", ".join(f"{name}: {figure}" for name, figure in figures)]
