"""The words billing sends."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from apps.billing import links
from apps.billing.models import Invoice, PaymentAttempt
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

Paragraph = str | tuple[str, str]  # a sentence, or what a link says and where it leads


def _letter(subject: str, *paragraphs: Paragraph) -> Words:
    """Write paragraphs; a link becomes a button of the HTML."""
    written = (one if isinstance(one, str) else f"{one[0]}:\n{one[1]}" for one in paragraphs)
    return Words(subject, "\n\n".join(written))


def _day(iso: str) -> str:
    """Write an ISO date for people: ``1 March 2025``."""
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B %Y}"


# ---- to the customer ----------------------------------------------------------------------


def _payment_received(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    paragraphs: list[Paragraph] = [
        f"Thank you. We have received {facts['amount']} for invoice {facts['number']}, "
        f"paid with {facts['card']} on {_day(facts['paid_on'])}."
    ]
    if facts["credit"]:
        paragraphs.append(
            f"{facts['credit']} of it was more than the invoice asked for. "
            "It is credit on your account, and your next invoice uses it by itself."
        )
    if facts["balance"]:
        paragraphs.append(f"Still to pay on this invoice: {facts['balance']}.")
    return _letter(f"Receipt: {facts['amount']} for invoice {facts['number']}", *paragraphs)


def _charge_failed(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    return _letter(
        f"Your payment for invoice {facts['number']} did not go through",
        f"We tried to charge {facts['amount']} for invoice {facts['number']} to "
        f"{facts['card']}, and the bank declined it.",
        f"We will try again on {_day(facts['next_on'])}. Please make sure that the card can "
        "be charged by then, or store another one:",
        ("Store another card", links.card_link(facts["account"])),
    )


def _charge_given_up(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    why = (
        f"{facts['card']} cannot be charged any more."
        if facts["card_is_dead"]
        else f"{facts['card']} was declined {facts['failures']} times."
    )
    return _letter(
        f"Please pay invoice {facts['number']}: your card could not be charged",
        f"We could not collect {facts['amount']} for invoice {facts['number']}: {why} "
        "We will not try this card again.",
        ("Pay this invoice now", links.pay_link(facts["invoice"])),
        ("Or store another card, and we will charge that", links.card_link(facts["account"])),
    )


def _authentication_needed(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    return _letter(
        f"Please confirm your payment of {facts['amount']}",
        f"Your bank wants you to confirm the payment of {facts['amount']} for invoice "
        f"{facts['number']} yourself. It takes a minute:",
        ("Confirm and pay", links.pay_link(facts["invoice"])),
    )


def _no_card(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    return _letter(
        f"We have no card to charge for invoice {facts['number']}",
        f"Invoice {facts['number']} over {facts['amount']} is to be paid by card, but there "
        "is no card on your account that can be charged.",
        ("Store a card", links.card_link(facts["account"])),
        ("Or pay this invoice now", links.pay_link(facts["invoice"])),
    )


def _paid_meanwhile(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which requests for money are old: nothing is owed on the invoice any more."""
    invoices = {
        str(invoice.pk): invoice
        for invoice in Invoice.objects.filter(
            pk__in={one.context["invoice"] for one in notifications}
        )
    }
    return {
        one.pk: "paid meanwhile"
        for one in notifications
        if (invoice := invoices.get(str(one.context["invoice"]))) is None
        or invoice.status not in Invoice.COLLECTABLE
    }


def voided(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which news of an invoice, their subject, are old: it is void."""
    keys = {one.pk: int(one.subject_id) for one in notifications}
    void = set(
        Invoice.objects.filter(pk__in=keys.values(), status=Invoice.Status.VOID).values_list(
            "pk", flat=True
        )
    )
    return {pk: "void" for pk, invoice in keys.items() if invoice in void}


# ---- to the people in charge --------------------------------------------------------------


def _collecting_failed(notifications: Sequence[Notification]) -> Words:
    facts = [one.context for one in notifications]
    lines = "\n".join(
        f"• {one['number']}, {one['amount']}, {one['customer']}: {one['why']}" for one in facts
    )
    subject = (
        f"Autopay has given up on invoice {facts[0]['number']}"
        if len(facts) == 1
        else f"Autopay has given up on {len(facts)} invoices"
    )
    return _letter(
        subject,
        f"These could not be collected by card and need a person:\n{lines}",
        "The customers have been asked to pay or to store another card.",
    )


def _charge_undecided(notifications: Sequence[Notification]) -> Words:
    facts = [one.context for one in notifications]
    lines = "\n".join(
        f"• {one['number']}, {one['amount']}, asked for on {_instant(one['requested_at'])}"
        for one in facts
    )
    return _letter(
        "Please decide: was the customer charged?"
        if len(facts) == 1
        else f"Please decide about {len(facts)} charges",
        "The card network cannot tell us any more what became of these charges, and we do "
        f"not ask twice for money:\n{lines}",
        "Look them up in the gateway's own pages and decide in the admin, under Payment "
        "attempts. Until then the invoices are not charged again.",
    )


def _instant(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%-d %B %Y, %H:%M} UTC"


def _decided_meanwhile(notifications: Sequence[Notification]) -> Mapping[int, str]:
    undecided = set(
        PaymentAttempt.objects.filter(
            pk__in=[one.subject_id for one in notifications],
            status=PaymentAttempt.Status.UNKNOWN,
        ).values_list("pk", flat=True)
    )
    return {
        one.pk: "decided meanwhile"
        for one in notifications
        if int(one.subject_id) not in undecided
    }


def facts_of(invoice: Invoice, *, amount: str, **more: Any) -> dict[str, Any]:
    """Return what every letter about an invoice needs to know."""
    return {
        "invoice": invoice.pk,
        "account": invoice.account_id,
        "number": invoice.number,
        "amount": amount,
        **more,
    }


PAYMENT_RECEIVED = NotificationType(
    "payment_received", Category.BILLING, write=_payment_received
)
CHARGE_FAILED = NotificationType(
    "charge_failed", Category.BILLING, write=_charge_failed, still_wanted=_paid_meanwhile
)
CHARGE_GIVEN_UP = NotificationType(
    "charge_given_up", Category.BILLING, write=_charge_given_up, still_wanted=_paid_meanwhile
)
AUTHENTICATION_NEEDED = NotificationType(
    "authentication_needed",
    Category.BILLING,
    write=_authentication_needed,
    still_wanted=_paid_meanwhile,
)
NO_CARD = NotificationType(
    "no_card", Category.BILLING, write=_no_card, still_wanted=_paid_meanwhile
)
COLLECTING_FAILED = NotificationType(
    "collecting_failed", Category.OPERATIONAL, write=_collecting_failed, digestable=True
)
CHARGE_UNDECIDED = NotificationType(
    "charge_undecided",
    Category.OPERATIONAL,
    write=_charge_undecided,
    digestable=True,
    still_wanted=_decided_meanwhile,
)

TYPES = (
    PAYMENT_RECEIVED,
    CHARGE_FAILED,
    CHARGE_GIVEN_UP,
    AUTHENTICATION_NEEDED,
    NO_CARD,
    COLLECTING_FAILED,
    CHARGE_UNDECIDED,
)
