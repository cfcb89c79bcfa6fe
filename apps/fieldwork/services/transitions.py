"""The states of a work order, and the one way from one to another.

Every change of state is an event of the order and an audit event, in one transaction, and
counts as activity (spec D30).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from apps.audit.services import record
from apps.core.problems import Problem
from apps.fieldwork.models import WorkOrder, WorkOrderEvent
from apps.firms.models import User

Kind = WorkOrderEvent.Kind
Status = WorkOrder.Status


class Move(NamedTuple):
    """From which states to which; ``to=None``: back to where it was held from."""

    sources: tuple[Status, ...]
    to: Status | None
    refusal: str


MOVES: Mapping[Kind, Move] = {
    Kind.ASSIGNED: Move(
        (Status.PENDING,),
        Status.ASSIGNED, "cannot be assigned"),
    Kind.REASSIGNED: Move(
        (Status.ASSIGNED, Status.IN_PROGRESS, Status.ON_HOLD),
        Status.ASSIGNED, "cannot be given to somebody else"),
    Kind.UNASSIGNED: Move(
        (Status.ASSIGNED, Status.IN_PROGRESS, Status.ON_HOLD),
        Status.PENDING, "cannot be taken back"),
    Kind.STARTED: Move(
        (Status.ASSIGNED,),
        Status.IN_PROGRESS, "cannot be started"),
    Kind.HELD: Move(
        (Status.ASSIGNED, Status.IN_PROGRESS),
        Status.ON_HOLD, "cannot be put on hold"),
    Kind.RESUMED: Move(
        (Status.ON_HOLD,),
        None, "cannot be resumed"),
    Kind.COMPLETED: Move(
        (Status.ASSIGNED, Status.IN_PROGRESS),
        Status.COMPLETED, "cannot be completed"),
    Kind.REOPENED: Move(
        (Status.COMPLETED, Status.VERIFIED),
        Status.IN_PROGRESS, "cannot be reopened"),
    Kind.VERIFIED: Move(
        (Status.COMPLETED,),
        Status.VERIFIED, "cannot be verified"),
    Kind.CANCELLED: Move(
        (Status.PENDING, Status.ASSIGNED, Status.IN_PROGRESS, Status.ON_HOLD),
        Status.CANCELLED, "cannot be cancelled"),
}  # fmt: skip


def allowed(status: str) -> frozenset[Kind]:
    """Return what may be done to a work order in a state."""
    return frozenset(kind for kind, move in MOVES.items() if status in move.sources)


def lock_work_order(order: WorkOrder) -> WorkOrder:
    """Lock a work order until the transaction ends and return it as it is now."""
    rows = WorkOrder.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related(
        "firm", "contractor__contact", "customer", "unit__property", "created_by", "invoice"
    ).get(pk=order.pk)


def check_may(order: WorkOrder, kind: Kind) -> None:
    """Raise ``Problem`` unless a work order's state allows something."""
    move = MOVES[kind]
    if order.status not in move.sources:
        state = order.get_status_display().lower()
        raise Problem(f"{order.number} {move.refusal}: it is {state}.")


def apply_move(
    order: WorkOrder,
    kind: Kind,
    *,
    by: User | None,
    now: datetime,
    reason: str = "",
    detail: str = "",
    changes: Mapping[str, Any] | None = None,
    **fields: Any,
) -> WorkOrderEvent:
    """Move a locked work order to its next state, with other fields, and write it down.

    ``detail`` is what the history says, without it the reason. ``changes`` go to the audit
    trail beside the state.

    Raises ``Problem`` for a state that does not allow it, and when another process was
    faster: the update asks for the state that was read.
    """
    check_may(order, kind)
    before = order.status
    fields |= {"status": MOVES[kind].to or _held_from(order), **_active(now)}
    same = WorkOrder.objects.filter(pk=order.pk, status=before)
    if not same.update(**fields, updated_at=now):
        raise Problem(f"{order.number} has changed meanwhile.")
    for name, value in fields.items():
        setattr(order, name, value)
    what = {"status": [before, order.status], **(changes or {})}
    record(f"work_order_{kind.value}", order, actor=by, changes=what, reason=reason)
    return note_event(order, kind, by=by, now=now, detail=detail or reason, before=before)


def note_event(
    order: WorkOrder,
    kind: Kind,
    *,
    by: User | None,
    now: datetime,
    detail: str = "",
    before: str | None = None,
) -> WorkOrderEvent:
    """Write an event into a work order's history; without ``before`` the state stayed."""
    return WorkOrderEvent.objects.create(
        firm_id=order.firm_id,
        work_order=order,
        kind=kind,
        from_status=order.status if before is None else before,
        to_status=order.status,
        actor=by,
        occurred_at=now,
        detail=detail,
    )


def touch(order: WorkOrder, *, now: datetime) -> None:
    """Note that somebody did something about a work order: it is not stale (spec D30)."""
    fields = _active(now)
    WorkOrder.objects.filter(pk=order.pk).update(**fields, updated_at=now)
    for name, value in fields.items():
        setattr(order, name, value)


def _active(now: datetime) -> dict[str, Any]:
    """What activity changes; a warning that was given is forgotten, so another may follow."""
    return {"last_activity_at": now, "stale_warned_at": None}


def _held_from(order: WorkOrder) -> Status:
    held = order.events.filter(kind=Kind.HELD).order_by("-occurred_at", "-pk").first()
    return Status(held.from_status) if held else Status.IN_PROGRESS
