"""Which events of the audit trail go when a firm's retention policy says so (spec D6)."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from apps.audit.models import AuditEvent
from apps.core.personal import Cutoff, Expiry
from apps.firms.models import RetentionPolicy


def _due(firm_id: int, cutoff: Cutoff) -> "QuerySet[AuditEvent]":
    return AuditEvent.objects.filter(firm=firm_id, occurred_at__lt=cutoff.at)


def _delete(keys: Sequence[int], now: datetime) -> int:
    """Delete in bulk: ``AuditEvent.delete`` refuses, so that nothing else ever does."""
    events = AuditEvent.objects.filter(pk__in=keys)
    return events._raw_delete(events.db)


def _anonymise(keys: Sequence[int], now: datetime) -> int:
    """Keep what was done to what and when; forget who did it, to which value and why."""
    events = AuditEvent.objects.filter(pk__in=keys)
    return events.update(actor=None, actor_label="", changes={}, reason="")


EXPIRIES = (
    Expiry(
        RetentionPolicy.DataType.AUDIT_LOGS,
        AuditEvent,
        _due,
        _delete,
        _anonymise,
        anonymised=Q(actor_label=""),
    ),
)
