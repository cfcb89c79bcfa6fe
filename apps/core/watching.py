"""Who is watching: a run's recorder, a command's output.

``Report`` finds its watcher in a context variable, so that a plain call in a shell or a
test stays a plain call. ``core`` knows only this interface; ``apps.jobs`` fills it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from moneyed import Money

if TYPE_CHECKING:
    from apps.core.reports import Item, Report

Identity = tuple[str, str, str]
Effect = tuple[Identity, str, Money | None]


class Stop(Exception):  # noqa: N818 - said as a verb
    """End the run between two items: somebody cancelled it, or the process must go.

    Raised where no item's isolation can swallow it. An ordinary ``Exception``, because
    Django-Q2's worker dies of any other.
    """


class Blocked(Stop):
    """The next item would break a bound of the job; it has been rolled back."""


class Stale(Exception):  # noqa: N818 - a state of the item, said as such
    """The effect differs from the one that was previewed; the text says how."""


class Watcher:
    """Watches nothing. Subclasses override what they care about."""

    def opened(self, report: "Report") -> None:
        """A report begins. May raise to keep the run from doing anything."""

    def expects(self, items: int) -> None:
        """About so many items are coming."""

    def between(self) -> None:
        """No transaction is open. The place for heartbeats, writing, and raising ``Stop``."""

    def wants(self, identity: Identity) -> bool:
        """Whether an item may be attempted at all (a preview is applied: was it in there?)."""
        return True

    def weigh(self, effects: Sequence[Effect]) -> None:
        """The effects are about to be committed. May raise ``Stale`` or ``Blocked``."""

    def told(self, items: "Sequence[Item[Any]]") -> None:
        """These items have ended, whatever came of them."""

    def wrote(self, text: str, level: int) -> None:
        """A line that belongs to no item."""

    def names(self) -> Mapping[str, Any]:
        """What the run is known by, for those who write of it: its number, its job."""
        return {}


_watcher: ContextVar[Watcher] = ContextVar("watcher", default=Watcher())  # noqa: B039 - stateless


def watcher() -> Watcher:
    """Return whoever watches the current run."""
    return _watcher.get()


@contextmanager
def watched_by(new: Watcher) -> Iterator[None]:
    """Let ``new`` watch every report made in the block."""
    token = _watcher.set(new)
    try:
        yield
    finally:
        _watcher.reset(token)


# The firm of the item that is at work in this thread.
_firm: ContextVar[int | None] = ContextVar("firm", default=None)


@contextmanager
def working_for(firm_id: int | None) -> Iterator[None]:
    """Let whatever is written in the block be known as a firm's."""
    token = _firm.set(firm_id)
    try:
        yield
    finally:
        _firm.reset(token)


def whereabouts() -> dict[str, Any]:
    """Return which run is on record here, of which job, and for which firm it is at work.

    What is not known is left out; outside of a run that is everything.
    """
    firm = _firm.get()
    return {**watcher().names(), **({} if firm is None else {"firm": firm})}


class Together(Watcher):
    """Several watchers of one run; the first is asked first and may stop it."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def opened(self, report: "Report") -> None:
        for one in self._watchers:
            one.opened(report)

    def expects(self, items: int) -> None:
        for one in self._watchers:
            one.expects(items)

    def between(self) -> None:
        for one in self._watchers:
            one.between()

    def wants(self, identity: Identity) -> bool:
        return all(one.wants(identity) for one in self._watchers)

    def weigh(self, effects: Sequence[Effect]) -> None:
        for one in self._watchers:
            one.weigh(effects)

    def told(self, items: "Sequence[Item[Any]]") -> None:
        for one in self._watchers:
            one.told(items)

    def wrote(self, text: str, level: int) -> None:
        for one in self._watchers:
            one.wrote(text, level)

    def names(self) -> Mapping[str, Any]:
        return {name: what for one in self._watchers for name, what in one.names().items()}
