"""From due deliveries to messages ready to send: who shares one, and what it says."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from apps.core.problems import Problem
from apps.core.reports import Item, Subject
from apps.firms.models import Firm, FirmSettings
from apps.notifications import channels
from apps.notifications.models import Channel, Delivery
from apps.notifications.sending import Letter, Sender
from apps.notifications.services.wishes import unsubscribe_token
from apps.notifications.types import NotificationType

logger = logging.getLogger(__name__)

_DIGITS = 18  # what fits a primary key


@dataclass(eq=False, slots=True)
class Parcel:
    """A delivery on its way: the first of a message carries the others."""

    delivery: Delivery
    message: Any = None
    crew: list["Item[Parcel]"] = field(default_factory=list)

    @property
    def subject(self) -> Subject:
        """What the record shows: whom it is for, but never the address."""
        delivery, notification = self.delivery, self.delivery.notification
        label = f"{notification.type} to {notification.recipient_key.replace(':', ' ')}"
        return Subject.of(delivery, label=label)


def group(
    items: "Sequence[Item[Parcel]]", types: Mapping[str, NotificationType]
) -> "list[list[Item[Parcel]]]":
    """Put together what becomes one message; each list begins with the one that carries it.

    Digestable messages of one type for one recipient go together (spec A10.7). What was
    tried before stays as it was, so that trying again sends the same message.
    """
    groups: dict[tuple[Any, ...], list[Item[Parcel]]] = defaultdict(list)
    for item in sorted(items, key=lambda one: one.thing.delivery.pk):
        delivery = item.thing.delivery
        notification = delivery.notification
        if delivery.attempts:
            key: tuple[Any, ...] = (delivery.carried_by_id or delivery.pk,)
        elif types[notification.type].digestable:
            key = (delivery.firm_id, notification.type, notification.recipient_key)
        else:
            key = (delivery.pk,)
        groups[key].append(item)
    return list(groups.values())


def write(
    crew: "Sequence[Item[Parcel]]",
    sender: Sender,
    types: Mapping[str, NotificationType],
    firms: Mapping[int, Firm],
) -> Exception | None:
    """Write the message of one group, or return why that is not possible."""
    lead = crew[0].thing
    delivery, notification = lead.delivery, lead.delivery.notification
    type, firm = types[notification.type], firms[delivery.firm_id]
    token = ""
    if type.may_opt_out:
        token = unsubscribe_token(
            firm_id=firm.pk,
            recipient_key=notification.recipient_key,
            category=type.category,
        )
    try:
        letter = Letter(
            reference=reference(delivery),
            address=channels.address(notification.recipient, Channel(delivery.channel)),
            words=type.write([item.thing.delivery.notification for item in crew]),
            firm=firm,
            reply_to="" if type.from_platform else firm.settings.reply_to,
            unsubscribe=token,
            from_platform=type.from_platform,
        )
        lead.message, lead.crew = sender.compose(letter), list(crew)
    except Exception as error:
        logger.error("Delivery %d cannot be written", delivery.pk, exc_info=error)
        return error if isinstance(error, Problem) else Problem("cannot be written")
    return None


def reference(delivery: Delivery) -> str:
    """Return the name of a delivery to the outside: the same however often it is sent.

    E-mail makes its Message-ID of it. The instant keeps two databases that both count from 1
    apart.
    """
    return f"delivery-{delivery.pk}-{delivery.created_at.astimezone(UTC):%Y%m%d%H%M%S%f}"


def find_by_reference(name: str, channel: Channel, *, firm_id: int | None) -> Delivery | None:
    """Return the delivery of that name, of a firm if one is given; no other has it."""
    parts = name.split("-")
    if len(parts) != 3 or not parts[1].isdecimal() or len(parts[1]) > _DIGITS:
        return None
    found = Delivery.objects.with_recipients().filter(channel=channel, pk=int(parts[1]))
    if firm_id is not None:
        found = found.filter(firm=firm_id)
    delivery = found.first()
    return delivery if delivery and reference(delivery) == name else None


def know_firms(deliveries: Sequence[Delivery], known: dict[int, Firm]) -> None:
    """Give every notification its firm, with its settings; a new one costs one query."""
    missing = {one.firm_id for one in deliveries} - known.keys()
    if missing:
        for firm in Firm.objects.select_related("settings").filter(pk__in=missing):
            if not hasattr(firm, "settings"):
                firm.settings = FirmSettings(firm=firm)
            known[firm.pk] = firm
    for delivery in deliveries:
        delivery.notification.firm = known[delivery.firm_id]
