"""The words engagements send."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.utils.html import format_html, format_html_join

from apps.billing.messages import voided
from apps.core.days import write_day
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

THANKS = "Thank you."


def write_days(first: date, last: date) -> str:
    """Write a stretch of days for people, both included: ``10 June to 9 July 2025``."""
    begins = write_day(first)
    if first == last:
        return begins
    if first.year == last.year:
        begins = str(first.day) if first.month == last.month else f"{first.day} {first:%B}"
    return f"{begins} to {write_day(last)}"


def _package_invoice_issued(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    due = write_day(date.fromisoformat(facts["due"]))
    opening = f"Your invoice {facts['number']} for {facts['engagement']} is ready."
    rows, closing = _figures(facts, due), _what_to_do(facts, due)
    text = [opening, "", *(f"{name}: {figure}" for name, figure in rows), "", closing]
    subject = f"Invoice {facts['number']} from {facts['firm']}: {facts['total']}"
    return Words(
        " ".join(subject.split()),
        "\n".join([*text, "", THANKS]),
        _html(opening, rows, closing),
    )


def _figures(facts: Mapping[str, Any], due: str) -> list[tuple[str, str]]:
    first = date.fromisoformat(facts["start"])
    last = date.fromisoformat(facts["end"]) - timedelta(days=1)
    rows = [("Period", write_days(first, last)), ("Total", facts["total"])]
    if facts["tax"]:
        rows.append(("Of which tax", facts["tax"]))
    if facts["balance"] != facts["total"]:
        rows.append(("Still to pay after your credit", facts["balance"]))
    return [*rows, ("Due", due)]


def _what_to_do(facts: Mapping[str, Any], due: str) -> str:
    if facts["paid"]:
        return "Your credit covers it; there is nothing for you to do."
    if facts["charge_on"]:
        day = write_day(date.fromisoformat(facts["charge_on"]))
        return f"It will be charged to your card on {day}; there is nothing for you to do."
    return f"Please pay by {due}."


def _html(opening: str, rows: Sequence[tuple[str, str]], closing: str) -> str:
    table = format_html_join(
        "",
        '<tr><td style="padding:4px 16px 4px 0;color:#66736e;">{}</td>'
        '<td style="padding:4px 0;font-weight:600;">{}</td></tr>',
        rows,
    )
    return format_html(
        '<p style="margin:0 0 16px;">{}</p>'
        '<table role="presentation" cellpadding="0" cellspacing="0" border="0" '
        'style="font-size:16px;line-height:1.4;">{}</table>'
        '<p style="margin:16px 0;">{}</p><p style="margin:0 0 14px;">{}</p>',
        opening,
        table,
        closing,
        THANKS,
    )


PACKAGE_INVOICE_ISSUED = NotificationType(
    "package_invoice_issued",
    Category.BILLING,
    _package_invoice_issued,
    still_wanted=voided,
)

TYPES: tuple[NotificationType, ...] = (PACKAGE_INVOICE_ISSUED,)
