"""The words this app sends: what has been lying idle, told to whoever can change that."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core import money
from apps.crm.models import Deal
from apps.crm.staleness import Staleness
from apps.firms.models import User
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

SHOWN = 50  # deals in one message; the rest are counted


def contents(deals: Iterable[Deal], *, today: date) -> dict[str, Any]:
    """Return what a message about stale deals keeps: which, and what the rest is worth.

    By currency, then the largest first, then the longest idle. Titles and names are looked
    up when the message is written, and what has been touched by then is left out.
    """
    ranked = sorted(deals, key=lambda one: (one.currency, -one.amount_minor, one.touched_at))
    rest = ranked[SHOWN:]
    return {
        "on": str(today),
        "deals": [deal.pk for deal in ranked[:SHOWN]],
        "more": len(rest),
        "more_minor": _add_up(rest),
    }


def _stale_deals(notifications: Sequence[Notification]) -> Words:
    return _write(
        notifications[0],
        opening="Nobody has touched {these} for too long:",
        closing="A call, a note, a change or a date for the next meeting takes a deal off this "
        "list; so does snoozing it.",
    )


def _escalated(notifications: Sequence[Notification]) -> Words:
    return _write(
        notifications[0],
        urgent="Escalated: ",
        opening="Four reminders did not move {these}:",
        closing="Nobody is reminded of them again until somebody takes care of them.",
    )


def _write(
    notification: Notification, *, opening: str, closing: str, urgent: str = ""
) -> Words:
    rule, deals = _still_stale([notification])[notification.pk]
    facts, reader = notification.context, notification.recipient_user
    count = len(deals) + facts["more"]
    totals = Counter(facts["more_minor"]) + Counter(_add_up(deals))
    these = "this deal" if count == 1 else f"these {count} deals"
    opening = opening.format(these=these) if count else "None of these deals is stale any more."
    rows = [_row(deal, rule, reader) for deal in deals]
    more = ""
    if facts["more"]:
        more = f"… and {facts['more']} more worth {_in_words(facts['more_minor'])}"
    page = settings.SITE_URL + reverse("admin:crm_deal_changelist") + "?is_stale__exact=1"
    lines = [opening, ""]
    for row in rows:
        lines.append(f"  • {row['title']} ({row['about']}): {row['amount']}, {row['idle']}")
        lines.append(f"    {row['page']}")
    lines += [f"  {more}"] * bool(more)
    lines += ["", "See all stale deals:", page, "", closing]
    worth = f" worth {_in_words(totals)}" if totals else ""
    return Words(
        subject=f"{urgent}{count} stale deal{'s' * (count != 1)}{worth}",
        text="\n".join(lines),
        html=_html(opening, rows, more, page, closing),
    )


def _row(deal: Deal, rule: Staleness, reader: User | None) -> dict[str, str]:
    days = rule.idle_days(deal)
    return {
        "title": deal.title,
        "about": _about(deal, reader),
        "amount": money.write_grouped(deal.amount),
        "idle": f"{days} day{'s' * (days != 1)} idle",
        "page": settings.SITE_URL + reverse("admin:crm_deal_change", args=[deal.pk]),
    }


def _about(deal: Deal, reader: User | None) -> str:
    """Say with whom a deal is, and whose it is unless the reader's own."""
    if deal.owner == reader:
        return str(deal.contact)
    owner = deal.owner and (deal.owner.get_full_name() or deal.owner.get_username())
    return f"{deal.contact}, {owner or 'nobody'}'s"


def _html(
    opening: str, rows: Sequence[Mapping[str, str]], more: str, page: str, closing: str
) -> SafeString:
    cells = format_html_join(
        "",
        '<tr><td valign="top" style="padding:8px 16px 8px 0;border-top:1px solid #dfe5e2;">'
        '<a href="{page}" style="color:#2f5d50;font-weight:600;">{title}</a><br>'
        '<span style="font-size:14px;color:#66736e;">{about}</span></td>'
        '<td valign="top" align="right" style="padding:8px 0;border-top:1px solid #dfe5e2;'
        'white-space:nowrap;">{amount}<br>'
        '<span style="font-size:14px;color:#66736e;">{idle}</span></td></tr>',
        rows,
    )
    return format_html(
        '<p style="margin:0 0 16px;">{}</p>'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" '
        'style="font-size:16px;line-height:1.4;">{}</table>'
        '<p style="margin:8px 0 16px;color:#66736e;">{}</p>'
        '<p style="margin:0 0 16px;"><a href="{}" style="color:#2f5d50;">'
        "See all stale deals</a></p>"
        '<p style="margin:0 0 14px;">{}</p>',
        opening,
        cells,
        more,
        page,
        closing,
    )


def _add_up(deals: Iterable[Deal]) -> dict[str, int]:
    """Return the worth of deals in minor units, by currency."""
    totals = Counter[str]()
    for deal in deals:
        totals[deal.currency] += deal.amount_minor
    return dict(totals)


def _in_words(totals: Mapping[str, int]) -> str:
    """Write one figure per currency, ordered by code: never two added (spec A3.5)."""
    amounts = (money.from_minor(totals[code], code) for code in sorted(totals))
    return ", ".join(map(money.write_grouped, amounts))


# ---- is it still so? ------------------------------------------------------------------------


def _still_stale(
    notifications: Sequence[Notification],
) -> dict[int, tuple[Staleness, list[Deal]]]:
    """Return which of its deals each message may still name, in its order.

    By the rule of the day it was planned for: whatever has been done about a deal since has
    been done on that day or later. Two queries for each firm and day.
    """
    same_day: dict[tuple[int, str], list[Notification]] = defaultdict(list)
    for one in notifications:
        same_day[one.firm_id, one.context["on"]].append(one)
    found = {}
    for (_, on), some in same_day.items():
        rule = Staleness.on(some[0].firm, date.fromisoformat(on))
        asked = {pk for one in some for pk in one.context["deals"]}
        deals = rule.stale(Deal.objects.select_related("contact", "owner")).in_bulk(asked)
        for one in some:
            left = [deals[pk] for pk in one.context["deals"] if pk in deals]
            found[one.pk] = (rule, left)
    return found


def _touched(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which messages have become pointless: all their deals were taken care of."""
    more = {one.pk: one.context["more"] for one in notifications}
    return {
        pk: "taken care of"
        for pk, (_, deals) in _still_stale(notifications).items()
        if not deals and not more[pk]
    }


STALE_DEALS = NotificationType(
    "stale_deals",
    Category.OPERATIONAL,
    _stale_deals,
    may_opt_out=True,
    still_wanted=_touched,
)
STALE_DEALS_ESCALATED = NotificationType(
    "stale_deals_escalated",
    Category.OPERATIONAL,
    _escalated,
    may_opt_out=True,
    still_wanted=_touched,
)

TYPES: tuple[NotificationType, ...] = (STALE_DEALS, STALE_DEALS_ESCALATED)
