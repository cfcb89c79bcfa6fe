"""How a subscription and its orders are written for their owner."""

from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.utils.formats import date_format

from apps.core import money
from apps.subscriptions.codes import meaning
from apps.subscriptions.messages import days_in_words
from apps.subscriptions.models import PaymentOrder, Subscription
from apps.subscriptions.services.receipts import written_card

Status = Subscription.Status


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscription stands: in two words, in a sentence, and how urgent it is."""

    title: str
    sentence: str
    tone: str  # calm, soon, late, off


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One order of the history."""

    on: datetime
    what: str
    amount: str
    card: str
    outcome: str
    status: str
    is_open: bool
    is_paid: bool


def standing_in_words(subscription: Subscription, *, today: date, renews: bool) -> Standing:
    """Return how a subscription stands on a day; ``renews``: a card is saved for it."""
    left, until = subscription.days_left(today), _day(subscription.expires_on)
    if subscription.status == Status.SUSPENDED:
        return Standing(
            "Suspended",
            "The account is suspended. All data are kept, and it works again once it is paid.",
            "off",
        )
    if subscription.status == Status.CANCELLED:
        return Standing(
            "Ended", f"The subscription ended on {until}. All data are kept.", "off"
        )
    if left is None:
        return Standing("Active", "This subscription never expires.", "calm")
    name = "Trial" if subscription.status == Status.TRIALING else "Active"
    if subscription.cancel_at_period_end:
        return Standing(f"{name}, cancelled", f"It ends on {until} and is not renewed.", "soon")
    if left <= 0:
        stops = settings.SUBSCRIPTION_GRACE_DAYS + left
        rest = (
            f"without a payment the account stops in {days_in_words(stops)}"
            if stops > 0
            else "without a payment the account stops today"
        )
        return Standing(
            "Payment required",
            f"It was paid for until {until}. Everything works; {rest}.",
            "late",
        )
    verb = "renews by itself shortly before" if renews else "expires on"
    tone = "calm" if renews or left > 7 else "soon"
    return Standing(name, f"It {verb} {until}, in {days_in_words(left)}.", tone)


def order_in_words(order: PaymentOrder) -> OrderLine:
    """Return an order as a line of the history."""
    kinds = PaymentOrder.Kind
    what = {
        kinds.INITIAL: "First payment",
        kinds.RENEWAL: "Renewal",
        kinds.MANUAL: "Payment on the bank's page",
    }[kinds(order.kind)]
    return OrderLine(
        on=order.requested_at,
        what=what,
        amount=money.write_grouped(order.amount),
        card=written_card(order.card_mask),
        outcome=_outcome(order),
        status=order.status,
        is_open=order.status in PaymentOrder.OPEN,
        is_paid=order.status == PaymentOrder.Status.COMPLETED,
    )


def _outcome(order: PaymentOrder) -> str:
    statuses = PaymentOrder.Status
    match order.status:
        case statuses.COMPLETED:
            return "Paid"
        case statuses.REFUNDED:
            return "Paid back"
        case statuses.FAILED:
            return f"Not paid: {meaning(order.failure_code).words}"
        case statuses.UNKNOWN:
            return "Being looked into"
    return "Waiting for the bank"


def _day(day: date | None) -> str:
    return date_format(day, "j F Y") if day else ""
