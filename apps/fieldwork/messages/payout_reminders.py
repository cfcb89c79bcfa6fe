"""The words about payouts that wait: to the admins, and to the contractors (spec D29)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import Model

from apps.core.days import write_day
from apps.fieldwork.messages.freshness import Row, keys_of, overtaken, settled
from apps.fieldwork.messages.letters import Points, letter
from apps.fieldwork.messages.office import list_of, page_of
from apps.fieldwork.messages.sections import ALERT, Line, Section, digest
from apps.fieldwork.models import PayoutRequest, WorkOrder
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

SECTIONS = ("pending", "ready")


# ---- to the admins ------------------------------------------------------------------------


def write_reminder(facts: Mapping[str, Any]) -> Words:
    """Write the digest of a firm; ``facts`` is the context of its notifications."""
    pending, ready = facts["pending"], facts["ready"]
    counts = [f"{facts[name]['count']} {name}" for name in SECTIONS if facts[name]["count"]]
    return digest(
        f"Payout Reminder: {', '.join(counts)}",
        [
            Section(
                "📋 PENDING PAYOUT REQUESTS",
                pending["count"],
                _lines(pending["rows"], PayoutRequest),
                intro="Top 5 Pending Requests:",
                total=pending["total"],
                page=list_of(PayoutRequest, todo="decide"),
                colour=ALERT,
            ),
            Section(
                "💰 READY FOR PAYOUT",
                ready["count"],
                _lines(ready["rows"], WorkOrder),
                intro="Top 5 Ready for Payout:",
                total=ready["total"],
                page=list_of(WorkOrder, waits="payout"),
                colour=ALERT,
            ),
        ],
        opening="Payout Reminder:",
    )


def _lines(rows: Sequence[Row], model: type[Model]) -> list[Line]:
    return [
        Line(number, who, amount, hold, page_of(model(pk=pk)))
        for pk, number, who, amount, hold in rows
    ]


def _reminder(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    return write_reminder(one.context)


def _nothing_to_do(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which are old: every request was decided, and nothing is ready any more."""
    requests = PayoutRequest.objects.pending()
    orders = WorkOrder.objects.ready_for_payout()
    found = {
        "pending": requests.filter(pk__in=keys_of(notifications, "pending")),
        "ready": orders.filter(pk__in=keys_of(notifications, "ready")),
    }
    now = {name: set(rows.values_list("pk", flat=True)) for name, rows in found.items()}

    def stands(name: str, row: Row) -> bool:
        return row[0] in now[name]

    return settled(notifications, SECTIONS, stands) | overtaken(notifications)


# ---- to a contractor ----------------------------------------------------------------------


def _waiting(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    firm, count, rows = one.context["firm"], one.context["count"], one.context["rows"]
    since = [write_day(date.fromisoformat(iso)) for *_, iso in rows]
    closing = (
        "Your payouts are on hold, because a mandatory document of yours is missing or has "
        f"expired. Please send it to {firm}."
        if one.context["is_held"]
        else f"{firm} has been reminded too; there is nothing for you to do."
    )
    if count == 1:
        [(_, number, amount, _)] = rows
        return letter(
            f"Your payout request {number} is still pending",
            f"Your payout request {number} for {amount} is still pending since {since[0]}.",
            closing,
        )
    lines = [
        f"{number}: {amount}, since {day}"
        for (_, number, amount, _), day in zip(rows, since, strict=True)
    ]
    more = [f"and {count - len(rows)} more"] if count > len(rows) else []
    return letter(
        f"{count} of your payout requests are still pending",
        f"These payout requests of yours at {firm} are still pending:",
        Points([*lines, *more]),
        closing,
    )


def _decided(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which are old: the requests were decided or paid since."""
    asked = {row[0] for one in notifications for row in one.context["rows"]}
    requests = PayoutRequest.objects.pending().filter(pk__in=asked)
    pending = set(requests.values_list("pk", flat=True))
    return {
        one.pk: "decided"
        for one in notifications
        if not pending & {row[0] for row in one.context["rows"]}
    } | overtaken(notifications)


PAYOUT_REMINDER = NotificationType(
    "payout_reminder",
    Category.OPERATIONAL,
    _reminder,
    may_opt_out=True,
    still_wanted=_nothing_to_do,
)
PAYOUT_WAITING = NotificationType(
    "payout_waiting", Category.TRANSACTIONAL, _waiting, still_wanted=_decided
)

TYPES: tuple[NotificationType, ...] = (PAYOUT_REMINDER, PAYOUT_WAITING)
