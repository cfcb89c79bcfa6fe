"""Why a due message does not go out now: asked for many at once, just before sending."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from django.db import transaction
from django.db.models import TextChoices

from apps.core.days import DAY, local_instant, zone
from apps.core.problems import sentence
from apps.firms.models import Firm
from apps.notifications import channels
from apps.notifications.models import Channel, Delivery, Notification
from apps.notifications.services.outbox import NO_ADDRESS
from apps.notifications.services.wishes import Wishes, suppressed
from apps.notifications.types import NotificationType

logger = logging.getLogger(__name__)

EVENING, MORNING = time(21), time(8)  # quiet hours, local to the recipient (spec A10.6)


class Reason(TextChoices):
    """Why a delivery was not made, or not now."""

    TAKEN = "taken", "another run has it"
    NO_ADDRESS = "no_address", NO_ADDRESS
    SUPPRESSED = "suppressed", "suppressed"
    OPTED_OUT = "opted_out", "opted out"
    NOT_WANTED = "not_wanted", "no longer wanted"
    QUIET_HOURS = "quiet_hours", "quiet hours"
    LEFT = "left", "left for the next run"
    WILL_BE_RETRIED = "will_be_retried", "will be retried"
    BOUNCED = "bounced", "no such address"
    REFUSED = "refused", "refused for good"
    UNKNOWN = "unknown", "unknown whether it was sent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A delivery is closed with a status and a reason, or held until an instant.

    With an ``error`` it is left as it is: whether it should go out could not be found out.
    """

    reason: Reason
    detail: str
    status: Delivery.Status = Delivery.Status.SKIPPED
    until: datetime | None = None
    error: str = ""


def verdicts(
    deliveries: Sequence[Delivery],
    channel: Channel,
    types: Mapping[str, NotificationType],
    firms: Mapping[int, Firm],
    now: datetime,
) -> dict[int, Verdict]:
    """Return, by primary key, what keeps deliveries of one channel from being made.

    One query each for suppressions and wishes, and what the types ask for themselves.
    """
    found = _unreachable(deliveries, channel)
    open_ = [one for one in deliveries if one.pk not in found]
    wishes = Wishes.of((one.firm_id, one.notification.recipient_key) for one in open_)
    for delivery in open_:
        notification, type = delivery.notification, types[delivery.notification.type]
        firm = firms[delivery.firm_id]
        if not wishes.allow(firm.pk, notification.recipient_key, type, channel):
            found[delivery.pk] = Verdict(Reason.OPTED_OUT, "opted out")
        elif until := _quiet_until(notification, type, channel, firm, now):
            found[delivery.pk] = Verdict(Reason.QUIET_HOURS, "", until=until)
    return found | _unwanted([one for one in open_ if one.pk not in found], types)


def quiet_until(now: datetime, zone_name: str) -> datetime | None:
    """Return when quiet hours end for a recipient, or nothing outside them.

    From 21:00 to 08:00 on the recipient's clock; the end is the next local 08:00, also in
    the nights in which the clocks change.
    """
    local = now.astimezone(zone(zone_name))
    if MORNING <= local.time() < EVENING:
        return None
    day = local.date() + DAY if local.time() >= EVENING else local.date()
    return local_instant(day, MORNING, zone_name)


def _unreachable(deliveries: Sequence[Delivery], channel: Channel) -> dict[int, Verdict]:
    if channel == Channel.IN_APP:
        return {}
    addresses = {
        one.pk: (one.firm_id, channels.address(one.notification.recipient, channel))
        for one in deliveries
    }
    blocked = suppressed(channel, {pair for pair in addresses.values() if pair[1]})
    status = Delivery.Status
    return {
        pk: Verdict(Reason.SUPPRESSED, "suppressed", status.SUPPRESSED)
        if pair[1]
        else Verdict(Reason.NO_ADDRESS, NO_ADDRESS)
        for pk, pair in addresses.items()
        if not pair[1] or pair in blocked
    }


def _quiet_until(
    notification: Notification,
    type: NotificationType,
    channel: Channel,
    firm: Firm,
    now: datetime,
) -> datetime | None:
    if channel == Channel.IN_APP or type.ignores_quiet_hours:
        return None
    if not channels.FACTS[channel].always_quiet and not firm.settings.email_quiet_hours:
        return None
    return quiet_until(now, notification.zone_name(firm))


def _unwanted(
    deliveries: Iterable[Delivery], types: Mapping[str, NotificationType]
) -> dict[int, Verdict]:
    """Ask each type about all of its messages at once."""
    by_type: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        if types[delivery.notification.type].still_wanted:
            by_type[delivery.notification.type].append(delivery)
    found: dict[int, Verdict] = {}
    for name, some in by_type.items():
        ask = types[name].still_wanted
        assert ask is not None
        try:
            with transaction.atomic():
                unwanted = ask([one.notification for one in some])
        except Exception as error:
            logger.error("%s: still wanted?", name, exc_info=error)
            nobody_knows = Verdict(Reason.NOT_WANTED, "", error=sentence(error))
            found |= dict.fromkeys((one.pk for one in some), nobody_knows)
            continue
        for delivery in some:
            if why := unwanted.get(delivery.notification_id):
                found[delivery.pk] = Verdict(Reason.NOT_WANTED, why)
    return found
