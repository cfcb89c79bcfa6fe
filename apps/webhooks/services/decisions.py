"""What people decide about events that could not be processed."""

from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.core.problems import Problem
from apps.firms.models import User
from apps.webhooks.models import WebhookEvent

Status = WebhookEvent.Status


def process_again(*, event: WebhookEvent, actor: User | None, now: datetime) -> None:
    """Let the next run process a failed or given-up event as if it had just come.

    Raises ``Problem`` for any other.
    """
    with transaction.atomic():
        same = WebhookEvent.objects.filter(pk=event.pk, status__in=[Status.FAILED, Status.DEAD])
        if same.emptied().exists():
            raise Problem("what it said has gone by the firm's retention policy")
        if not same.update(status=Status.RECEIVED, attempts=0, next_attempt_at=now):
            raise Problem("only a failed or given-up event is processed again")
        record("webhook_event_processed_again", event, actor=actor)


def give_up(*, event: WebhookEvent, actor: User | None, reason: str) -> None:
    """Give up an event that waits for another try or has had its last.

    It is then as old as its cleaning up allows. Raises ``Problem`` for any other.
    """
    with transaction.atomic():
        same = WebhookEvent.objects.filter(
            pk=event.pk, status__in=[Status.RECEIVED, Status.FAILED]
        )
        if not same.update(status=Status.DEAD):
            raise Problem("only a waiting or failed event is given up")
        record("webhook_event_given_up", event, actor=actor, reason=reason)
