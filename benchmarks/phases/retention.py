"""Letting data go, in phases."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction

from apps.audit.models import AuditEvent
from apps.firms.models import Firm, RetentionPolicy
from apps.notifications.models import Notification
from apps.privacy.models import RetentionRun
from benchmarks.phases.measuring import Figures, migrate, run_job, timed
from benchmarks.world import make_accounts, make_firms

MOMENT = datetime(2025, 3, 30, 1, tzinfo=UTC)
OLD = MOMENT - timedelta(days=400)  # too old for either policy, too young for a key to go
DAYS = {"audit_logs": 365, "emails": 90}
CONTACTS = 1_000

NUMBERS = """
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})
"""
_EVENTS = """
    INSERT INTO audit_auditevent
        (firm_id, actor_label, action, object_type, object_id, changes, reason, occurred_at)
    {numbers}
    SELECT %s, 'system', 'late_fee_applied', 'leasing.latefeeassessment', i,
        '{{"fee": "$75.00", "base": "$1500.00"}}', 'Five days late', %s
    FROM n
"""
MESSAGES = """
    INSERT INTO notifications_notification
        (firm_id, type, recipient_contact_id, recipient_key, dedupe_key, subject_type,
        subject_id, context, status, created_at, updated_at)
    {numbers}
    SELECT %s, 'invoice_issued', %s + i %% {contacts}, i, '{tag}:' || i, 'billing.invoice', i,
        '{{"number": "INV-2024-001", "total": "$1500.00", "due": "2024-03-01"}}', 'sent', %s, %s
    FROM n
"""
_DELIVERIES = """
    INSERT INTO notifications_delivery
        (firm_id, notification_id, channel, status, attempts, next_attempt_at, sent_at, reason,
        provider_id, created_at, updated_at)
    SELECT firm_id, id, 'email', 'sent', 1, created_at, created_at, '', '', created_at,
        created_at
    FROM notifications_notification
"""


def world(data_type: str, size: int) -> Figures:
    """Migrate, and make ``size`` rows that are too old, and some that stay."""
    migrate()
    firm, neighbour = make_firms(2)
    RetentionPolicy.objects.create(
        firm=firm, data_type=data_type, retention_days=DAYS[data_type]
    )
    for one in (firm, neighbour):
        make_accounts(one, range(CONTACTS))
    with transaction.atomic():
        _make(data_type, firm, size, OLD, "old")
        _make(data_type, firm, size // 10, MOMENT, "new")
        _make(data_type, neighbour, size // 10, OLD, "neighbour")
        if data_type == "emails":
            _execute(_DELIVERIES)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {}


def job(data_type: str) -> Figures:
    """Run the job, and count what it left as it was."""
    ran = run_job("execute_retention_policies", at=MOMENT.isoformat(), data_type=data_type)
    if data_type == "emails":
        left = Notification.objects.filter(emptied_at=None).count()
    else:
        left = AuditEvent.objects.count()
    return {**ran, "processed": RetentionRun.objects.get().processed, "left": left}


def floor(data_type: str) -> Figures:
    """Delete the same rows with one statement for each table, in one transaction."""
    return {"seconds": timed(partial(_delete, data_type))}


@transaction.atomic
def _delete(data_type: str) -> None:
    firm = Firm.objects.earliest("pk").pk
    if data_type == "audit_logs":
        _execute(
            "DELETE FROM audit_auditevent WHERE firm_id = %s AND occurred_at = %s", firm, OLD
        )
        return
    old = "notifications_notification WHERE firm_id = %s AND created_at = %s"
    _execute(
        f"DELETE FROM notifications_delivery WHERE notification_id IN (SELECT id FROM {old})",
        firm,
        OLD,
    )
    _execute(f"DELETE FROM {old}", firm, OLD)


def _make(data_type: str, firm: Firm, count: int, at: datetime, tag: str) -> None:
    numbers = NUMBERS.format(count=count)
    if data_type == "audit_logs":
        _execute(_EVENTS.format(numbers=numbers), firm.pk, at)
        return
    first = firm.contacts.earliest("pk").pk
    text = MESSAGES.format(numbers=numbers, contacts=CONTACTS, tag=tag)
    _execute(text, firm.pk, first, at, at)


def _execute(text: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, values)
