"""Put messages into the outbox, in the transaction of what they tell about."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model, Value
from django.db.models.functions import Concat
from django.utils import timezone

from apps.contacts.models import Contact
from apps.core import batches, bulk
from apps.firms.models import User
from apps.notifications import channels
from apps.notifications.models import Channel, Delivery, Notification
from apps.notifications.services.wishes import Wishes
from apps.notifications.types import NotificationType

NO_ADDRESS = "no address"


@dataclass(frozen=True, slots=True)
class Draft:
    """One thing to tell one recipient; the key names the business fact (spec A10.2)."""

    type: NotificationType
    firm_id: int
    recipient: Contact | User
    dedupe_key: str
    about: Model | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[Channel, ...] | None = None  # None: the type's own
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A notification that is now in the outbox, and the channels it will use."""

    draft: Draft
    notification_id: int
    channels: tuple[Channel, ...]


Key = tuple[int, str, str, str]  # firm, type, recipient, dedupe key


def notify(drafts: Sequence[Draft]) -> list[Planned]:
    """Put messages into the outbox and return those that are new.

    A draft whose key exists already is silently left out. The number of statements grows
    with batches of 500, not with drafts. Must run inside the transaction of the effect, so
    that both are there or neither. An in-app message is delivered by being committed; the
    other channels are the work of ``deliver_notifications``.
    """
    now = timezone.now()
    return [
        planned for batch in batches.batched(drafts) for planned in _notify_batch(batch, now)
    ]


def recipient_key(recipient: Contact | User) -> str:
    """Return the name of a recipient in keys and preferences: ``contact:12``, ``user:3``."""
    kind = "contact" if isinstance(recipient, Contact) else "user"
    return f"{kind}:{recipient.pk}"


def _notify_batch(drafts: Sequence[Draft], now: datetime) -> list[Planned]:
    """Insert what is new. Another process may insert the same just then: look again."""
    by_key: dict[Key, Draft] = {}
    for draft in drafts:
        key = (draft.firm_id, draft.type.name, recipient_key(draft.recipient), draft.dedupe_key)
        by_key.setdefault(key, draft)
    known: set[Key] | None = None
    while True:
        known_before, known = known, _known(by_key)
        new = {key: draft for key, draft in by_key.items() if key not in known}
        try:
            with transaction.atomic():
                return _insert(new, now)
        except IntegrityError:
            if known == known_before:
                raise  # nobody else's doing


def _known(keys: Iterable[Key]) -> set[Key]:
    """Return which keys exist.

    The index finds the recipients; recipient and key are then compared as one text, because
    of two lists of 500 a database may try all 250,000 pairs.
    """
    firms, types, recipients, _ = map(set, zip(*keys, strict=True))
    found = (
        Notification.objects.alias(pair=Concat("recipient_key", Value(" "), "dedupe_key"))
        .filter(
            firm__in=firms,
            type__in=types,
            recipient_key__in=recipients,
            pair__in=[f"{recipient} {key}" for _, _, recipient, key in keys],
        )
        .values_list("firm_id", "type", "recipient_key", "dedupe_key")
    )
    return set(found)


def _insert(new: Mapping[Key, Draft], now: datetime) -> list[Planned]:
    if not new:
        return []
    wishes = Wishes.of((firm_id, recipient) for firm_id, _, recipient, _ in new)
    here = channels.available(
        {draft.firm_id for draft in new.values()},
        {channel for draft in new.values() for channel in _wanted(draft)},
    )
    choices = {key: _choose(draft, key[2], wishes, here) for key, draft in new.items()}
    # Sorted, or two processes could wait for each other's rows for ever.
    ordered = sorted(new)
    rows = [_row(new[key], key, choices[key][0], now) for key in ordered]
    pks = dict(zip(ordered, bulk.insert(Notification, _COLUMNS, rows), strict=True))
    deliveries = [
        delivery
        for key, (used, unusable) in choices.items()
        for delivery in _deliveries(new[key], pks[key], used, unusable, now)
    ]
    bulk.insert(Delivery, _DELIVERY_COLUMNS, deliveries)
    return [Planned(draft, pks[key], choices[key][0]) for key, draft in new.items()]


def _wanted(draft: Draft) -> tuple[Channel, ...]:
    return draft.channels or draft.type.channels


def _choose(
    draft: Draft, recipient: str, wishes: Wishes, here: Container[tuple[int, Channel]]
) -> tuple[tuple[Channel, ...], tuple[Channel, ...]]:
    """Return the channels a draft will use, and those that lack only an address.

    Requested, available, wanted, reachable (spec A10.3).
    """
    wanted = [
        channel
        for channel in _wanted(draft)
        if (draft.firm_id, channel) in here
        and wishes.allow(draft.firm_id, recipient, draft.type, channel)
    ]
    reachable = [one for one in wanted if channels.reachable(draft.recipient, one)]
    return tuple(reachable), tuple(one for one in wanted if one not in reachable)


_COLUMNS = (
    "firm", "type", "recipient_contact", "recipient_user", "recipient_key", "dedupe_key",
    "subject_type", "subject_id", "context", "not_before", "status",
)  # fmt: skip


def _row(draft: Draft, key: Key, used: Sequence[Channel], now: datetime) -> tuple[object, ...]:
    recipient, about = draft.recipient, draft.about
    is_contact = isinstance(recipient, Contact)
    status = Notification.Status.QUEUED
    if not used:
        status = Notification.Status.UNDELIVERABLE
    elif all(_is_there_at_once(one, draft.not_before, now) for one in used):
        status = Notification.Status.SENT
    return (
        draft.firm_id,
        draft.type.name,
        recipient.pk if is_contact else None,
        None if is_contact else recipient.pk,
        key[2],
        draft.dedupe_key,
        about._meta.label_lower if about else "",
        str(about.pk) if about else "",
        dict(draft.context),
        draft.not_before,
        status,
    )


_DELIVERY_COLUMNS = (
    "firm", "notification", "channel", "status", "next_attempt_at", "sent_at", "reason"
)  # fmt: skip


def _deliveries(
    draft: Draft,
    pk: int,
    used: Iterable[Channel],
    unusable: Iterable[Channel],
    now: datetime,
) -> Iterator[tuple[object, ...]]:
    firm, status = draft.firm_id, Delivery.Status
    due = max(draft.not_before, now) if draft.not_before else now
    for channel in used:
        if _is_there_at_once(channel, draft.not_before, now):
            yield (firm, pk, channel, status.DELIVERED, now, now, "")
        else:
            yield (firm, pk, channel, status.QUEUED, due, None, "")
    for channel in unusable:
        yield (firm, pk, channel, status.SKIPPED, now, None, NO_ADDRESS)


def _is_there_at_once(channel: Channel, not_before: datetime | None, now: datetime) -> bool:
    return channel == Channel.IN_APP and (not_before is None or not_before <= now)
