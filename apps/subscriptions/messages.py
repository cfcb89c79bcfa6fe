"""The words the platform sends to the owners of its subscribers, and to its operators."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words
from apps.subscriptions.models import Subscription


def days_in_words(days: int) -> str:
    """Write a number of days: ``1 day``, ``7 days``."""
    return f"{days} day{'s' * (days != 1)}"


def written_day(iso: str) -> str:
    """Write an ISO date for people: ``1 March 2025``."""
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B %Y}"


def page_of(subscription_id: int | str) -> str:
    """Return the address of an owner's page."""
    return settings.SITE_URL + reverse("subscriptions:page", args=[int(subscription_id)])


def _letter(
    one: Notification,
    subject: str,
    *paragraphs: str,
    button: str = "See your subscription",
    facts: Sequence[tuple[str, str]] = (),
) -> Words:
    """Return the words in both forms: paragraphs, figures, and one way to go on."""
    page = page_of(one.subject_id)
    figures = "\n".join(f"{name}: {value}" for name, value in facts)
    text = "\n\n".join(filter(None, [*paragraphs, figures, f"{button}:\n{page}"]))
    return Words(subject, text, _html(paragraphs, facts, button, page))


def _html(
    paragraphs: Sequence[str], facts: Sequence[tuple[str, str]], button: str, page: str
) -> SafeString:
    body = format_html_join("", "<p>{}</p>", ((text,) for text in paragraphs))
    if facts:
        rows = format_html_join(
            "",
            '<tr><th align="left" style="padding:2px 16px 2px 0;font-weight:400;'
            'color:#57606a;">{}</th><td style="padding:2px 0;">{}</td></tr>',
            facts,
        )
        body += format_html('<table style="margin:0 0 16px;">{}</table>', rows)
    link = format_html(
        '<p><a href="{}" style="display:inline-block;padding:10px 18px;border-radius:6px;'
        'background:#2f5d50;color:#ffffff;text-decoration:none;font-weight:600;">{}</a></p>',
        page,
        button,
    )
    return body + link


def _pay(facts: Mapping[str, Any]) -> str:
    return f"Pay {facts['price']}"


def _whose(facts: Mapping[str, Any]) -> str:
    return f"The {facts['plan']} subscription of {facts['firm']}"


# ---- before and after the last day that is paid for ---------------------------------------


def _expiring(one: Notification, subject: str) -> Words:
    facts = one.context
    day = written_day(facts["expires_on"])
    if facts["card"]:
        return _letter(
            one,
            f"Your subscription will renew on {day}",
            f"{_whose(facts)} will renew on {day}.",
            f"We charge {facts['price']} to your saved card {facts['card']} shortly before; "
            "there is nothing for you to do.",
        )
    return _letter(
        one,
        subject,
        f"{_whose(facts)} is paid for until {day}.",
        f"Please pay {facts['price']} by then. If you have paid already, thank you.",
        button=_pay(facts),
    )


def _reminder(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    days = days_in_words(one.context["days"])
    return _expiring(one, f"Your subscription expires in {days}")


def _urgent(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    return _expiring(one, f"⚠️ Urgent: expires in {days_in_words(one.context['days'])}")


def _grace(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    facts = one.context
    left = days_in_words(facts["days"])
    return _letter(
        one,
        f"Payment required - {left} until suspension",
        f"{_whose(facts)} was paid for until {written_day(facts['expires_on'])}.",
        f"Everything still works, but without a payment of {facts['price']} it stops in "
        f"{left}. Nothing will be deleted.",
        button=_pay(facts),
    )


def _suspended(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    facts = one.context
    return _letter(
        one,
        "🔒 Account suspended",
        f"{_whose(facts)} was paid for until {written_day(facts['expires_on'])}, and the "
        "account is now suspended.",
        "All data are kept. As an owner you can still sign in: pay, and everything works "
        "again at once.",
        button=_pay(facts),
    )


def _ended(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    facts = one.context
    return _letter(
        one,
        "Your subscription has ended",
        f"{_whose(facts)} ended on {written_day(facts['expires_on'])}, as you asked.",
        "All data are kept, and as an owner you can still sign in. To come back, just pay.",
        button=_pay(facts),
    )


def _overtaken(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which demands are old: it was paid, or the owner has cancelled, meanwhile."""
    rows = Subscription.objects.in_bulk([int(one.subject_id) for one in notifications])
    reasons = {}
    for one in notifications:
        row = rows.get(int(one.subject_id))
        if row is None:
            reasons[one.pk] = "gone"
        elif str(row.expires_on) != one.context["expires_on"]:
            reasons[one.pk] = "paid"
        elif row.cancel_at_period_end and row.status in Subscription.SERVED:
            reasons[one.pk] = "cancelled"
    return reasons


# ---- payments -----------------------------------------------------------------------------


def _receipt(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    facts = one.context
    until = written_day(facts["expires_on"])
    lines = [("Amount", facts["amount"]), ("Paid on", written_day(facts["on"]))]
    lines += [("Card", facts["card"])] if facts["card"] else []
    lines += [("Paid for until", until), ("Our reference", facts["reference"])]
    back = facts["back"]
    return _letter(
        one,
        f"Welcome back: paid until {until}"
        if back
        else f"Receipt: {facts['amount']}, paid until {until}",
        *(["The account works again, with everything in it."] if back else []),
        f"Thank you. We have received your payment for the {facts['plan']} subscription of "
        f"{facts['firm']}.",
        facts=lines,
    )


def _payment_failed(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    facts = one.context
    card = f"your card {facts['card']}" if facts["card"] else "your saved card"
    tried = (
        f"We tried to charge {facts['amount']} to {card} for the {facts['plan']} subscription "
        f"of {facts['firm']}, but {facts['why']}."
    )
    if facts["remedy"] == "new card":
        subject = "Enter a new card for your subscription"
        wish = "We will not try this card again. Please pay with another one; it is then saved."
    elif facts["remedy"] == "person":
        subject = "Please confirm the payment for your subscription"
        wish = "We cannot do that for you: please pay on the bank's page."
    elif facts["again"]:
        subject = "The payment for your subscription failed"
        wish = (
            "We will try again in about a day. You can also pay now, with this or another card."
        )
    else:
        subject = "The payment for your subscription failed"
        wish = "We will not try again by ourselves. Please pay now, with this or another card."
    return _letter(one, subject, tried, wish, button=_pay(facts))


def _card_needed(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    facts = one.context
    return _letter(
        one,
        "Add a card to renew your subscription",
        f"{_whose(facts)} is paid for until {written_day(facts['expires_on'])}, and no card "
        "is saved to renew it.",
        f"Pay {facts['price']} with a card, and we save it for the next time.",
        button=_pay(facts),
    )


def _price_changed(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    facts = one.context
    return _letter(
        one,
        f"The price of your subscription is now {facts['price']}",
        f"{_whose(facts)} is paid for until {written_day(facts['expires_on'])}. You agreed "
        f"to {facts['before']}; it now costs {facts['price']}.",
        "We have not charged your card: the bank needs your consent to the new amount. Pay "
        "once on its page, and we renew by ourselves again.",
        button=_pay(facts),
    )


# ---- operators ----------------------------------------------------------------------------


def _alert(notifications: Sequence[Notification]) -> Words:
    [one] = notifications
    facts = one.context
    page = settings.SITE_URL + reverse(
        "admin:subscriptions_paymentorder_change", args=[one.subject_id]
    )
    return Words(
        f"Payment order {facts['reference']} needs a person",
        f"{facts['what']}\n\nLook at it here:\n{page}",
    )


def _demand(name: str, write: Any) -> NotificationType:
    return NotificationType(
        name, Category.BILLING, write, still_wanted=_overtaken, from_platform=True
    )


REMINDER = _demand("subscription_reminder", _reminder)
URGENT = _demand("subscription_urgent", _urgent)
GRACE = _demand("subscription_grace", _grace)
SUSPENDED = _demand("subscription_suspended", _suspended)
ENDED = _demand("subscription_ended", _ended)
CARD_NEEDED = _demand("subscription_card_needed", _card_needed)
PRICE_CHANGED = _demand("subscription_price_changed", _price_changed)
PAYMENT_FAILED = _demand("subscription_payment_failed", _payment_failed)
RECEIPT = NotificationType(
    "subscription_receipt", Category.TRANSACTIONAL, _receipt, from_platform=True
)
ALERT = NotificationType("subscription_alert", Category.OPERATIONAL, _alert, from_platform=True)

TYPES: tuple[NotificationType, ...] = (
    REMINDER,
    URGENT,
    GRACE,
    SUSPENDED,
    ENDED,
    CARD_NEEDED,
    PRICE_CHANGED,
    PAYMENT_FAILED,
    RECEIPT,
    ALERT,
)
