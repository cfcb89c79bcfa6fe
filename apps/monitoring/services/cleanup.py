"""Let alerts and their messages go after their time."""

from datetime import timedelta

from django.db.models import QuerySet

from apps.core.batches import key_pages
from apps.core.days import Clock, positive
from apps.core.reports import Report, Subject
from apps.monitoring.models import Alert, Delivery

PAGE = 1000  # rows deleted in one transaction


def cleanup_old_alerts(*, days: int = 400, dry_run: bool = False) -> Report:
    """Delete the alerts that were over long ago, and what was sent about them.

    Takes alerts that recovered more than ``days`` times 24 hours ago, and messages that were
    made so long ago and are sent or given up. What is open or waiting stays, however old.
    Rows go by primary key in pages, each one item on the record. Running it again finds
    nothing.
    """
    before = Clock.read().now - timedelta(days=positive("--days", days))

    def summary(report: Report) -> list[str]:
        verb = report.worded("Deleted", would="Would delete")
        alerts, messages = report.tallies["alerts"], report.tallies["messages"]
        return [f"{verb} {alerts} alerts and {messages} messages older than {days} days."]

    report = Report(dry_run=dry_run, summary=summary)
    _delete(report, "alerts", Alert.objects.filter(recovered_at__lt=before))
    sent = Delivery.objects.exclude(state=Delivery.State.WAITING)
    _delete(report, "messages", sent.filter(made_at__lt=before))
    return report


def _delete(report: Report, noun: str, rows: "QuerySet[Alert] | QuerySet[Delivery]") -> None:
    for page in key_pages(rows, size=PAGE):
        label = f"{len(page)} {noun} from {page[0]} to {page[-1]}"
        with report.attempt(Subject(rows.model._meta.label_lower, str(page[0]), label)) as item:
            rows.filter(pk__in=page).delete()
            item.does(f"delete {len(page)} {noun}")
            item.tallies += [noun] * len(page)
