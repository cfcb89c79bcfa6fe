"""The words this app sends."""

from collections.abc import Mapping, Sequence
from datetime import date

from django.conf import settings
from django.urls import reverse

from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words
from apps.privacy.models import ErasureRequest

_WHEN = {
    "soon": "has to be answered by {day}",
    "today": "has to be answered today",
    "overdue": "should have been answered by {day}",
}


def _erasure_due(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    number, due_on = notifications[0].subject_id, date.fromisoformat(facts["due_on"])
    day = f"{due_on.day} {due_on:%B %Y}"
    when = _WHEN[facts["milestone"]].format(day=day)
    page = settings.SITE_URL + reverse("admin:privacy_erasurerequest_change", args=[number])
    return Words(
        subject=f"Erasure request {number} {when}",
        text=(
            f"Erasure request {number} {when}.\n\n"
            "If the law allows more time, the person has to be told so, and why, before "
            f"that day is over.\n\nLook at it:\n{page}\n"
        ),
    )


def _closed(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which reminders have become pointless: the request has been closed."""
    keys = {one.pk: int(one.subject_id) for one in notifications}
    requests = ErasureRequest.objects.filter(pk__in=keys.values(), closed_at__isnull=False)
    closed = set(requests.values_list("pk", flat=True))
    return {pk: "closed meanwhile" for pk, key in keys.items() if key in closed}


ERASURE_DUE = NotificationType(
    "erasure_due",
    Category.OPERATIONAL,
    _erasure_due,
    from_platform=True,
    still_wanted=_closed,
)

TYPES: tuple[NotificationType, ...] = (ERASURE_DUE,)
