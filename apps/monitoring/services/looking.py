"""The look: see what is wrong, tell whom it concerns, and show outside that we look.

The web processes' watcher and ``check_job_health`` do the same one. It needs the database and
nothing else: no cluster, no queue, no outbox.
"""

from datetime import datetime, timedelta

from django.db import transaction

from apps.jobs import figures
from apps.jobs.health import Health, examine
from apps.monitoring.models import Watch
from apps.monitoring.services import signs
from apps.monitoring.services.alerts import close_recovered, raise_alerts
from apps.monitoring.services.delivering import deliver
from apps.monitoring.services.heartbeat import ping
from apps.monitoring.services.telling import tell

EVERY = timedelta(seconds=60)
OVERLAP = timedelta(minutes=1)  # a run's end may be committed after a look at that time
AT_FIRST = timedelta(minutes=5)  # what the very first look still calls news

_NAME = "look"


def look_if_due(*, now: datetime) -> datetime:
    """Look if it is time and no other process does; return when the next look is due.

    Whose turn it is, a conditional update decides: of all processes one moves the time on.
    A process that dies over its look costs that one look.
    """
    watch = _watch(now)
    if watch.next_look_at > now:
        return watch.next_look_at
    mine = Watch.objects.filter(name=_NAME, next_look_at=watch.next_look_at)
    if mine.update(next_look_at=now + EVERY):
        look(now=now, health=examine(now=now))
    return now + EVERY


def look(*, now: datetime, health: Health) -> None:
    """Turn what is seen into alerts, tell of them, and ping outward.

    Not to be called inside a transaction. Looks at the same time follow each other at the
    watch's row, so that each change is told once.
    """
    sign = now if figures.clusters().clusters else figures.last_sign()
    with transaction.atomic():
        _watch(now)
        watch = Watch.objects.select_for_update().get(name=_NAME)
        if sign:
            watch.cluster_seen_at = max(sign, watch.cluster_seen_at)
        after = watch.judged_until - OVERLAP
        found = [
            *signs.of_health(health),
            *signs.of_clusters(watch, now=now),
            *signs.of_ended(after=after, now=now),
            *signs.of_slow(after=after, now=now),
        ]
        raise_alerts(found, now=now)
        tell(close_recovered(found, now=now), now=now)
        watch.looked_at = now
        watch.judged_until = max(now, watch.judged_until)
        watch.save(update_fields=["looked_at", "judged_until", "cluster_seen_at"])
    Watch.objects.filter(name=_NAME, next_look_at__lt=now + EVERY).update(
        next_look_at=now + EVERY
    )
    deliver(now=now)
    ping()


def _watch(now: datetime) -> Watch:
    watch, _ = Watch.objects.get_or_create(
        name=_NAME,
        defaults={
            "next_look_at": now,
            "judged_until": now - AT_FIRST,
            "cluster_seen_at": now,
        },
    )
    return watch
