"""Groups to write to in the demo firms, and an outbox whose past has been sent."""

from apps.contacts.models import Contact
from apps.core.demo import World
from apps.firms.models import Firm
from apps.notifications.models import Channel, Delivery, Notification, NotificationGroup
from apps.notifications.services import prefer, recipient_key


def seed(world: World) -> None:
    """Make the notification groups, and somebody to write to by address."""
    _make_contacts(world)
    entries = world.fixture("notifications")["groups"]
    for entry in entries:
        firm = Firm.objects.get(slug=entry.pop("firm"))
        NotificationGroup.objects.create(firm=firm, **entry)
    world.count("notification groups", len(entries))
    _send_the_past(world)


def _make_contacts(world: World) -> None:
    """Make contacts who agreed to text messages: the one whom the manual's example is for."""
    for entry in world.fixture("notifications")["contacts"]:
        firm = Firm.objects.get(slug=entry.pop("firm"))
        if not world.is_erased(entry["email"]):
            contact = Contact.objects.create(firm=firm, **entry)
            prefer(
                firm_id=firm.pk,
                recipient_key=recipient_key(contact),
                channel=Channel.SMS,
                wanted=True,
            )


def _send_the_past(world: World) -> None:
    """Mark what the history has put into the outbox as sent: nobody gets last year's mail."""
    waiting = Delivery.objects.filter(firm__is_demo=True, status=Delivery.Status.QUEUED)
    waiting.update(status=Delivery.Status.SENT, sent_at=world.clock.now)
    told = Notification.objects.filter(firm__is_demo=True, status=Notification.Status.QUEUED)
    told.update(status=Notification.Status.SENT)
