"""Acme's data of long ago, which its retention policies let go but for a dispute (spec E3.1).

The webhook events that are too old are in the inbox's part of the demo world.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.core.demo import World
from apps.documents.models import Document, fingerprint
from apps.firms.models import Firm, LegalHold, User, UserSession
from apps.notifications.models import Channel, Delivery, Notification
from apps.notifications.services import recipient_key
from apps.privacy.services import place_hold

SESSION = "demo-session-"


def seed(world: World) -> None:
    """Make what is old, and the hold on some of it."""
    facts = world.fixture("privacy")
    firm = Firm.objects.get(slug=facts["firm"])
    makers: dict[str, Callable[[Firm, dict[str, Any], datetime], object]] = {
        "emails": _make_message,
        "documents": _make_document,
        "audit_logs": _make_event,
        "sessions": _make_session,
    }
    for data_type, make in makers.items():
        for entry in facts["old"][data_type]:
            make(firm, entry, _ago(world, entry))
    _place_hold(firm, facts["hold"], _ago(world, facts["hold"]))
    world.count("records too old to keep", sum(map(len, facts["old"].values())))


def clear() -> None:
    """Remove the demo sessions: no firm takes them along."""
    Session.objects.filter(session_key__startswith=SESSION).delete()


def _ago(world: World, entry: dict[str, Any]) -> datetime:
    return world.clock.now - timedelta(days=entry["days_ago"])


def _make_message(firm: Firm, entry: dict[str, Any], at: datetime) -> None:
    client = Contact.objects.get(firm=firm, display_name=entry["to"])
    context = {
        "firm": firm.name,
        "number": entry["number"],
        "engagement": entry["engagement"],
        "start": str(at.date()),
        "end": str((at + timedelta(days=30)).date()),
        "due": str((at + timedelta(days=30)).date()),
        "total": entry["total"],
        "balance": entry["total"],
        "tax": "",
        "paid": False,
        "charge_on": "",
    }
    said = Notification.objects.create(
        firm=firm,
        type="package_invoice_issued",
        recipient_contact=client,
        recipient_key=recipient_key(client),
        dedupe_key=f"invoice-issued:{entry['number']}",
        context=context,
        status=Notification.Status.SENT,
        created_at=at,
    )
    Delivery.objects.create(
        firm=firm,
        notification=said,
        channel=Channel.EMAIL,
        status=Delivery.Status.SENT,
        attempts=1,
        next_attempt_at=at,
        sent_at=at,
        created_at=at,
    )


def _make_document(firm: Firm, entry: dict[str, Any], at: datetime) -> None:
    Document.objects.create(
        firm=firm,
        owner=Contact.objects.get(firm=firm, display_name=entry["owner"]),
        title=entry["title"],
        text=entry["text"],
        sha256=fingerprint(entry["text"]),
        created_at=at,
    )


def _make_event(firm: Firm, entry: dict[str, Any], at: datetime) -> None:
    object_type, object_id = entry["about"]
    AuditEvent.objects.create(
        firm=firm,
        actor=User.objects.get(username=entry["by"]),
        actor_label=entry["by"],
        action=entry["action"],
        object_type=object_type,
        object_id=object_id,
        reason=entry.get("reason", ""),
        occurred_at=at,
    )


def _make_session(firm: Firm, entry: dict[str, Any], at: datetime) -> None:
    user = User.objects.get(username=entry["of"])
    key = f"{SESSION}{user.username}-{entry['days_ago']}"
    Session.objects.create(session_key=key, session_data="", expire_date=at)
    UserSession.objects.create(
        firm=firm, user=user, session_key=key, last_activity_at=at, expires_at=at
    )


def _place_hold(firm: Firm, entry: dict[str, Any], at: datetime) -> None:
    client = Contact.objects.get(firm=firm, display_name=entry["contact"])
    hold = LegalHold(
        firm=firm,
        subject_type=LegalHold.Subject.CONTACT,
        subject_id=client.pk,
        reason=entry["reason"],
    )
    place_hold(hold=hold, actor=User.objects.get(username="acme-owner"), now=at)
