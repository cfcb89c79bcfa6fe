"""Whether a digest still says something true when it is about to go out.

What a digest lists was written down when it was made, in its context, by section: how many
there are, and the first of them, each a row that begins with a primary key.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from apps.notifications.models import Notification

Row = Sequence[Any]


def keys_of(notifications: Iterable[Notification], *sections: str) -> set[int]:
    """Return the primary keys that these sections list."""
    return {
        row[0]
        for one in notifications
        for name in sections
        for row in one.context[name]["rows"]
    }


def settled(
    notifications: Iterable[Notification],
    sections: Sequence[str],
    stands: Callable[[str, Row], bool],
) -> dict[int, str]:
    """Return the digests of which nothing stands any more.

    One that counts more than it lists may always say something true.
    """
    return {
        one.pk: "settled meanwhile"
        for one in notifications
        if all(
            one.context[name]["count"] == len(one.context[name]["rows"]) for name in sections
        )
        and not any(stands(name, row) for name in sections for row in one.context[name]["rows"])
    }


def overtaken(notifications: Sequence[Notification]) -> dict[int, str]:
    """Return those after which their recipient got a newer one about the same thing.

    One query. The notifications are of one type.
    """
    later = Notification.objects.filter(
        firm__in={one.firm_id for one in notifications},
        type__in={one.type for one in notifications},
        recipient_key__in={one.recipient_key for one in notifications},
        subject_id__in={one.subject_id for one in notifications},
        pk__gte=min(one.pk for one in notifications),
    ).order_by("pk")
    newest = {
        (recipient, subject): pk
        for recipient, subject, pk in later.values_list("recipient_key", "subject_id", "pk")
    }
    return {
        one.pk: "a newer one follows"
        for one in notifications
        if newest[one.recipient_key, one.subject_id] > one.pk
    }
