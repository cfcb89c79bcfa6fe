"""Who is told of jobs that were closed, or will be, because nothing happened (spec D30)."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from apps.contacts.models import Contact
from apps.core.days import zone
from apps.fieldwork.messages.stale_jobs import JOB_AUTO_CLOSED, JOB_CLOSES_SOON
from apps.fieldwork.models import WorkOrder
from apps.firms.models import Membership, User
from apps.notifications.services import Draft, notify
from apps.notifications.types import NotificationType

Idled = Sequence[tuple[WorkOrder, int]]  # a job, and for how many days nothing happened


def tell_closed(closed: Idled) -> None:
    """Tell the contractors and the makers of jobs that these were closed."""
    notify(list(_drafts(JOB_AUTO_CLOSED, "job-auto-closed", closed)))


def tell_closing_soon(idled: Idled, *, days: int) -> None:
    """Warn them that jobs will be closed once nothing has happened for so many days."""
    notify(list(_drafts(JOB_CLOSES_SOON, "job-closes-soon", idled, after=days)))


def _drafts(
    type: NotificationType, key: str, idled: Idled, *, after: int = 0
) -> Iterator[Draft]:
    """Yield a message for each job and recipient; jobs idle again are told of again."""
    makers = _still_there([order for order, _ in idled])
    for order, days in idled:
        for recipient in _recipients(order, makers):
            yield Draft(
                type=type,
                firm_id=order.firm_id,
                recipient=recipient,
                dedupe_key=f"{key}:{order.pk}:{order.last_activity_at.isoformat()}",
                about=order,
                context={
                    "firm": order.firm.name,
                    "number": order.number,
                    "title": order.title,
                    "days": days,
                    "quiet_since": order.last_activity_at.isoformat(),
                    "closes_on": str(_day_of(order) + timedelta(days=after)),
                },
            )


def _day_of(order: WorkOrder) -> date:
    """Return the local day on which something happened last."""
    return order.last_activity_at.astimezone(zone(order.firm.timezone)).date()


def _still_there(orders: Sequence[WorkOrder]) -> set[tuple[int, int]]:
    """Return which makers of jobs still work for their firms: firm and user. One query."""
    rows = Membership.objects.filter(
        firm__in={order.firm_id for order in orders},
        user__in={order.created_by_id for order in orders if order.created_by_id},
        is_active=True,
        user__is_active=True,
    )
    return set(rows.values_list("firm_id", "user_id"))


def _recipients(order: WorkOrder, makers: set[tuple[int, int]]) -> Iterator[Contact | User]:
    """Yield the contractor and the maker of a job; once, if they are the same person."""
    contractor = order.contractor.contact if order.contractor else None
    if contractor and contractor.erased_at is None:
        yield contractor
    maker = order.created_by
    if maker and (order.firm_id, maker.pk) in makers and not _is_same(contractor, maker):
        yield maker


def _is_same(contractor: Contact | None, maker: User) -> bool:
    if contractor is None or contractor.erased_at:
        return False
    has_same_address = bool(maker.email) and maker.email.lower() == contractor.email.lower()
    return contractor.user_id == maker.pk or has_same_address
