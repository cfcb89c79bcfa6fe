"""What contractors are paid: asked for, approved, paid; or rejected, or taken back.

A work order is on one live request at most, which the database sees to; one that was paid
stays live for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from apps.audit.services import record
from apps.billing.services import take_number
from apps.core.problems import Problem
from apps.fieldwork.models import (
    ContractorProfile,
    Payout,
    PayoutRequest,
    PayoutRequestLine,
    WorkOrder,
)
from apps.fieldwork.services.compliance import check_cleared
from apps.fieldwork.services.ownership import check_ours
from apps.fieldwork.services.telling import tell_of_request, tell_payout
from apps.firms.models import User

SERIES = "PAY-REQ"

Status = PayoutRequest.Status


@dataclass(frozen=True, slots=True)
class Extra:
    """Something that is paid for and is no work order: stand-by, materials, a call-out."""

    description: str
    amount_minor: int


def request_payout(
    *,
    contractor: ContractorProfile,
    orders: Sequence[WorkOrder],
    extras: Sequence[Extra],
    by: User | None,
    now: datetime,
) -> PayoutRequest:
    """Ask for a contractor's pay for verified work orders, and for what else there was.

    Also while papers are missing: then it waits (spec D26). In the currency of the orders,
    without any in the firm's. The people in charge of money are told, but for whoever asks.
    Raises ``Problem`` for an order that is not his, not verified, worth nothing, on a live
    request, or in another currency.
    """
    with transaction.atomic():
        chosen = _lock_orders(orders)
        for order in chosen:
            _check_payable(order, contractor)
        code = _one_currency(chosen) or contractor.firm.currency
        lines = [
            PayoutRequestLine(work_order=order, amount_minor=order.contractor_price_minor)
            for order in chosen
        ]
        lines += [
            PayoutRequestLine(description=extra.description, amount_minor=extra.amount_minor)
            for extra in extras
        ]
        if not lines:
            raise Problem("A payout request needs something to be paid for.")
        if any(line.amount_minor <= 0 for line in lines):
            raise Problem("A payout must be more than zero.")
        number = take_number(firm=contractor.firm, series=SERIES)
        request = PayoutRequest.objects.create(
            firm_id=contractor.firm_id,
            number=f"{SERIES}-{number:03d}",
            contractor=contractor,
            amount_minor=sum(line.amount_minor for line in lines),
            currency=code,
            requested_at=now,
            requested_by=by,
            created_at=now,
        )
        for line in lines:
            line.firm_id, line.request = request.firm_id, request
        PayoutRequestLine.objects.bulk_create(lines)
        record("payout_requested", request, actor=by, changes=_worth(request))
        tell_of_request(request, but_for=by)
    return request


def approve_payout(
    *, request: PayoutRequest, by: User | None, today: date, now: datetime
) -> PayoutRequest:
    """Agree to pay a request; the contractor is told.

    ``today`` is the firm's. Raises ``Problem`` while a mandatory paper of the contractor is
    missing or has expired, and for a request that is not pending.
    """
    with transaction.atomic():
        request = _lock(request)
        _check_state(request, (Status.PENDING,), "cannot be approved")
        check_cleared(request.contractor, on=today, refusal="cannot be paid")
        _move(request, Status.APPROVED, by=by, now=now)
        tell_payout(request)
    return request


def reject_payout(
    *, request: PayoutRequest, by: User | None, reason: str, now: datetime
) -> PayoutRequest:
    """Refuse a pending request; its work orders can be asked for again."""
    return _let_go(request, (Status.PENDING,), Status.REJECTED, by, reason, now)


def cancel_payout(
    *, request: PayoutRequest, by: User | None, reason: str, now: datetime
) -> PayoutRequest:
    """Take back a request that is not paid; its work orders can be asked for again."""
    sources = (Status.PENDING, Status.APPROVED)
    return _let_go(request, sources, Status.CANCELLED, by, reason, now)


def record_payout(
    *, request: PayoutRequest, reference: str, by: User | None, today: date, now: datetime
) -> Payout:
    """Record that an approved request was paid; the contractor is told.

    ``today`` is the firm's. Raises ``Problem`` while a mandatory paper of the contractor is
    missing or has expired, and for a request that is not approved.
    """
    with transaction.atomic():
        request = _lock(request)
        _check_state(request, (Status.APPROVED,), "cannot be paid")
        check_cleared(request.contractor, on=today, refusal="cannot be paid")
        before, request.status = request.status, Status.PAID
        _save(request, before, now)
        payout = Payout.objects.create(
            firm_id=request.firm_id,
            request=request,
            paid_at=now,
            amount_minor=request.amount_minor,
            currency=request.currency,
            reference=reference,
            recorded_by=by,
            created_at=now,
        )
        changes = _worth(request) | {"reference": reference}
        record("payout_paid", request, actor=by, changes=changes)
        tell_payout(request, reference=reference)
    return payout


def _lock_orders(orders: Sequence[WorkOrder]) -> list[WorkOrder]:
    """Lock work orders, in one order for everybody, and return them as they are now."""
    rows = WorkOrder.objects.select_for_update(no_key=True)
    return list(rows.filter(pk__in={one.pk for one in orders}).order_by("pk"))


def _check_payable(order: WorkOrder, contractor: ContractorProfile) -> None:
    check_ours(contractor.firm_id, order)
    if order.contractor_id != contractor.pk:
        raise Problem(f"{order.number} is not the work of {contractor}.")
    if order.status != WorkOrder.Status.VERIFIED:
        state = order.get_status_display().lower()
        raise Problem(f"{order.number} cannot be paid for: it is {state}.")
    if order.contractor_price_minor <= 0:
        raise Problem(f"{order.number} cannot be paid for: the contractor's price is zero.")
    live = order.payout_lines.filter(is_live=True).select_related("request").first()
    if live is not None:
        raise Problem(f"{order.number} is on {live.request} already.")


def _one_currency(orders: Sequence[WorkOrder]) -> str:
    codes = sorted({order.currency for order in orders})
    if len(codes) > 1:
        raise Problem(f"One request is in one currency, not in {' and '.join(codes)}.")
    return codes[0] if codes else ""


def _lock(request: PayoutRequest) -> PayoutRequest:
    rows = PayoutRequest.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("contractor__contact", "firm").get(pk=request.pk)


def _check_state(request: PayoutRequest, sources: Sequence[Status], refusal: str) -> None:
    if request.status not in sources:
        state = request.get_status_display().lower()
        raise Problem(f"{request} {refusal}: it is {state}.")


def _let_go(
    request: PayoutRequest,
    sources: Sequence[Status],
    to: Status,
    by: User | None,
    reason: str,
    now: datetime,
) -> PayoutRequest:
    with transaction.atomic():
        request = _lock(request)
        _check_state(request, sources, f"cannot be {to.label.lower()}")
        _move(request, to, by=by, now=now, reason=reason)
        request.lines.update(is_live=False)
        tell_payout(request)
    return request


def _move(
    request: PayoutRequest, to: Status, *, by: User | None, now: datetime, reason: str = ""
) -> None:
    before, request.status = request.status, to
    request.decided_at, request.decided_by, request.reason = now, by, reason
    _save(request, before, now)
    changes = _worth(request) | {"status": [before, to.value]}
    record(f"payout_{to.label.lower()}", request, actor=by, changes=changes, reason=reason)


def _save(request: PayoutRequest, before: str, now: datetime) -> None:
    """Write the new state, unless another process was faster."""
    fields = ("status", "decided_at", "decided_by", "reason")
    new = {name: getattr(request, name) for name in fields}
    same = PayoutRequest.objects.filter(pk=request.pk, status=before)
    if not same.update(**new, updated_at=now):
        raise Problem(f"{request} has changed meanwhile.")


def _worth(request: PayoutRequest) -> dict[str, object]:
    return {"amount_minor": request.amount_minor, "currency": request.currency}
