"""Let reminders be sent, and see which."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from apps.leasing.services import send_payment_reminders
from apps.notifications.models import Notification
from tests.leasing.renting import at

TENTH = date(2025, 6, 10)


def noon(day: date) -> datetime:
    """Noon in New York, or an hour later."""
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


def days_from(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)


def run_on(*days: date, **options: int) -> list[int]:
    """Run on each of these days and return how many reminders it sent."""
    counts = []
    for day in days:
        with at(noon(day)):
            counts.append(send_payment_reminders(**options).done)
    return counts


def sent() -> list[tuple[str, str]]:
    """Return the day and the milestone of every reminder, in order."""
    return [
        (row.context["on"], row.dedupe_key.rpartition(":")[2])
        for row in Notification.objects.filter(type="payment_reminder").order_by("pk")
    ]
