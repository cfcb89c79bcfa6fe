"""Many questions at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.conf import settings

from apps.core.watching import watched_alike

Q = TypeVar("Q")
T = TypeVar("T")


def ask_at_once(ask: Callable[[Q], T], questions: Iterable[Q]) -> list[T]:
    """Return the answers in the order of their questions, ``CHARGES_AT_ONCE`` asked at a time.

    Not to be called inside a transaction. ``ask`` runs in threads, so it must not touch the
    database; of the errors that it raises, the first ends the asking.
    """
    with ThreadPoolExecutor(settings.CHARGES_AT_ONCE, "ask") as threads:
        return list(threads.map(watched_alike(ask), questions))
