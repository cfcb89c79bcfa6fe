"""What can be said, and how: the registry of notification types (spec A10.1).

Each app declares its types beside the words in its ``messages.py``; the module that
``settings.MESSAGES`` names (``project/messages.py``) gathers them as ``urls.py`` does routes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from django.db.models import QuerySet, TextChoices

from apps.contacts.models import Contact
from apps.firms.models import Firm
from apps.notifications.models import Channel

if TYPE_CHECKING:
    from apps.notifications.models import Notification


class Category(TextChoices):
    SAFETY = "safety"
    TRANSACTIONAL = "transactional"
    BILLING = "billing"
    OPERATIONAL = "operational"
    MARKETING = "marketing"


@dataclass(frozen=True)
class Words:
    """One message, ready to send: a subject line without breaks, text, and HTML if any.

    The HTML is the inside of the message and made with ``format_html``; a plain string is
    escaped. Without it the text is shown. ``short`` is what an SMS says, else the subject.
    """

    subject: str
    text: str
    html: str = ""
    short: str = ""


@dataclass(frozen=True)
class NotificationType:
    """One kind of message.

    ``write`` turns one notification, or for a digestable type several of one recipient, into
    words. ``still_wanted`` is asked just before sending, for many at once, and returns the
    reason for each notification (by primary key) that must not go out any more.
    ``from_platform``: it is us who write, to those who rent or run the platform, and not the
    firm to its own people.
    """

    name: str
    category: Category
    write: "Callable[[Sequence[Notification]], Words]"
    channels: tuple[Channel, ...] = (Channel.EMAIL, Channel.IN_APP)
    may_opt_out: bool = False
    digestable: bool = False
    ignores_quiet_hours: bool = False
    from_platform: bool = False
    still_wanted: "Callable[[Sequence[Notification]], Mapping[int, str]] | None" = None


def registry() -> dict[str, NotificationType]:
    """Return every type of the project by its name."""
    types: tuple[NotificationType, ...] = import_module(settings.MESSAGES).TYPES
    return {one.name: one for one in types}


class GroupRule(Protocol):
    """Says whom a dynamic group means on a day: a firm's contacts."""

    def __call__(self, *, firm: Firm, today: date) -> QuerySet[Contact]: ...


def group_rules() -> Mapping[str, GroupRule]:
    """Return every rule of the project by the name that groups know it by."""
    rules: Mapping[str, GroupRule] = import_module(settings.MESSAGES).GROUP_RULES
    return rules
