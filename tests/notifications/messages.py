"""Types of message to test with: one of each kind there can be."""

from collections.abc import Mapping, Sequence
from datetime import date

from django.db.models import QuerySet

from apps.contacts.models import Contact
from apps.firms.models import Firm
from apps.notifications.models import Channel, Notification
from apps.notifications.types import Category, GroupRule, NotificationType, Words


def _one(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    return Words(
        facts.get("subject", "Hello"), facts.get("text", "Good day."), facts.get("html", "")
    )


def _list(notifications: Sequence[Notification]) -> Words:
    numbers = [one.context["number"] for one in notifications]
    return Words(f"{len(numbers)} to pay", "Please pay:\n" + "\n".join(numbers))


def _paid(notifications: Sequence[Notification]) -> Mapping[int, str]:
    return {one.pk: "paid" for one in notifications if one.context.get("paid")}


def _cannot_say(notifications: Sequence[Notification]) -> Mapping[int, str]:
    raise ConnectionError("no answer about ada@example.com")


RECEIPT = NotificationType("receipt", Category.TRANSACTIONAL, _one)
NEWS = NotificationType("news", Category.MARKETING, _one, may_opt_out=True)
REMINDER = NotificationType(
    "reminder", Category.BILLING, _list, digestable=True, still_wanted=_paid
)
DIGEST_NEWS = NotificationType(
    "digest_news", Category.OPERATIONAL, _list, digestable=True, may_opt_out=True
)
ALARM = NotificationType("alarm", Category.SAFETY, _one, ignores_quiet_hours=True)
UNSURE = NotificationType("unsure", Category.BILLING, _one, still_wanted=_cannot_say)
BY_EMAIL = NotificationType("by_email", Category.TRANSACTIONAL, _one, channels=(Channel.EMAIL,))
EVERYWHERE = NotificationType(
    "everywhere",
    Category.OPERATIONAL,
    _one,
    channels=(Channel.EMAIL, Channel.SMS, Channel.IN_APP),
)
FROM_US = NotificationType("from_us", Category.OPERATIONAL, _one, from_platform=True)

TYPES: tuple[NotificationType, ...] = (
    RECEIPT,
    NEWS,
    REMINDER,
    DIGEST_NEWS,
    ALARM,
    UNSURE,
    BY_EMAIL,
    EVERYWHERE,
    FROM_US,
)


def _with_phone(*, firm: Firm, today: date) -> QuerySet[Contact]:
    return Contact.objects.exclude(phone="")  # forgets the firm: the group must not


GROUP_RULES: dict[str, GroupRule] = {"with_phone": _with_phone}
