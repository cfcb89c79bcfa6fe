"""What the inbox for webhooks holds about people."""

from collections.abc import Iterator

from apps.core.batches import by_key
from apps.core.personal import Found, Holding, read_text
from apps.webhooks.models import (
    GatewayAccount,
    WebhookEvent,
    WebhookFingerprint,
    WebhookRefusal,
)
from apps.webhooks.services import forget_somebody


def _events_speaking_of(found: Found) -> Iterator[int]:
    """Yield the keys of events in whose body, headers or error somebody is spoken of."""
    for event in by_key(WebhookEvent.objects.only("raw_body", "headers", "error")):
        texts = [read_text(bytes(event.raw_body)), *map(str, event.headers.values())]
        if any(map(found, [*texts, event.error])):
            yield event.pk


HOLDINGS = (
    Holding(
        WebhookEvent,
        told=("raw_body", "headers", "error"),
        plain=("account_key", "event_id", "type"),
        search=_events_speaking_of,
        retells=forget_somebody,
    ),
    Holding(WebhookFingerprint, plain=("account_key", "event_id")),
    Holding(WebhookRefusal, firm=""),
    Holding(GatewayAccount, secret=("credentials",)),
)
