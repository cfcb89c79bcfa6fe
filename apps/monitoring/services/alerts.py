"""Signs become alerts, once each; alerts whose signs are gone have recovered."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.problems import Problem
from apps.firms.models import User
from apps.monitoring.models import Alert
from apps.monitoring.services import signs
from apps.monitoring.services.signs import Kind, Sign

# These are there as long as a run tells of them; the others as long as they are seen.
_OF_RUNS = {Kind.FAILED, Kind.PARTIAL, Kind.SLOW}


def raise_alerts(found: Iterable[Sign], *, now: datetime) -> None:
    """Open an alert for each new sign, and note on open ones that it was seen again.

    What was never started is late after a while: that is the same trouble and stays one alert.
    A run that has been told of already opens nothing.
    """
    still_open = {(one.kind, one.job, one.scope): one for one in Alert.objects.still_open()}
    for sign in found:
        missed = still_open.get((Kind.MISSED, sign.job, sign.scope))
        known = still_open.get(sign.key)
        if sign.kind == Kind.LATE and missed and known is None:
            missed.seen_at = now
            missed.save(update_fields=["seen_at"])
        elif known is None:
            if not _was_told_of(sign):
                still_open[sign.key] = _open(sign, now)
        else:
            _see_again(known, sign, now)


def close_recovered(found: Iterable[Sign], *, now: datetime) -> list[Alert]:
    """Close the open alerts whose trouble is over, and return them."""
    seen = {sign.key for sign in found}
    # A schedule that was missed stays so until its job is on time again.
    seen |= {(Kind.MISSED, job, scope) for kind, job, scope in seen if kind == Kind.LATE}
    over = [one for one in Alert.objects.still_open() if _is_over(one, seen)]
    Alert.objects.filter(pk__in=[one.pk for one in over]).update(recovered_at=now)
    for one in over:
        one.recovered_at = now
    return over


def acknowledge(*, alert: Alert, actor: User) -> None:
    """Take an alert on: nobody is reminded of it until it has recovered and comes back.

    Raises ``Problem`` when it is over, or somebody has taken it on already.
    """
    with transaction.atomic():
        taken = (
            Alert.objects.still_open()
            .unacknowledged()
            .filter(pk=alert.pk)
            .update(acknowledged_at=timezone.now(), acknowledged_by=actor)
        )
        if taken:
            record("alert_acknowledged", alert, actor=actor)
    alert.refresh_from_db()
    if not taken:
        over = alert.recovered_at is not None
        raise Problem(f"{alert} {'is over' if over else 'has been acknowledged'} already.")


def _open(sign: Sign, now: datetime) -> Alert:
    return Alert.objects.create(
        kind=sign.kind,
        job=sign.job,
        scope=sign.scope,
        run_number=sign.run,
        schedule_number=sign.schedule,
        since=sign.since,
        text=sign.text,
        times=sign.count or 1,
        opened_at=now,
        seen_at=now,
    )


def _was_told_of(sign: Sign) -> bool:
    if sign.kind not in _OF_RUNS:
        return False
    told = Alert.objects.filter(kind=sign.kind, run_number=sign.run)
    return told.exists()


def _see_again(alert: Alert, sign: Sign, now: datetime) -> None:
    if alert.run_number and sign.run and sign.run < alert.run_number:
        return  # an older run that ended later
    again = (alert.run_number, alert.since) != (sign.run, sign.since)
    alert.times = sign.count or alert.times + again
    alert.run_number, alert.since, alert.text = sign.run, sign.since, sign.text
    alert.seen_at = now
    alert.save(update_fields=["times", "run_number", "since", "text", "seen_at"])


def _is_over(alert: Alert, seen: set[tuple[str, str, str]]) -> bool:
    if (alert.kind, alert.job, alert.scope) in seen and alert.kind not in _OF_RUNS:
        return False
    if alert.kind == Kind.SLOW:
        return signs.is_quick_again(alert)
    if alert.kind in _OF_RUNS:
        return signs.has_succeeded_since(alert)
    return True
