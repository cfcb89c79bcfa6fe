"""Groups to write to in the demo firms, and an outbox whose past has been sent."""

from apps.core.demo import World
from apps.firms.models import Firm
from apps.notifications.models import Delivery, Notification, NotificationGroup


def seed(world: World) -> None:
    """Make the notification groups."""
    entries = world.fixture("notifications")["groups"]
    for entry in entries:
        firm = Firm.objects.get(slug=entry.pop("firm"))
        NotificationGroup.objects.create(firm=firm, **entry)
    world.count("notification groups", len(entries))
    _send_the_past(world)


def _send_the_past(world: World) -> None:
    """Mark what the history has put into the outbox as sent: nobody gets last year's mail."""
    waiting = Delivery.objects.filter(firm__is_demo=True, status=Delivery.Status.QUEUED)
    waiting.update(status=Delivery.Status.SENT, sent_at=world.clock.now)
    told = Notification.objects.filter(firm__is_demo=True, status=Notification.Status.QUEUED)
    told.update(status=Notification.Status.SENT)
