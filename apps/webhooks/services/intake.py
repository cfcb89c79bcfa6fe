"""Take in what providers send: check, keep, answer. Acting on it is another job (spec D9)."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, connections, router, transaction

from apps.webhooks.models import (
    GatewayAccount,
    WebhookEvent,
    WebhookFingerprint,
    WebhookRefusal,
)
from apps.webhooks.services.accounts import find_addressee
from apps.webhooks.services.senders import SENDERS, Facts, Incoming, Reason, Refused, clean

MOST_BYTES = 256 * 1024  # of a body; the providers' own stay far below
OTHER_MODE = "Its mode, test or live, is not its account's."

_KEPT_HEADERS = ("Content-Type", "User-Agent", "Stripe-Signature", "Callback-Signature")
_LONGEST_HEADER = 1000  # characters
ASKED_FOR = "Path"  # among an event's headers: what was asked for, if it has a query

_COUNT = """
    INSERT INTO webhooks_webhookrefusal (provider, reason, day, count)
    VALUES (%s, %s, %s, 1)
    ON CONFLICT (provider, reason, day)
    DO UPDATE SET count = webhooks_webhookrefusal.count + 1
"""  # the ORM cannot add to a row that may not be there yet

Status = WebhookEvent.Status


def receive(
    *,
    provider: str,
    key: UUID | None,
    raw: bytes,
    path: str,
    headers: Mapping[str, str],
    now: datetime,
) -> WebhookEvent | None:
    """Keep an event of the account that ``key`` names; None when it has been here before.

    ``path`` is what was asked for, with its query: some sign it, and tell by it.

    The signature is checked on the raw bytes before anything is read from them. A repeated
    event changes nothing, not even if it is repeated in the same moment. One of the other
    mode is kept as *ignored*: Stripe sends test events to live addresses too, and gives an
    address up that refuses them. Raises ``Refused``.
    """
    sender = SENDERS[provider]
    account = find_addressee(provider=provider, key=key)
    if account is None:
        raise Refused(Reason.UNKNOWN_ACCOUNT)
    signature = headers.get(sender.header, "")
    sender.check(Incoming(raw, path), signature, account.credentials)
    facts = sender.read(sender.parse(raw), raw)
    event = _event(account, facts, raw, headers, now)
    if "?" in path:
        event.headers[ASKED_FOR] = clean(path)[:_LONGEST_HEADER]
    return event if _keep(event) else None


def count_refusal(*, provider: str, reason: Reason, now: datetime) -> None:
    """Add one to the day's refusals, in a single statement that needs no row to be there."""
    with connections[router.db_for_write(WebhookRefusal)].cursor() as cursor:
        cursor.execute(_COUNT, [provider, str(reason), now.date()])


# ---- inside -------------------------------------------------------------------------------


def _event(
    account: GatewayAccount,
    facts: Facts,
    raw: bytes,
    headers: Mapping[str, str],
    now: datetime,
) -> WebhookEvent:
    event = WebhookEvent(
        firm_id=account.firm_id,
        provider=account.provider,
        account_key=str(account.key),
        event_id=facts.event_id,
        type=facts.type,
        raw_body=raw,
        headers={
            name: clean(value)[:_LONGEST_HEADER]
            for name in _KEPT_HEADERS
            if (value := headers.get(name))
        },
        received_at=now,
        next_attempt_at=now,
    )
    if facts.livemode not in {None, account.livemode}:
        event.status, event.error, event.processed_at = Status.IGNORED, OTHER_MODE, now
    return event


def _keep(event: WebhookEvent) -> bool:
    identity = {
        "provider": event.provider,
        "account_key": event.account_key,
        "event_id": event.event_id,
    }
    here = WebhookEvent.objects.filter(**identity)
    known = WebhookFingerprint.objects.filter(**identity)
    if here.exists() or known.exists():
        return False
    try:
        with transaction.atomic():
            event.save(force_insert=True)
            # Once more: cleanup_webhook_events may have replaced the event by its
            # fingerprint since we looked, and only now do we see what it committed.
            if gone := known.exists():
                transaction.set_rollback(True)
    except IntegrityError:
        return False
    return not gone
