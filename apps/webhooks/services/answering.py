"""Act on an event while its provider waits for the answer."""

import logging
from typing import cast

from django.db import transaction

from apps.core.days import Clock
from apps.webhooks.handling import Answering, handlers
from apps.webhooks.models import WebhookEvent

logger = logging.getLogger(__name__)

Status = WebhookEvent.Status


def act_at_once(*, event: WebhookEvent) -> str:
    """Act on an event that has just come, and return what its provider is to be answered.

    Status and effect are written together. After an error nothing is answered, and the event
    waits for ``process_webhook_events`` like any other.
    """
    clock = Clock.read()
    handler = cast("Answering", handlers()[event.provider])
    fresh = WebhookEvent.objects.filter(pk=event.pk, status=Status.RECEIVED)
    try:
        with transaction.atomic(durable=True):
            # Before anything else: this locks the row, and nobody acts on it beside us.
            if not fresh.update(status=Status.PROCESSED, processed_at=clock.now):
                return ""
            words = handler.answer(event, clock=clock)
            if words is None:
                WebhookEvent.objects.filter(pk=event.pk).update(status=Status.IGNORED)
    except Exception:
        logger.exception("%s could not be acted on at once", event)
        return ""
    return words or ""
