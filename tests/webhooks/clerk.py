"""Who acts on events in these tests: what an event's type says it wants to happen.

The effect is a contact of the event's firm, named like the event.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.webhooks.handling import Fetch, Handler
from apps.webhooks.models import WebhookEvent


class Unlucky(Exception):  # noqa: N818 - it is nobody's mistake
    """An error whose text nobody may see."""


class Clerk:
    """Prepares, fetches and applies as told; remembers what it was asked."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.clocks: list[Clock] = []
        self.on_fetch: Callable[[], Any] = lambda: None

    def prepare(self, events: Sequence[WebhookEvent]) -> Mapping[int, Fetch]:
        self.batches.append([event.event_id for event in events])
        if any(event.type == "unreadable" for event in events):
            json.loads("{")
        return {
            event.pk: self._fetch(event.type) for event in events if event.type != "nobodys"
        }

    def apply(self, event: WebhookEvent, fetched: Any, *, clock: Clock) -> bool:
        self.clocks.append(clock)
        if event.type == "old_news":
            return False
        if event.firm:
            Contact.objects.create(firm=event.firm, display_name=event.event_id)
        if event.type == "apply_breaks":
            raise Unlucky(f"{fetched} {bytes(event.raw_body)!r}")
        return True

    def _fetch(self, kind: str) -> Fetch:
        def fetch() -> Any:
            if kind == "fetch_breaks":
                raise Problem("The gateway did not answer.")
            return self.on_fetch()

        return fetch


HANDLERS: dict[str, Handler] = {}


def effects() -> list[str]:
    """What the events have led to."""
    return sorted(Contact.objects.values_list("display_name", flat=True))
