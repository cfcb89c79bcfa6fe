"""What contractors would do work for: handed in, then approved or rejected."""

from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.core.problems import Problem
from apps.fieldwork.models import ContractorProfile, Estimate, WorkOrder
from apps.fieldwork.services.ownership import check_ours
from apps.fieldwork.services.telling import tell_estimate_decided, tell_of_estimate
from apps.fieldwork.services.transitions import Kind, Status, lock_work_order, note_event, touch
from apps.fieldwork.services.work_orders import fixed_prices
from apps.firms.models import User

ANSWERABLE = (*WorkOrder.OPEN, Status.COMPLETED)


def draft_estimate(
    *,
    order: WorkOrder,
    contractor: ContractorProfile,
    amount_minor: int,
    text: str,
) -> Estimate:
    """Begin an estimate for a work order, in minor units of its currency."""
    check_ours(order.firm_id, contractor)
    if amount_minor <= 0:
        raise Problem("An estimate must be more than zero.")
    return Estimate.objects.create(
        firm_id=order.firm_id,
        work_order=order,
        contractor=contractor,
        amount_minor=amount_minor,
        currency=order.currency,
        text=text,
    )


def submit_estimate(*, estimate: Estimate, by: User | None, now: datetime) -> Estimate:
    """Hand in a drafted estimate; whoever ordered the work is told.

    Raises ``Problem`` when it was handed in before, or the work is done or given up.
    """
    with transaction.atomic():
        order, estimate = _lock(estimate)
        if not order.is_open:
            state = order.get_status_display().lower()
            raise Problem(f"{order.number} takes no estimate: it is {state}.")
        _move(estimate, Estimate.Status.DRAFT, Estimate.Status.SUBMITTED, submitted_at=now)
        record("estimate_submitted", estimate, actor=by, changes=_worth(estimate))
        touch(order, now=now)
        event = note_event(order, Kind.ESTIMATED, by=by, now=now, detail=str(estimate))
        tell_of_estimate(event, order, estimate)
    return estimate


def approve_estimate(*, estimate: Estimate, by: User | None, now: datetime) -> Estimate:
    """Accept an estimate: it is what the contractor of the work order gets.

    Raises ``Problem`` when it is not waiting for an answer, when the work is verified or
    given up, and when the contractor's price is on a live payout request.
    """
    with transaction.atomic():
        order, estimate = _lock(estimate)
        if order.status not in ANSWERABLE or "contractor_price_minor" in fixed_prices(order):
            raise Problem(f"The price of {order.number} is fixed.")
        _decide(estimate, order, Estimate.Status.APPROVED, by=by, reason="", now=now)
        before, order.contractor_price_minor = (
            order.contractor_price_minor,
            estimate.amount_minor,
        )
        order.save(update_fields=["contractor_price_minor", "updated_at"])
        changes = {"contractor_price_minor": [str(before), str(estimate.amount_minor)]}
        record("work_order_changed", order, actor=by, changes=changes)
    return estimate


def reject_estimate(
    *, estimate: Estimate, by: User | None, reason: str, now: datetime
) -> Estimate:
    """Decline an estimate; the contractor is told why."""
    with transaction.atomic():
        order, estimate = _lock(estimate)
        _decide(estimate, order, Estimate.Status.REJECTED, by=by, reason=reason, now=now)
    return estimate


def _lock(estimate: Estimate) -> tuple[WorkOrder, Estimate]:
    order = lock_work_order(estimate.work_order)
    rows = Estimate.objects.select_related("contractor__contact")
    return order, rows.get(pk=estimate.pk)


def _decide(
    estimate: Estimate,
    order: WorkOrder,
    to: Estimate.Status,
    *,
    by: User | None,
    reason: str,
    now: datetime,
) -> None:
    answer = {"decided_at": now, "decided_by": by, "reason": reason}
    _move(estimate, Estimate.Status.SUBMITTED, to, **answer)
    done = to.label.lower()
    changes = _worth(estimate)
    record(f"estimate_{done}", estimate, actor=by, changes=changes, reason=reason)
    touch(order, now=now)
    detail = f"{to.label}: {estimate}"
    event = note_event(order, Kind.ESTIMATE_DECIDED, by=by, now=now, detail=detail)
    tell_estimate_decided(event, order, estimate)


def _move(
    estimate: Estimate, source: Estimate.Status, to: Estimate.Status, **fields: object
) -> None:
    fields["status"] = to
    same = Estimate.objects.filter(pk=estimate.pk, status=source)
    if not same.update(**fields):
        raise Problem(f"This estimate is {estimate.get_status_display().lower()}.")
    for name, value in fields.items():
        setattr(estimate, name, value)


def _worth(estimate: Estimate) -> dict[str, object]:
    return {"amount_minor": estimate.amount_minor, "currency": estimate.currency}
