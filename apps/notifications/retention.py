"""Which messages go when a firm's retention policy says so (spec D6).

A job that tells somebody something once knows by the message's dedupe key that it has. So
what was said and how it got there go first, and the key stays for another 400 days: without
it a reminder of last year's invoice would be sent again, the night after it was deleted.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.core.personal import Cutoff, Expiry
from apps.firms.models import RetentionPolicy
from apps.notifications.models import Delivery, Notification

REMEMBERED = timedelta(days=400)  # a key, beyond the policy's time

Status = Notification.Status


def _due(firm_id: int, cutoff: Cutoff) -> "QuerySet[Notification]":
    """Return messages made and sent before the cutoff; one still to be sent is queued."""
    deliveries = Delivery.objects.filter(notification=OuterRef("pk"))
    old = Notification.objects.filter(firm=firm_id, created_at__lt=cutoff.at)
    old = old.exclude(status__in=[Status.QUEUED, Status.EXPIRED])
    return old.exclude(Exists(deliveries.filter(sent_at__gte=cutoff.at)))


def _keys_due(firm_id: int, cutoff: Cutoff) -> "QuerySet[Notification]":
    made_before = cutoff.at - REMEMBERED
    keys = Notification.objects.filter(firm=firm_id, status=Status.EXPIRED)
    return keys.filter(created_at__lt=made_before)


def _delete(keys: Sequence[int], now: datetime) -> int:
    """Delete what was said and how it got there; the key stays."""
    gone = Delivery.objects.filter(notification__in=keys)
    Delivery.objects.filter(carried_by__in=gone.values("pk")).update(carried_by=None)
    gone._raw_delete(gone.db)
    return _empty(keys, now, status=Status.EXPIRED)


def _anonymise(keys: Sequence[int], now: datetime) -> int:
    """Forget what was said, and what a mail server answered: it may name the address."""
    sent = Delivery.objects.filter(notification__in=keys)
    sent.update(reason="", provider_id="")
    return _empty(keys, now)


def _empty(keys: Sequence[int], now: datetime, **facts: str) -> int:
    rows = Notification.objects.filter(pk__in=keys)
    return rows.update(context={}, emptied_at=now, **facts)


def _delete_keys(keys: Sequence[int], now: datetime) -> int:
    rows = Notification.objects.filter(pk__in=keys)
    rows._raw_delete(rows.db)
    return 0  # they counted when their messages went


EXPIRIES = (
    Expiry(
        RetentionPolicy.DataType.EMAILS,
        Notification,
        _due,
        _delete,
        _anonymise,
        anonymised=Q(emptied_at__isnull=False),
    ),
    Expiry(
        RetentionPolicy.DataType.EMAILS,
        Notification,
        _keys_due,
        _delete_keys,
        _delete_keys,
    ),
)
