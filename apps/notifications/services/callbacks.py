"""What the carrier tells of text messages: how ours fared, what people answer (A10.4)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db.models import Q
from django.http import QueryDict

from apps.core.days import Clock
from apps.notifications.models import Channel, Delivery, Suppression
from apps.notifications.services.answers import hear
from apps.notifications.services.letters import find_by_reference
from apps.notifications.services.results import follow
from apps.notifications.services.wishes import suppress
from apps.notifications.sms import REFERENCE
from apps.webhooks.models import WebhookEvent
from apps.webhooks.services import ASKED_FOR

Status = Delivery.Status

# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
_ARRIVED = frozenset({"delivered", "read"})
_LOST = frozenset({"undelivered", "failed", "canceled"})
_WHY = {
    "21610": Suppression.Reason.OPT_OUT,
    "21211": Suppression.Reason.HARD_BOUNCE,
    "21614": Suppression.Reason.HARD_BOUNCE,
    "30005": Suppression.Reason.HARD_BOUNCE,  # nobody has this number
    "30006": Suppression.Reason.HARD_BOUNCE,  # a landline
}


class TextEvents:
    """Acts on Twilio's events as they come: whoever writes STOP means now."""

    def prepare(self, events: Sequence[WebhookEvent]) -> Mapping[int, Callable[[], None]]:
        """Nothing has to be asked: an event tells all there is."""
        return {event.pk: lambda: None for event in events}

    def apply(self, event: WebhookEvent, fetched: Any, *, clock: Clock) -> bool:
        """Do what ``answer`` could not when the event came; nobody is answered any more."""
        return self.answer(event, clock=clock) is not None

    def answer(self, event: WebhookEvent, *, clock: Clock) -> str | None:
        """Take in an answer of somebody's, or the new state of one of our messages."""
        told = QueryDict(bytes(event.raw_body)).dict()
        if "MessageStatus" not in told:
            return hear(event=event, told=told, clock=clock)
        return "" if _take_in(event, told, clock) else None


def _take_in(event: WebhookEvent, told: Mapping[str, str], clock: Clock) -> bool:
    """Write down a message's new state; False for a message that is not ours.

    States come unordered: what has arrived or is lost stays so. A message whose answer was
    lost is found by the address that its callback was sent to, and is sent after all.
    """
    delivery = _delivery(event, told)
    if delivery is None:
        return False
    state, now = told["MessageStatus"], clock.now
    row = Delivery.objects.filter(pk=delivery.pk)
    open_ = Q(status__in=[Status.SENDING, Status.SENT]) | _UNKNOWN
    facts: dict[str, Any] = {"provider_id": told["MessageSid"], "updated_at": now}
    if state in _ARRIVED:
        changed = row.filter(open_).update(
            status=Status.DELIVERED, reason="", claimed_at=None, sent_at=now, **facts
        )
    elif state in _LOST:
        code = told.get("ErrorCode", "")
        changed = row.filter(open_).update(
            status=Status.FAILED, reason=f"{state} {code}".strip(), claimed_at=None, **facts
        )
        if changed and code in _WHY and told.get("To"):
            suppress(
                firm_id=delivery.firm_id,
                channel=Channel.SMS,
                address=told["To"],
                reason=_WHY[code],
            )
    else:
        changed = row.filter(_UNKNOWN).update(
            status=Status.SENT, reason="", sent_at=now, **facts
        )
    if changed:
        follow([delivery.notification_id, *_carried(delivery)], now)
    return True


_UNKNOWN = Q(status=Status.FAILED, reason__startswith="unknown")


def _carried(delivery: Delivery) -> list[int]:
    """Let what the same message said as well share its state, and return whose those are."""
    same = Delivery.objects.filter(pk=delivery.pk).values("status", "reason", "sent_at")[0]
    others = Delivery.objects.filter(carried_by=delivery.pk)
    others.update(**same)
    return list(others.values_list("notification_id", flat=True))


def _delivery(event: WebhookEvent, told: Mapping[str, str]) -> Delivery | None:
    """Return our message that an event is about, of the firm whose account told it."""
    query = parse_qs(urlsplit(event.headers.get(ASKED_FOR, "")).query)
    name = query.get(REFERENCE, [""])[0]
    if event.firm_id is None:  # the platform sends no text messages
        return None
    return find_by_reference(name, Channel.SMS, firm_id=event.firm_id)
