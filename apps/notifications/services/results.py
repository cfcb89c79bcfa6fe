"""Write down what became of deliveries; their notifications follow."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from apps.notifications.models import Delivery, Notification
from apps.notifications.services.outbox import NO_ADDRESS

_TOLD = {Delivery.Status.SENT, Delivery.Status.DELIVERED}


def close(pks: Collection[int], status: Delivery.Status, reason: str, now: datetime) -> None:
    """Give deliveries their final status."""
    if not pks:
        return
    Delivery.objects.filter(pk__in=pks).update(
        status=status,
        reason=reason[:120],
        claimed_at=None,
        sent_at=now if status in _TOLD else None,
        updated_at=now,
    )


def follow(notifications: Iterable[int], now: datetime) -> None:
    """Bring the status of notifications in line with their deliveries.

    The rows are locked first: two workers who finish two channels of one notification must
    see each other's result.
    """
    wanted = set(notifications)
    if not wanted:
        return
    rows = Notification.objects.filter(pk__in=wanted).select_for_update().order_by("pk")
    before = dict(rows.values_list("pk", "status"))
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for pk, status, reason in Delivery.objects.filter(notification__in=wanted).values_list(
        "notification_id", "status", "reason"
    ):
        found[pk].append((status, reason))
    changed: dict[str, list[int]] = defaultdict(list)
    for pk, deliveries in found.items():
        if (after := status_after(deliveries)) != before[pk]:
            changed[after].append(pk)
    for status, pks in changed.items():
        Notification.objects.filter(pk__in=pks).update(status=status, updated_at=now)


def status_after(deliveries: Collection[tuple[str, str]]) -> Notification.Status:
    """Return what a notification is when its deliveries have these statuses and reasons.

    While any channel is open it is queued; then told on one channel is told.
    """
    statuses = {status for status, _ in deliveries}
    one, whole = Delivery.Status, Notification.Status
    if statuses & {one.QUEUED, one.SENDING}:
        return whole.QUEUED
    if statuses & _TOLD:
        return whole.SENT
    if one.FAILED in statuses:
        return whole.FAILED
    if one.SUPPRESSED in statuses:
        return whole.SUPPRESSED
    if any(reason != NO_ADDRESS for _, reason in deliveries):
        return whole.SKIPPED
    return whole.UNDELIVERABLE
