"""Which webhook events go when a firm's retention policy says so (spec D6, D9)."""

from collections.abc import Sequence
from datetime import datetime

from apps.core.personal import Cutoff, Expiry
from apps.firms.models import RetentionPolicy
from apps.webhooks.models import WebhookEvent, WebhookEventQuerySet
from apps.webhooks.services.cleanup import delete_events


def _due(firm_id: int, cutoff: Cutoff) -> WebhookEventQuerySet:
    events = WebhookEvent.objects.finished()
    return events.filter(firm=firm_id, received_at__lt=cutoff.at)


def _delete(keys: Sequence[int], now: datetime) -> int:
    return delete_events(WebhookEvent.objects.filter(pk__in=keys), keys, now)


def _anonymise(keys: Sequence[int], now: datetime) -> int:
    """Forget what events said. They stay known by their ids: none is acted on twice."""
    events = WebhookEvent.objects.filter(pk__in=keys)
    return events.update(raw_body=b"", headers={}, error="")


EXPIRIES = (
    Expiry(
        RetentionPolicy.DataType.WEBHOOKS,
        WebhookEvent,
        _due,
        _delete,
        _anonymise,
        anonymised=WebhookEvent.EMPTIED,
    ),
)
