"""The words this app sends."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html

from apps.mailbox.models import EmailConnection
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words


def _mailbox_shut(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    page = settings.SITE_URL + reverse(
        "admin:mailbox_emailconnection_change", args=[notifications[0].subject_id]
    )
    opening = f"We can no longer sign in to the mailbox {facts['mailbox']}."
    closing = (
        "Letters wait there until somebody enters the new credentials. We do not try again "
        "before that, so that the account is not locked."
    )
    return Words(
        subject=f"{facts['firm']}: the mailbox {facts['mailbox']} needs new credentials",
        text="\n".join([opening, "", closing, "", "Enter them here:", page]),
        html=format_html(
            '<p>{}</p>\n<p>{}</p>\n<p><a href="{}">Enter them here</a></p>',
            opening,
            closing,
            page,
        ),
    )


def _open_again(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which messages have become pointless: somebody has seen to it already."""
    keys = {one.pk: int(one.subject_id) for one in notifications}
    shut = set(
        EmailConnection.objects.filter(
            pk__in=keys.values(), status=EmailConnection.Status.AUTH_FAILED
        ).values_list("pk", flat=True)
    )
    return {pk: "settled meanwhile" for pk, key in keys.items() if key not in shut}


MAILBOX_SHUT = NotificationType(
    "mailbox_shut", Category.OPERATIONAL, _mailbox_shut, still_wanted=_open_again
)

TYPES: tuple[NotificationType, ...] = (MAILBOX_SHUT,)
