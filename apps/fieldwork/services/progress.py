"""A work order on its way: given to somebody, done, looked at, or given up.

From which state each of these is allowed is the table in ``transitions``.
"""

from datetime import date, datetime
from typing import Any

from django.db import transaction

from apps.audit.services import event as audit_event
from apps.audit.services import record_all
from apps.billing.models import Invoice
from apps.core.problems import Problem
from apps.fieldwork.models import ContractorProfile, Estimate, WorkOrder
from apps.fieldwork.services.compliance import check_cleared
from apps.fieldwork.services.ownership import check_ours
from apps.fieldwork.services.telling import tell_contractor, tell_creator
from apps.fieldwork.services.transitions import Kind, apply_move, check_may, lock_work_order
from apps.firms.models import User

ORDER_CANCELLED = "The job was cancelled."


def assign_work_order(
    *,
    order: WorkOrder,
    contractor: ContractorProfile,
    by: User | None,
    today: date,
    now: datetime,
) -> WorkOrder:
    """Give a pending work order to a contractor, who is told.

    ``today`` is the firm's. Raises ``Problem`` for a contractor who is not active, or one of
    whose mandatory papers is missing or has expired (spec D26).
    """
    return _give(order, Kind.ASSIGNED, contractor, by=by, today=today, now=now)


def reassign_work_order(
    *,
    order: WorkOrder,
    contractor: ContractorProfile,
    by: User | None,
    today: date,
    now: datetime,
) -> WorkOrder:
    """Give a work order to another contractor, who begins anew; both are told."""
    return _give(order, Kind.REASSIGNED, contractor, by=by, today=today, now=now)


def unassign_work_order(
    *, order: WorkOrder, by: User | None, reason: str, now: datetime
) -> WorkOrder:
    """Take a work order back from its contractor, who is told; it is pending again."""
    with transaction.atomic():
        order = lock_work_order(order)
        former = order.contractor
        what = {"contractor": [str(former), ""]}
        event = apply_move(
            order,
            Kind.UNASSIGNED,
            by=by,
            now=now,
            reason=reason,
            changes=what,
            contractor=None,
        )
        tell_contractor(event, order, contractor=former)
    return order


def start_work_order(*, order: WorkOrder, by: User | None, now: datetime) -> WorkOrder:
    """Note that the contractor has begun."""
    return _go_on(order, Kind.STARTED, by=by, now=now)


def hold_work_order(
    *, order: WorkOrder, by: User | None, reason: str, now: datetime
) -> WorkOrder:
    """Let a work order wait for something; the contractor is told for what."""
    return _go_on(order, Kind.HELD, by=by, now=now, reason=reason)


def resume_work_order(*, order: WorkOrder, by: User | None, now: datetime) -> WorkOrder:
    """Let a work order that was on hold go on from where it was; the contractor is told."""
    return _go_on(order, Kind.RESUMED, by=by, now=now)


def complete_work_order(*, order: WorkOrder, by: User | None, now: datetime) -> WorkOrder:
    """Note that the work is done; whoever ordered it is asked to look at it."""
    return _go_on(order, Kind.COMPLETED, by=by, now=now, completed_at=now)


def verify_work_order(*, order: WorkOrder, by: User | None, now: datetime) -> WorkOrder:
    """Accept completed work; the contractor is told, and may ask to be paid for it."""
    return _go_on(order, Kind.VERIFIED, by=by, now=now, verified_at=now)


def reopen_work_order(
    *, order: WorkOrder, by: User | None, reason: str, now: datetime
) -> WorkOrder:
    """Send work back that was called done; the contractor is told why.

    Raises ``Problem`` while the contractor's pay for it is on a live payout request.
    """
    with transaction.atomic():
        order = lock_work_order(order)
        check_may(order, Kind.REOPENED)
        live = order.payout_lines.filter(is_live=True).select_related("request").first()
        if live is not None:
            raise Problem(f"{order.number} cannot be reopened: it is on {live.request}.")
        event = apply_move(
            order,
            Kind.REOPENED,
            by=by,
            now=now,
            reason=reason,
            completed_at=None,
            verified_at=None,
        )
        tell_contractor(event, order)
    return order


def cancel_work_order(
    *, order: WorkOrder, by: User | None, reason: str, now: datetime
) -> WorkOrder:
    """Give up work that is not done; the contractor is told, open estimates are rejected.

    Raises ``Problem`` while the customer has an invoice for it that is not void.
    """
    with transaction.atomic():
        order = lock_work_order(order)
        check_may(order, Kind.CANCELLED)
        check_not_invoiced(order, "cannot be cancelled")
        event = apply_move(
            order,
            Kind.CANCELLED,
            by=by,
            now=now,
            reason=reason,
            cancelled_at=now,
            cancel_reason=reason,
        )
        _reject_estimates(order, by=by, now=now)
        tell_contractor(event, order)
    return order


def check_not_invoiced(order: WorkOrder, refusal: str) -> None:
    """Raise ``Problem`` while an order has an invoice that is neither void nor given up."""
    gone = {Invoice.Status.VOID, Invoice.Status.WRITTEN_OFF}
    if order.invoice is not None and order.invoice.status not in gone:
        raise Problem(f"{order.number} {refusal}: void invoice {order.invoice} first.")


def _go_on(
    order: WorkOrder, kind: Kind, *, by: User | None, now: datetime, **how: Any
) -> WorkOrder:
    """Do what needs no more than the right state, and tell whom it concerns."""
    with transaction.atomic():
        order = lock_work_order(order)
        event = apply_move(order, kind, by=by, now=now, **how)
        if kind == Kind.COMPLETED:
            tell_creator(event, order)
        elif kind != Kind.STARTED:
            tell_contractor(event, order)
    return order


def _give(
    order: WorkOrder,
    kind: Kind,
    contractor: ContractorProfile,
    *,
    by: User | None,
    today: date,
    now: datetime,
) -> WorkOrder:
    with transaction.atomic():
        order = lock_work_order(order)
        check_may(order, kind)
        contractor = ContractorProfile.objects.select_related("contact").get(pk=contractor.pk)
        former = order.contractor
        _check_suits(order, contractor, today)
        event = apply_move(
            order,
            kind,
            by=by,
            now=now,
            detail=f"To {contractor}",
            changes={"contractor": [str(former or ""), str(contractor)]},
            contractor=contractor,
        )
        tell_contractor(event, order)
        if former is not None:
            tell_contractor(event, order, contractor=former)
    return order


def _check_suits(order: WorkOrder, contractor: ContractorProfile, today: date) -> None:
    check_ours(order.firm_id, contractor)
    if contractor.pk == order.contractor_id:
        raise Problem(f"{contractor} has {order.number} already.")
    if not contractor.is_active:
        raise Problem(f"{contractor} is not active any more.")
    check_cleared(contractor, on=today, refusal="cannot be given work")


def _reject_estimates(order: WorkOrder, *, by: User | None, now: datetime) -> None:
    """Answer what nobody will answer any more, so that it waits on no list."""
    waiting = order.estimates.filter(status=Estimate.Status.SUBMITTED)
    events = [
        audit_event("estimate_rejected", one, actor=by, reason=ORDER_CANCELLED)
        for one in waiting
    ]
    waiting.update(
        status=Estimate.Status.REJECTED,
        decided_at=now,
        decided_by=by,
        reason=ORDER_CANCELLED,
        updated_at=now,
    )
    record_all(events)
