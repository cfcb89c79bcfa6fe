"""The five jobs as tests run them: on a day, at an instant, watched; and who was told what."""

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import time_machine
from django.core.management import call_command

from apps.core.reports import Item
from apps.core.watching import Effect, Watcher
from apps.firms.models import Firm, Role, User
from apps.notifications.models import Notification
from apps.notifications.types import Words, registry
from tests.factories import MembershipFactory, UserFactory


def at(moment: str | datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def noon(day: date) -> datetime:
    """Noon in New York, or an hour later."""
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


def days_from(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)


def member(firm: Firm, role: Role = Role.FACILITY_MANAGER, **user: Any) -> User:
    """Return a new person of a firm in a role."""
    person: User = UserFactory(**user)
    MembershipFactory(firm=firm, user=person, roles=[role])
    return person


def printed(name: str, **options: Any) -> str:
    """Return what a job's command prints."""
    out = io.StringIO()
    call_command(name, stdout=out, **options)
    return out.getvalue()


def sent(kind: str) -> list[Notification]:
    """Return the notifications of a type, oldest first."""
    return list(Notification.objects.filter(type=kind).order_by("pk"))


def recipients(kind: str) -> set[str]:
    """Return the recipients of a type, as keys name them."""
    return {one.recipient_key for one in sent(kind)}


def words(*notifications: Notification) -> Words:
    """Return what one message says that carries these."""
    return registry()[notifications[0].type].write(notifications)


def no_longer_wanted(*notifications: Notification) -> list[str]:
    """Return why each of these must not go out any more; empty if it should."""
    ask = registry()[notifications[0].type].still_wanted
    assert ask is not None
    reasons = ask(notifications)
    return [reasons.get(one.pk, "") for one in notifications]


class Trips(Watcher):
    """Lets the item of one row fail, just before its batch would be committed."""

    def __init__(self, key: object) -> None:
        self.key = str(key)

    def weigh(self, effects: Sequence[Effect]) -> None:
        if any(key == self.key for (_, key, _), _, _ in effects):
            raise RuntimeError("tripped")


class Meddles(Watcher):
    """Does something once, between the reading of a batch and its transaction."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self.meddle: Callable[[], object] | None = meddle

    def between(self) -> None:
        if self.meddle:
            meddle, self.meddle = self.meddle, None
            meddle()


class Hears(Watcher):
    """Keeps the lines of items, as they are printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def told(self, items: Sequence[Item[Any]]) -> None:
        said = (
            f"{item.bullet or item.outcome.sign} {item.line}" for item in items if item.line
        )
        self.lines += said
