"""Take somebody who is erased out of the inbox."""

import json
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from apps.core.batches import batched, by_key
from apps.webhooks.models import WebhookEvent
from apps.webhooks.services.cleanup import delete_events

Without = Callable[[Any], Any]


def forget_somebody(events: "QuerySet[Any]", without: Without) -> int:
    """Let events go that speak of somebody, and return how many have gone.

    Of those that are finished the fingerprint stays, so that none is acted on twice. What
    something may still be done about stays, without the person: losing it may lose money.
    """
    these = WebhookEvent.objects.filter(pk__in=list(events.values_list("pk", flat=True)))
    for event in by_key(these.unfinished()):
        event.raw_body = _body_without(bytes(event.raw_body), without)
        event.headers, event.error = without(event.headers), without(event.error)
        event.save(update_fields=["raw_body", "headers", "error"])
    now = timezone.now()
    finished = these.finished()
    keys = list(finished.order_by("pk").values_list("pk", flat=True))
    return sum(delete_events(finished, page, now) for page in batched(keys))


def _body_without(raw: bytes, without: Without) -> bytes:
    """Return a body without somebody; JSON is read first, however its letters are escaped."""
    try:
        return json.dumps(without(json.loads(raw))).encode()
    except ValueError:
        return bytes(without(raw))
