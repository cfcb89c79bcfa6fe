"""A firm at work: the clock, its people, and every verb of a work order as tests say it."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from apps.audit.models import AuditEvent
from apps.fieldwork import services
from apps.fieldwork.models import ContractorProfile, WorkOrder, WorkOrderEvent
from apps.firms.models import Firm, User
from apps.notifications.models import Notification
from tests.factories import ContactFactory, ContractorFactory

NOW = datetime(2025, 6, 10, 15, tzinfo=UTC)  # a Tuesday, 11 in the morning in New York
TODAY = date(2025, 6, 10)

Kind = WorkOrderEvent.Kind


def contractor_of(firm: Firm, name: str = "Ada Plumbing", **more: Any) -> ContractorProfile:
    """Return a new contractor of a firm."""
    email = f"{name.split(maxsplit=1)[0].lower()}@contractors.example"
    contact = ContactFactory(firm=firm, display_name=name, email=email)
    profile: ContractorProfile = ContractorFactory(contact=contact, **more)
    return profile


def do(
    kind: str,
    order: WorkOrder,
    *,
    by: User | None = None,
    contractor: ContractorProfile | None = None,
    reason: str = "Because",
    now: datetime = NOW,
) -> WorkOrder:
    """Do to a work order what the event of that kind stands for."""
    whom = contractor or contractor_of(order.firm, "Cyd Roofing")
    day: Mapping[str, Any] = {"by": by, "now": now}
    acts: dict[str, Callable[[], WorkOrder]] = {
        Kind.ASSIGNED: lambda: services.assign_work_order(
            order=order, contractor=whom, today=TODAY, **day
        ),
        Kind.REASSIGNED: lambda: services.reassign_work_order(
            order=order, contractor=whom, today=TODAY, **day
        ),
        Kind.UNASSIGNED: lambda: services.unassign_work_order(
            order=order, reason=reason, **day
        ),
        Kind.STARTED: lambda: services.start_work_order(order=order, **day),
        Kind.HELD: lambda: services.hold_work_order(order=order, reason=reason, **day),
        Kind.RESUMED: lambda: services.resume_work_order(order=order, **day),
        Kind.COMPLETED: lambda: services.complete_work_order(order=order, **day),
        Kind.REOPENED: lambda: services.reopen_work_order(order=order, reason=reason, **day),
        Kind.VERIFIED: lambda: services.verify_work_order(order=order, **day),
        Kind.CANCELLED: lambda: services.cancel_work_order(order=order, reason=reason, **day),
    }
    return acts[kind]()


def told() -> list[tuple[str, str]]:
    """Return who has been told what, in the order in which it went into the outbox."""
    return [
        (str(one.recipient_contact or one.recipient_user), one.type)
        for one in Notification.objects.select_related("recipient_contact", "recipient_user")
        .order_by("pk")
    ]  # fmt: skip


def audited() -> list[str]:
    """Return what the audit trail says was done, oldest first."""
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def history(order: WorkOrder) -> list[tuple[str, str, str]]:
    """Return the events of a work order: what, from which state, to which."""
    events = order.events.order_by("pk")
    return list(events.values_list("kind", "from_status", "to_status"))
