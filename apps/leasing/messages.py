"""The words leasing sends."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from apps.billing.models import Invoice
from apps.leasing.models import LateFeeAssessment
from apps.notifications.models import Channel, Notification
from apps.notifications.types import Category, NotificationType, Words


def _day(iso: str) -> str:
    """Write an ISO date for people: ``1 March 2025``."""
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B %Y}"


def _invoice_issued(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    lines = [
        f"Your rent invoice {facts['number']} for {facts['home']} is ready.",
        "",
        f"Month: {date.fromisoformat(facts['month'] + '-01'):%B %Y}",
        f"Total: {facts['total']}",
    ]
    if facts["balance"] != facts["total"]:
        lines.append(f"Still to pay after your credit: {facts['balance']}")
    lines += [f"Due: {_day(facts['due'])}", ""]
    lines.append(
        f"It will be charged to your card on {_day(facts['due'])}; there is nothing to do."
        if facts["autopay"]
        else "Please pay by the due date. Thank you."
    )
    subject = f"Rent invoice {facts['number']}: {facts['total']} due {_day(facts['due'])}"
    return Words(subject, "\n".join(lines))


def _reward_granted(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    earned = (
        f"You have paid on time {facts['threshold']} months in a row."
        if facts["kind"] == "streak"
        else f"You paid your rent at least {facts['threshold']} days early."
    )
    text = (
        f"{earned} Thank you!\n\n"
        f"We have credited {facts['amount']} to your account. "
        "Your next invoice uses it by itself."
    )
    return Words(f"A reward of {facts['amount']} for you", text)


# ---- late fees ----------------------------------------------------------------------------


def _late_fee_applied(notifications: Sequence[Notification]) -> Words:
    fees = [one.context for one in notifications]
    if len(fees) == 1:
        [facts] = fees
        subject = f"Late fee of {facts['fee']} on invoice {facts['number']}"
        lines = [
            f"Invoice {facts['number']} for {facts['home']} was due on {_day(facts['due'])} "
            "and has not been paid in time.",
            "",
            f"Late fee: {facts['fee']} ({_fee_words(facts)})",
        ]
    else:
        subject = f"{len(fees)} late fees on your rent"
        lines = ["Your rent has not been paid in time. These late fees have been added:", ""]
        lines += [
            f"  • Invoice {facts['number']} for {facts['home']}, due on {_day(facts['due'])}: "
            f"{facts['fee']} ({_fee_words(facts)})"
            for facts in fees
        ]
    lines.append("")
    lines += dict.fromkeys(_fee_to_pay(facts) for facts in _latest(fees))
    lines += [
        "",
        "Please pay as soon as you can. If you did pay in time, tell us: "
        "we will take the fee back.",
    ]
    return Words(subject, "\n".join(lines))


def _fee_words(facts: Mapping[str, Any]) -> str:
    return f"for {_day(facts['day'])}" if facts["day"] else str(facts["how"])


def _latest(fees: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the newest facts of each invoice."""
    return list({facts["number"]: facts for facts in fees}.values())


def _fee_to_pay(facts: Mapping[str, Any]) -> str:
    words = f"Now to pay on invoice {facts['number']}: {facts['balance']}"
    if facts["fee_number"]:
        words += (
            f"\nThe fee is on invoice {facts['fee_number']}, due on {_day(facts['fee_due'])}."
        )
    return words


def _fees_taken_back(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which news of a late fee are old: it has been waived or reversed since."""
    states = dict(
        LateFeeAssessment.objects.filter(
            pk__in=[one.subject_id for one in notifications]
        ).values_list("pk", "state")
    )
    applied = LateFeeAssessment.State.APPLIED
    return {
        one.pk: state
        for one in notifications
        if (state := states.get(int(one.subject_id), "gone")) != applied
    }


# ---- reminders ----------------------------------------------------------------------------


def _payment_reminder(notifications: Sequence[Notification]) -> Words:
    facts = sorted((one.context for one in notifications), key=lambda facts: facts["due"])
    if len(facts) > 1:
        lines = [f"These {len(facts)} invoices are still open:", ""]
        lines += [
            f"  • Invoice {one['number']} for {one['home']}: {one['balance']}, {_when(one)}. "
            f"{_charge(one)}".rstrip()
            for one in facts
        ]
        subject = f"Reminder: {len(facts)} invoices to pay"
    else:
        [one] = facts
        lines = [
            f"Invoice {one['number']} for {one['home']} is {_when(one)}.",
            "",
            f"To pay: {one['balance']}",
        ]
        subject = f"Reminder: invoice {one['number']} is {due_in(one['days'])}"
        if one["charge_on"]:
            lines += ["", _charge(one)]
            subject = f"Invoice {one['number']} will be charged on {_day(one['charge_on'])}"
    if any(not one["charge_on"] for one in facts):
        late = any(one["days"] < 0 for one in facts)
        wish = "as soon as you can" if late else "by the due date"
        lines += ["", f"Please pay {wish}. If you have paid already, thank you."]
    return Words(subject, "\n".join(lines))


def _when(facts: Mapping[str, Any]) -> str:
    words, day = due_in(facts["days"]), _day(facts["due"])
    if facts["days"] < 0:
        return f"{words}; it was due on {day}"
    return f"{words}, {'on ' * (facts['days'] > 0)}{day}"


def due_in(days: int) -> str:
    """Write how far away a due date is: ``due in 3 days``, ``due today``, ``1 day overdue``."""
    if days == 0:
        return "due today"
    count = f"{abs(days)} day{'s' * (abs(days) != 1)}"
    return f"due in {count}" if days > 0 else f"{count} overdue"


def _charge(facts: Mapping[str, Any]) -> str:
    if not facts["charge_on"]:
        return ""
    day = _day(facts["charge_on"])
    return f"It will be charged on {day}; there is nothing for you to do."


def _settled(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which reminders came too late: paid, closed, disputed or paused meanwhile."""
    invoices = Invoice.objects.in_bulk([int(one.subject_id) for one in notifications])
    reasons = {}
    for one in notifications:
        invoice = invoices.get(int(one.subject_id))
        if invoice is None:
            reasons[one.pk] = "gone"
        elif invoice.status in Invoice.BY_HAND:
            reasons[one.pk] = invoice.get_status_display().lower()
        elif invoice.open_minor <= 0:
            reasons[one.pk] = "paid"
        elif invoice.in_dispute:
            reasons[one.pk] = "in dispute"
        elif str(invoice.dunning_paused_until or "") >= one.context["on"]:
            reasons[one.pk] = "paused"
    return reasons


INVOICE_ISSUED = NotificationType("invoice_issued", Category.BILLING, _invoice_issued)
REWARD_GRANTED = NotificationType("reward_granted", Category.BILLING, _reward_granted)
LATE_FEE_APPLIED = NotificationType(
    "late_fee_applied",
    Category.BILLING,
    _late_fee_applied,
    digestable=True,
    still_wanted=_fees_taken_back,
)
PAYMENT_REMINDER = NotificationType(
    "payment_reminder",
    Category.BILLING,
    _payment_reminder,
    channels=(Channel.EMAIL, Channel.SMS, Channel.IN_APP),
    digestable=True,
    still_wanted=_settled,
)

TYPES: tuple[NotificationType, ...] = (
    INVOICE_ISSUED,
    REWARD_GRANTED,
    LATE_FEE_APPLIED,
    PAYMENT_REMINDER,
)
