"""Give up what waits in the outbox: the database turned out to be a copy."""

from datetime import datetime

from django.db import transaction

from apps.core import batches
from apps.notifications.models import Delivery
from apps.notifications.services.results import close, follow

DISCARDED = "discarded: the database is a copy"


def discard_waiting(*, now: datetime) -> int:
    """Close every message that waits, whoever was sending it; return how many.

    They count as skipped and are never sent. Not to be called inside a transaction.
    """
    open_ = (Delivery.Status.QUEUED, Delivery.Status.SENDING)
    waiting = Delivery.objects.filter(status__in=open_).order_by("pk")
    discarded = 0
    while page := dict(waiting.values_list("pk", "notification_id")[: batches.SIZE]):
        with transaction.atomic(durable=True):
            close(list(page), Delivery.Status.SKIPPED, DISCARDED, now)
            follow(page.values(), now)
        discarded += len(page)
    return discarded
