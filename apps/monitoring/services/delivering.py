"""Send what has to be told, past the outbox and the queue: those may be what is dead."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.db.models import F

from apps.core.problems import sentence
from apps.installations.leaving import is_strange
from apps.monitoring import channels
from apps.monitoring.channels import Undelivered
from apps.monitoring.models import Delivery

logger = logging.getLogger(__name__)

CLAIM = timedelta(minutes=5)  # longer than sending one takes; then its sender has died
# Minutes until it is tried again; about a day altogether. Then a reminder is due anyway.
BACK_OFF = (1, 2, 5, 15, 60, 180, 360, 720)
AT_ONCE = 20  # a look must not take long

SENDERS: Mapping[str, Callable[..., None]] = {
    Delivery.Channel.EMAIL: channels.send_email,
    Delivery.Channel.WEBHOOK: channels.send_webhook,
}


def deliver(*, now: datetime) -> None:
    """Send the messages that are due. Never raises for one that does not get through.

    Not to be called inside a transaction. Each is claimed by a conditional update, so of
    several processes one sends it. Who dies in between leaves it due again after five
    minutes; then it is sent once more with the same id. From a machine that the database does
    not know nothing is sent, and nothing is claimed.
    """
    if is_strange():
        return
    waiting = Delivery.objects.filter(state=Delivery.State.WAITING, due_at__lte=now)
    for delivery in waiting.order_by("due_at", "pk")[:AT_ONCE]:
        mine = waiting.filter(pk=delivery.pk, due_at=delivery.due_at)
        if mine.update(due_at=now + CLAIM, attempts=F("attempts") + 1):
            _send(delivery, now)


def _send(delivery: Delivery, now: datetime) -> None:
    mine = Delivery.objects.filter(pk=delivery.pk, due_at=now + CLAIM)
    try:
        SENDERS[delivery.channel](delivery, now=now)
    except Exception as error:  # one channel must not stop the other
        why = sentence(error)[:200]
        final = isinstance(error, Undelivered) and error.final
        again = None if final else _next_attempt(delivery.attempts, now)
        logger.warning("An alert was not delivered by %s: %s", delivery.channel, why)
        if again is None:
            logger.error("An alert by %s is given up", delivery.channel)
            mine.update(state=Delivery.State.GIVEN_UP, problem=why)
        else:
            mine.update(due_at=again, problem=why)
    else:
        mine.update(state=Delivery.State.SENT, sent_at=now, problem="")


def _next_attempt(failed: int, now: datetime) -> datetime | None:
    """Return when to try again after so many failures before this one."""
    return now + timedelta(minutes=BACK_OFF[failed]) if failed < len(BACK_OFF) else None
