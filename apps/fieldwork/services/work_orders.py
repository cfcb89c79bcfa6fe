"""Making work orders, and what else is done about them than moving them along."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.billing.models import Invoice
from apps.billing.services import take_number
from apps.contacts.models import Contact
from apps.core.days import write_day
from apps.core.problems import Problem
from apps.documents.models import Document
from apps.fieldwork.models import WorkOrder, WorkOrderNote
from apps.fieldwork.services.ownership import check_ours
from apps.fieldwork.services.telling import tell_contractor
from apps.fieldwork.services.transitions import (
    Kind,
    Status,
    lock_work_order,
    note_event,
    touch,
)
from apps.firms.models import Firm, User
from apps.leasing.models import Unit

SERIES = "JOB"
CHANGEABLE = {
    *("title", "description", "unit", "customer", "due_date", "scheduled_on"),
    *("customer_price_minor", "contractor_price_minor", "do_not_auto_close"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done, where, for whom and for how much (in minor units)."""

    title: str
    description: str = ""
    unit: Unit | None = None
    customer: Contact | None = None
    due_date: date | None = None
    scheduled_on: date | None = None
    currency: str = ""  # empty: the firm's
    customer_price_minor: int = 0
    contractor_price_minor: int = 0


def create_work_order(
    *, firm: Firm, wanted: Wanted, by: User | None, now: datetime
) -> WorkOrder:
    """Create a pending work order with the firm's next number; there are no gaps."""
    check_ours(firm.pk, wanted.unit, wanted.customer)
    with transaction.atomic():
        order = WorkOrder.objects.create(
            firm=firm,
            number=f"{SERIES}-{take_number(firm=firm, series=SERIES):06d}",
            title=wanted.title,
            description=wanted.description,
            unit=wanted.unit,
            customer=wanted.customer,
            due_date=wanted.due_date,
            scheduled_on=wanted.scheduled_on,
            currency=wanted.currency or firm.currency,
            customer_price_minor=wanted.customer_price_minor,
            contractor_price_minor=wanted.contractor_price_minor,
            created_by=by,
            created_at=now,
            last_activity_at=now,
        )
        note_event(order, Kind.CREATED, by=by, now=now, before="")
        record("work_order_created", order, actor=by, changes={"number": order.number})
    return order


def change_due_date(
    *, order: WorkOrder, due_date: date | None, by: User | None, now: datetime
) -> WorkOrder:
    """Set another due date, or none; the contractor is told. The same again does nothing.

    Raises ``Problem`` when the work is not open any more.
    """
    with transaction.atomic():
        order = lock_work_order(order)
        if order.due_date == due_date:
            return order
        _check_open(order, "gets no other due date")
        before, order.due_date = order.due_date, due_date
        order.save(update_fields=["due_date", "updated_at"])
        touch(order, now=now)
        changes = {"due_date": [_iso(before), _iso(due_date)]}
        record("work_order_due_date", order, actor=by, changes=changes)
        moved = f"From {_in_words(before)} to {_in_words(due_date)}"
        event = note_event(order, Kind.DUE_DATE, by=by, now=now, detail=moved)
        tell_contractor(event, order, before=_iso(before))
    return order


def change_details(
    *, order: WorkOrder, changes: Mapping[str, Any], by: User | None, now: datetime
) -> WorkOrder:
    """Change what an order says: its words, place, customer, prices, and the days.

    A price that money has been asked for stays: the customer's once there is an invoice, the
    contractor's once it stands on a payout request. Raises ``Problem`` for that.
    """
    if unknown := changes.keys() - CHANGEABLE:
        raise TypeError(f"Not to be changed here: {', '.join(sorted(unknown))}.")
    check_ours(order.firm_id, *changes.values())
    with transaction.atomic():
        order = lock_work_order(order)
        if "due_date" in changes:
            order = change_due_date(order=order, due_date=changes["due_date"], by=by, now=now)
        new = {name: value for name, value in changes.items() if name != "due_date"}
        before = {name: getattr(order, name) for name in new}
        new = {name: value for name, value in new.items() if value != before[name]}
        for name in fixed_prices(order) & new.keys():
            what = name.removesuffix("_minor").replace("_", "'s ")
            raise Problem(f"The {what} of {order.number} is fixed: money was asked for it.")
        if new:
            for name, value in new.items():
                setattr(order, name, value)
            order.save(update_fields=[*new, "updated_at"])
            written = {name: [str(before[name]), str(value)] for name, value in new.items()}
            record("work_order_changed", order, actor=by, changes=written)
    return order


def fixed_prices(order: WorkOrder) -> set[str]:
    """Return the names of the prices that cannot change any more."""
    fixed = set()
    if order.invoice is not None and order.invoice.status != Invoice.Status.VOID:
        fixed.add("customer_price_minor")
    if order.payout_lines.filter(is_live=True).exists():
        fixed.add("contractor_price_minor")
    return fixed


def add_note(
    *,
    order: WorkOrder,
    text: str,
    file: Document | None,
    by: User | None,
    now: datetime,
) -> WorkOrderNote:
    """Write a note on a work order in whatever state, perhaps with a file."""
    check_ours(order.firm_id, file)
    with transaction.atomic():
        order = lock_work_order(order)
        note = WorkOrderNote.objects.create(
            firm_id=order.firm_id,
            work_order=order,
            author=by,
            text=text,
            file=file,
            written_at=now,
        )
        touch(order, now=now)
    return note


def _check_open(order: WorkOrder, refusal: str) -> None:
    if not order.is_open:
        state = Status(order.status).label.lower()
        raise Problem(f"{order.number} {refusal}: it is {state}.")


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""


def _in_words(day: date | None) -> str:
    return write_day(day) if day else "none"
