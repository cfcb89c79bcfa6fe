"""What contractors are told: their jobs, their papers, their pay."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from apps.core import money
from apps.core.days import write_day
from apps.fieldwork.messages.letters import Facts, Heading, Part, Points, letter
from apps.fieldwork.models import (
    ComplianceDocument,
    Estimate,
    PayoutRequest,
    WorkOrder,
    WorkOrderEvent,
)
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

Kind = WorkOrderEvent.Kind


def _orders(notifications: Sequence[Notification]) -> dict[str, WorkOrder]:
    orders = WorkOrder.objects.filter(pk__in=[one.subject_id for one in notifications])
    about = orders.select_related("firm", "unit__property", "customer").order_by("pk")
    return {str(order.pk): order for order in about}


def _day(day: date | None) -> str:
    return write_day(day) if day else ""


# ---- jobs -----------------------------------------------------------------------------------


def _assigned(notifications: Sequence[Notification]) -> Words:
    orders = list(_orders(notifications).values())
    if len(orders) == 1:
        [order] = orders
        asks = f"{order.firm} asks you to do this job."
        return letter(f"New job {order}", asks, *_description(order))
    parts: list[Part] = [f"{orders[0].firm} asks you to do these jobs."]
    for order in orders:
        parts += [Heading(str(order)), *_description(order)]
    return letter(f"{len(orders)} new jobs from {orders[0].firm}", *parts)


def _description(order: WorkOrder) -> Iterator[Part]:
    where = f"{order.unit}, {order.unit.property.address}" if order.unit else ""
    yield Facts(
        [
            ("Where", where.strip(" ,")),
            ("For", str(order.customer or "")),
            ("On", _day(order.scheduled_on)),
            ("Due", _day(order.due_date)),
            ("You get", _price(order)),
        ]
    )
    yield order.description


def _price(order: WorkOrder) -> str:
    if not order.contractor_price_minor:
        return ""
    return money.write_grouped(order.contractor_price)


def _not_theirs(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which jobs are not their contractor's any more."""
    orders = _orders(notifications)
    return {
        one.pk: "no longer theirs"
        for one in notifications
        if (order := orders.get(one.subject_id)) is None
        or order.status == WorkOrder.Status.CANCELLED
        or order.contractor_id != one.context["contractor"]
    }


def _taken_back(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    [order] = _orders(notifications).values()
    subject = (
        f"{order.number} is cancelled"
        if one.context["kind"] == Kind.CANCELLED
        else f"{order.number} is no longer yours"
    )
    return letter(
        subject,
        f"There is nothing more for you to do about “{order.title}”.",
        Facts([("Why", one.context["reason"])]),
    )


def _changed(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    [order] = _orders(notifications).values()
    write = {
        Kind.HELD: _held,
        Kind.RESUMED: _resumed,
        Kind.REOPENED: _reopened,
        Kind.DUE_DATE: _due_date_moved,
    }[Kind(one.context["kind"])]
    return write(order, one.context)


def _held(order: WorkOrder, facts: Mapping[str, Any]) -> Words:
    return letter(
        f"{order.number} is on hold",
        f"Please leave “{order.title}” as it is until you hear from us again.",
        Facts([("Why", facts["reason"])]),
    )


def _resumed(order: WorkOrder, facts: Mapping[str, Any]) -> Words:
    return letter(
        f"{order.number} goes on",
        f"“{order.title}” is no longer on hold: please go on with it.",
        *_description(order),
    )


def _reopened(order: WorkOrder, facts: Mapping[str, Any]) -> Words:
    return letter(
        f"{order.number} is not finished yet",
        f"We have looked at “{order.title}”, and something is left to do.",
        Facts([("What", facts["reason"])]),
    )


def _due_date_moved(order: WorkOrder, facts: Mapping[str, Any]) -> Words:
    before, after = (
        write_day(date.fromisoformat(facts[name])) if facts[name] else ""
        for name in ("before", "after")
    )
    subject = f"{order.number} is due on {after}" if after else f"{order.number} can wait"
    return letter(
        subject,
        f"“{order.title}” has another due date."
        if after
        else f"“{order.title}” has no due date any more.",
        Facts([("Due", after), ("Before", before)]),
    )


def _accepted(notifications: Sequence[Notification]) -> Words:
    [order] = _orders(notifications).values()
    price = _price(order)
    pay = f"We owe you {price} for it; it comes with your next payout." if price else ""
    return letter(
        f"{order.number} is accepted",
        f"Thank you. We have looked at “{order.title}”, and all is well.",
        pay,
    )


def _estimate_decided(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    [estimate] = Estimate.objects.filter(pk=one.subject_id).select_related("work_order")
    order, amount = estimate.work_order, money.write_grouped(estimate.amount)
    if estimate.status == Estimate.Status.APPROVED:
        return letter(
            f"Your estimate for {order.number} is approved",
            f"We agree to {amount} for “{order.title}”.",
        )
    return letter(
        f"Your estimate for {order.number} was not accepted",
        f"We have decided against {amount} for “{order.title}”.",
        Facts([("Why", estimate.reason)]),
    )


# ---- papers ---------------------------------------------------------------------------------


def _reviewed(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    [paper] = ComplianceDocument.objects.filter(pk=one.subject_id)
    facts = Facts(
        [
            ("Document", paper.doc_type),
            ("Number", paper.number),
            ("Valid until", _day(paper.expires_on)),
            ("Why" if one.context["rejected"] else "Note", one.context["note"]),
        ]
    )
    if one.context["rejected"]:
        return letter(
            f"Your document was not accepted: {paper.doc_type}",
            "Please send us another one. Without a valid document we may have to give your "
            "jobs to somebody else.",
            facts,
        )
    ends = "We write to you before it ends." if paper.expires_on else ""
    return letter(
        f"Your document is accepted: {paper.doc_type}",
        f"Thank you, it is on file. {ends}".strip(),
        facts,
    )


# ---- pay ------------------------------------------------------------------------------------


def _request(one: Notification) -> PayoutRequest:
    requests = PayoutRequest.objects.prefetch_related("lines__work_order", "lines__request")
    return requests.get(pk=one.subject_id)


def _paid_for(request: PayoutRequest) -> Points:
    return Points(
        [f"{line}, {money.write_grouped(line.amount)}" for line in request.lines.all()]
    )


def _payout_decided(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    request = _request(one)
    amount = money.write_grouped(request.amount)
    why = Facts([("Why", one.context["reason"])])
    match one.context["status"]:
        case PayoutRequest.Status.APPROVED:
            return letter(
                f"{request} is approved",
                f"{amount} will be paid to you soon, for:",
                _paid_for(request),
            )
        case PayoutRequest.Status.REJECTED:
            return letter(f"{request} was not approved", f"It was over {amount}.", why)
    return letter(f"{request} was withdrawn", f"It was over {amount}.", why)


def _payout_paid(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    request = _request(one)
    return letter(
        f"We have paid you {money.write_grouped(request.amount)}",
        Facts([("Request", str(request)), ("Reference", one.context["reference"])]),
        "It is for:",
        _paid_for(request),
        "Thank you for your work.",
    )


JOB_ASSIGNED = NotificationType(
    "job_assigned",
    Category.TRANSACTIONAL,
    _assigned,
    digestable=True,
    still_wanted=_not_theirs,
)
JOB_TAKEN_BACK = NotificationType("job_taken_back", Category.TRANSACTIONAL, _taken_back)
JOB_CHANGED = NotificationType(
    "job_changed", Category.TRANSACTIONAL, _changed, still_wanted=_not_theirs
)
JOB_ACCEPTED = NotificationType("job_accepted", Category.TRANSACTIONAL, _accepted)
ESTIMATE_DECIDED = NotificationType(
    "estimate_decided", Category.TRANSACTIONAL, _estimate_decided
)
PAPER_REVIEWED = NotificationType("paper_reviewed", Category.TRANSACTIONAL, _reviewed)
PAYOUT_DECIDED = NotificationType("payout_decided", Category.TRANSACTIONAL, _payout_decided)
PAYOUT_PAID = NotificationType("payout_paid", Category.TRANSACTIONAL, _payout_paid)

TYPES: tuple[NotificationType, ...] = (
    JOB_ASSIGNED,
    JOB_TAKEN_BACK,
    JOB_CHANGED,
    JOB_ACCEPTED,
    ESTIMATE_DECIDED,
    PAPER_REVIEWED,
    PAYOUT_DECIDED,
    PAYOUT_PAID,
)
