"""The words this app sends."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from apps.discrepancies.models import Discrepancy
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words

SHOWN = 50  # issues in one message; the rest are counted


def _discrepancies_found(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    count, source = facts["count"], facts["source"]
    shown = [
        (
            "Critical: " * (issue.severity == Discrepancy.Severity.CRITICAL),
            issue.sentence,
        )
        for issue in _issues(facts["issues"])
    ]
    differences = f"{count} new difference{'s' * (count != 1)}"
    opening = f"{facts['firm']}'s books and {source} do not agree:"
    more = f"and {count - len(shown)} more" if count > len(shown) else ""
    page = settings.SITE_URL + reverse("admin:discrepancies_discrepancy_changelist")
    page += "?status__exact=open"
    closing = "Each is told once; it stays on the list until it is gone or you ignore it."
    lines = [f"  • {urgent}{sentence}" for urgent, sentence in shown]
    lines += [f"  … {more}"] if more else []
    items = format_html_join("\n", "<li><strong>{}</strong>{}</li>", shown)
    return Words(
        subject=f"{facts['firm']}: {differences} with {source}",
        text="\n".join([opening, "", *lines, "", "See them all:", page, "", closing]),
        html=format_html(
            '<p>{}</p>\n<ul>\n{}\n</ul>\n<p>{}</p>\n<p><a href="{}">See them all</a></p>'
            "\n<p>{}</p>",
            opening,
            items,
            f"… {more}" if more else "",
            page,
            closing,
        ),
    )


def _all_gone(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which messages have become pointless: none of their issues is open any more."""
    told = {one.pk: one.context for one in notifications}
    asked = {pk for facts in told.values() for pk in facts["issues"]}
    open_ = set(
        Discrepancy.objects.filter(pk__in=asked, status=Discrepancy.Status.OPEN).values_list(
            "pk", flat=True
        )
    )
    return {
        pk: "settled meanwhile"
        for pk, facts in told.items()
        if facts["count"] <= SHOWN and not open_ & set(facts["issues"])
    }


def _issues(pks: Sequence[int]) -> list[Discrepancy]:
    found = Discrepancy.objects.in_bulk(pks)
    return [found[pk] for pk in pks if pk in found]


DISCREPANCIES_FOUND = NotificationType(
    "discrepancies_found",
    Category.OPERATIONAL,
    _discrepancies_found,
    still_wanted=_all_gone,
)

TYPES: tuple[NotificationType, ...] = (DISCREPANCIES_FOUND,)
