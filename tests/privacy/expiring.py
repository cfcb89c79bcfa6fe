"""Rows of every type of data, as old as a test says, and the job that lets them go."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db.models import Model

from apps.audit.models import AuditEvent
from apps.core import bulk
from apps.documents.models import Document
from apps.firms.models import Firm, UserSession
from apps.notifications.models import Notification
from apps.privacy.models import RetentionRun
from apps.webhooks.models import WebhookEvent
from tests.factories import (
    AuditEventFactory,
    ContactFactory,
    DeliveryFactory,
    DocumentFactory,
    NotificationFactory,
    RetentionPolicyFactory,
    UserFactory,
    WebhookEventFactory,
)

NOW = datetime(2025, 3, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LONG_AGO = NOW - 1000 * DAY


def run(*, now: datetime = NOW, says: list[str] | None = None, **options: Any) -> str:
    """Run the command and return what it printed; ``says`` gets it also when it fails."""
    out = io.StringIO()
    try:
        with time_machine.travel(now, tick=False):
            call_command("execute_retention_policies", stdout=out, **options)
    finally:
        if says is not None:
            says.append(out.getvalue())
    return out.getvalue()


def policy(firm: Firm, data_type: str = "emails", days: int = 90, **facts: Any) -> Any:
    """Give a firm a policy; audit logs are kept for a year at least."""
    days = max(days, 365) if data_type == "audit_logs" else days
    return RetentionPolicyFactory(firm=firm, data_type=data_type, retention_days=days, **facts)


# ---- old rows, by type of data ------------------------------------------------------------


def message(firm: Firm, at: datetime = LONG_AGO, **facts: Any) -> Notification:
    """A message that was made and sent at that time."""
    facts.setdefault("recipient_contact", ContactFactory(firm=firm))
    facts.setdefault("status", "sent")
    said: Notification = NotificationFactory(
        firm=firm, created_at=at, context={"name": "Ada"}, **facts
    )
    DeliveryFactory(notification=said, status="sent", sent_at=at, reason="250 ada@example.com")
    return said


def text(firm: Firm, at: datetime = LONG_AGO, **facts: Any) -> Document:
    """A text that was filed at that time."""
    filed: Document = DocumentFactory(firm=firm, created_at=at, **facts)
    return filed


def event(firm: Firm, at: datetime = LONG_AGO, **facts: Any) -> AuditEvent:
    """Something that was done at that time."""
    done: AuditEvent = AuditEventFactory(firm=firm, occurred_at=at, **facts)
    return done


def webhook(firm: Firm, at: datetime = LONG_AGO, **facts: Any) -> WebhookEvent:
    """An event that arrived at that time, and was processed."""
    facts.setdefault("status", "processed")
    arrived: WebhookEvent = WebhookEventFactory(firm=firm, received_at=at, **facts)
    return arrived


def session(firm: Firm | None, at: datetime = LONG_AGO, **facts: Any) -> UserSession:
    """A sign-in that was over at that time, and the session itself."""
    key = f"session-{UserSession.objects.count()}"
    facts.setdefault("user", UserFactory())
    Session.objects.create(session_key=key, session_data="", expire_date=at)
    return UserSession.objects.create(
        firm=firm, session_key=key, last_activity_at=at, expires_at=at, **facts
    )


def make_events(firm: Firm, count: int, at: datetime = LONG_AGO) -> None:
    """Insert events of the audit trail, quickly."""
    columns = ("firm", "actor_label", "action", "object_type", "object_id", "occurred_at")
    rows = ((firm.pk, "system", "x", "leasing.lease", str(n), at) for n in range(count))
    bulk.insert(AuditEvent, columns, rows)


MAKE: dict[str, Callable[..., Model]] = {
    "emails": message,
    "documents": text,
    "audit_logs": event,
    "webhooks": webhook,
    "sessions": session,
}
TYPES = list(MAKE)


def is_there(row: Any) -> bool:
    """Whether a row is as it was made: neither gone nor emptied."""
    if isinstance(row, Notification):
        return Notification.objects.filter(pk=row.pk, emptied_at=None).exists()
    if isinstance(row, Document):
        return Document.objects.available().filter(pk=row.pk).exists()
    return bool(type(row).objects.filter(pk=row.pk).exists())


def figures(**of: Any) -> list[tuple[str, int, int, int]]:
    """Return type, processed, held and failed of the record, in the order of its writing."""
    rows = RetentionRun.objects.filter(**of).order_by("pk")
    return list(rows.values_list("data_type", "processed", "held", "failed"))
