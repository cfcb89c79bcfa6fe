"""What an app that acts on a provider's events must be able to do."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from django.conf import settings

from apps.core.days import Clock
from apps.webhooks.models import WebhookEvent

Fetch = Callable[[], Any]


class Handler(Protocol):
    """Acts on one provider's events. Deliveries are unordered and repeated (spec D9)."""

    def prepare(self, events: Sequence[WebhookEvent]) -> Mapping[int, Fetch]:
        """Return how to ask the provider about each event, by the event's primary key.

        Reads the database for many events at once. The functions it returns do not: they
        run in threads, outside any transaction, and return what ``apply`` needs. An event
        without one concerns nobody here and is *ignored*.
        """

    def apply(self, event: WebhookEvent, fetched: Any, *, clock: Clock) -> bool:
        """Write what follows, inside one transaction; False when nothing concerned us.

        What the event says may be old; what was fetched is how the thing stands now.
        """


class Answering(Handler, Protocol):
    """A handler of a provider that reads our answer: it acts as an event comes."""

    def answer(self, event: WebhookEvent, *, clock: Clock) -> str | None:
        """Act on an event, inside one transaction, and return what to answer.

        Nothing when it concerned nobody. ``apply`` does the same for an event whose first
        try ended in an error; then there is nobody to answer.
        """


def handlers() -> dict[str, Handler]:
    """Return who acts on which provider's events (``settings.WEBHOOKS``)."""
    found: dict[str, Handler] = import_module(settings.WEBHOOKS).HANDLERS
    return found
