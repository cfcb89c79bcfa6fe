"""What Prometheus is told, read from the database when it asks.

Every process tells the same, so ask any one of them. Labels are the names of declared jobs,
states, outcomes and kinds of alerts: their number is that of the code, not of the data. Items
are added up from their runs, and of runs only the last day is read, or the newest of each job.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from apps.jobs import figures
from apps.jobs.job import registry
from apps.monitoring.models import Alert, Delivery, Watch

OTHER = "other"  # a job that is declared no more


class Figures(Collector):
    """Collects everything anew for each answer."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = timezone.now()
        yield from _of_runs(now)
        yield from _of_jobs()
        yield from _of_the_queue(now)
        yield from _of_alerts()


def _of_runs(now: datetime) -> Iterator[GaugeMetricFamily]:
    known = {job.name for job in registry()}
    runs, items = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for lately in figures.lately(now=now):
        job = lately.job if lately.job in known else OTHER
        runs[job, lately.state] += lately.runs
        for outcome, count in lately.items.items():
            items[job, outcome.value] += count
    yield _labelled(
        "nightshift_runs_24h", "Runs that began within 24 hours.", ("job", "state"), runs
    )
    yield _labelled("nightshift_items_24h", "Items of those runs.", ("job", "outcome"), items)


def _of_jobs() -> Iterator[GaugeMetricFamily]:
    took = GaugeMetricFamily(
        "nightshift_last_run_seconds", "How long the last run took.", labels=["job"]
    )
    for job, run in figures.last_ended().items():
        if run.took is not None:
            took.add_metric([job], run.took.total_seconds())
    yield took
    success = GaugeMetricFamily(
        "nightshift_last_success_timestamp_seconds",
        "When the last successful run ended.",
        labels=["job"],
    )
    for job, run in figures.last_successes().items():
        success.add_metric([job], (run.ended_at or run.started_at).timestamp())
    yield success


def _of_the_queue(now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = figures.waiting(now=now)
    yield GaugeMetricFamily(
        "nightshift_queue_depth", "Tasks that are due and not begun.", waiting.tasks
    )
    oldest = (now - waiting.oldest).total_seconds() if waiting.oldest else 0
    yield GaugeMetricFamily(
        "nightshift_queue_oldest_seconds", "How long the oldest of them has waited.", oldest
    )
    alive = figures.clusters()
    yield GaugeMetricFamily("nightshift_clusters", "Clusters alive.", alive.clusters)
    yield GaugeMetricFamily("nightshift_workers", "Workers alive.", alive.workers)


def _of_alerts() -> Iterator[GaugeMetricFamily]:
    counts = dict.fromkeys(Alert.Kind.values, 0)
    rows = Alert.objects.still_open().values_list("kind").annotate(Count("pk")).order_by()
    counts.update(dict(rows))
    alerts = GaugeMetricFamily(
        "nightshift_open_alerts", "Alerts that have not recovered.", labels=["kind"]
    )
    for kind, count in counts.items():
        alerts.add_metric([kind], count)
    yield alerts
    yield GaugeMetricFamily(
        "nightshift_alert_messages_waiting",
        "Messages about alerts that have not got through yet.",
        Delivery.objects.filter(state=Delivery.State.WAITING).count(),
    )
    looked = Watch.objects.values_list("looked_at", flat=True).first()
    yield GaugeMetricFamily(
        "nightshift_last_look_timestamp_seconds",
        "When somebody last looked after the jobs.",
        looked.timestamp() if looked else 0,
    )


def _labelled(
    name: str, help_text: str, labels: tuple[str, str], counts: Counter[tuple[str, str]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family
