"""The queue from both sides: what a cluster's workers show, and what its guard sees.

Functions here that a worker runs are Nightshift's own work, not jobs: they leave no run.
"""

import os
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.tasks import async_task

from apps.jobs import workers
from apps.jobs.guard import GUARDED
from apps.jobs.models import ClusterSign, JobRun

SIGN_EVERY = 1.0  # seconds; a worker shows signs of life at most so often
STALE_SIGN = timedelta(days=1)

_last_sign = 0.0


def canary() -> None:
    """Do nothing: starting me was the sign of life."""


def show_life() -> None:
    """Let the guard see that this cluster starts work. Without a guard nobody is told."""
    global _last_sign  # noqa: PLW0603 - per process, like the guard's name in its environment
    name = os.environ.get(GUARDED)
    if not name or time.monotonic() - _last_sign < SIGN_EVERY:
        return
    _last_sign = time.monotonic()
    ClusterSign.objects.update_or_create(cluster=name, defaults={"canary_at": timezone.now()})


def count_tasks() -> int:
    """Return how many tasks wait or are being worked on, of every cluster."""
    waiting: int = OrmQ.objects.count()
    return waiting


def empty_queue() -> int:
    """Remove every queued task, and return how many; schedules stay."""
    removed: int = OrmQ.objects.all().delete()[0]
    return removed


class Pulse:
    """What a guard can see of its cluster from outside, through the database."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.workers: int = Conf.WORKERS
        self._canary: object = None  # the key of the row that carries it

    def begins(self) -> None:
        """Make room for the cluster's signs, and forget guards that are long gone."""
        ClusterSign.objects.filter(canary_at__lt=timezone.now() - STALE_SIGN).delete()
        ClusterSign.objects.update_or_create(
            cluster=self.name, defaults={"canary_at": timezone.now()}
        )

    def ends(self) -> None:
        """Take the cluster's sign down."""
        ClusterSign.objects.filter(cluster=self.name).delete()

    def last_sign(self) -> datetime | None:
        """Return when the cluster last started anything."""
        signs = ClusterSign.objects.filter(cluster=self.name)
        return signs.values_list("canary_at", flat=True).first()

    def work_waits(self) -> bool:
        """Tell whether something is due, or a canary was sent that is not back."""
        queue = OrmQ.objects.filter(key=Conf.CLUSTER_NAME)
        if self._canary and not queue.filter(pk=self._canary).exists():
            self._canary = None
        return bool(self._canary) or queue.filter(lock__lte=timezone.now()).exists()

    def free_workers(self, group: int) -> int:
        """Return how many workers of a process group have no run in hand."""
        return self.workers - self.runs_in_hand(group)

    def runs_in_hand(self, group: int) -> int:
        """Count the runs of a process group that may still be within their time."""
        # A hand-over after the time-out takes Django-Q2 some seconds.
        since = timezone.now() - timedelta(seconds=settings.JOB_TIMEOUT + 30)
        running = JobRun.objects.going_on().filter(started_at__gt=since)
        names = running.values_list("worker", flat=True)
        return sum(workers.is_in_group(name, group) for name in names)

    def send_canary(self) -> None:
        """Queue a task whose only purpose is to be started."""
        task = async_task("apps.jobs.queue.canary", task_name="canary", save=False)
        newest = OrmQ.objects.filter(key=get_broker().list_key).order_by("-pk")[:20]
        self._canary = next((row.pk for row in newest if row.task_id() == task), None)
