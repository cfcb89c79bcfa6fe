"""The seam: a job is a loop of attempts, and a ``Report`` is what came of them.

One attempt is one item in one transaction. Isolation, dry runs, previews that are applied
exactly, progress, cancelling, bounds and the record all live here, so that no service asks
whether this is a dry run. Who watches a run (``apps.jobs.recording``, a command's output)
is told through ``apps.core.watching``; without a watcher a report simply counts.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, TextChoices
from django.db.transaction import TransactionManagementError
from moneyed import Money

from apps.core import batches
from apps.core.items import Item, Outcome, Skip, Subject
from apps.core.watching import Blocked, Stale, Stop, watcher, working_for

logger = logging.getLogger(__name__)

__all__ = ["Item", "Outcome", "Report", "Skip", "Subject", "block"]

T = TypeVar("T")


class _Undo(Exception):  # noqa: N818 - an order, not an error
    """Roll this transaction back; the outcome is already on the items."""


@dataclass(slots=True)
class Aside:
    """Something written aside; a call that leaves the building waits for it to be committed."""

    committed: bool = False


class Report:
    """What a run of a job did, item by item, and the words for it."""

    def __init__(
        self,
        *,
        dry_run: bool = False,
        heading: str = "",
        summary: Callable[["Report"], Iterable[str]] | None = None,
    ) -> None:
        self.dry_run = dry_run
        self.counts: Counter[Outcome] = Counter()
        self.tallies: Counter[str] = Counter()
        self.money: dict[str, Money] = {}
        self._summary = summary
        self._began = self._inside = False  # an item's transaction has begun, is open
        self._watcher = watcher()
        self._watcher.opened(self)
        if heading:
            self.says(heading)

    # ---- what services do ---------------------------------------------------------

    @contextmanager
    def attempt(self, thing: Model | Subject, *, part: str = "") -> Iterator[Item[Any]]:
        """Run the block as one item in one transaction, and let the loop go on whatever comes.

        ``Skip`` and any error roll the item back and are recorded. What stops a run passes
        through: ``Stop`` between items, a bound inside them, a time-out (``SystemExit``).
        An item that the preview which is being applied does not show is rolled back and
        leaves no record.
        """
        self._between()
        item = self._item(thing, part)
        wanted = self._watcher.wants(item.subject.identity)
        with working_for(item.subject.firm_id):
            try:
                with self._transaction():
                    yield item
                    if not wanted:
                        raise _Undo
                    self._before_commit([item])
            except Stop:
                raise
            except Exception as error:
                if not self._began:
                    raise
                if wanted:
                    self._judge(item, error)
        if wanted:
            self._ended([item])

    def attempt_each(
        self,
        things: Iterable[T],
        act: Callable[[Sequence[Item[T]]], None],
        *,
        subject: Callable[[T], Subject],
        size: int = batches.SIZE,
        then: Callable[[Sequence[Item[T]]], None] | None = None,
    ) -> None:
        """Run ``act`` on up to ``size`` items in one transaction, with bulk statements.

        When a batch cannot be committed as it is (an error, a stale item, a bound), it is
        rolled back and done again one by one, so that only the bad item is left out. ``act``
        marks items with ``skip``, ``does`` and ``says``; it must work for a batch of one,
        keep nothing between calls, and not rely on what an earlier call, since rolled back,
        changed on the things in memory.

        ``then`` makes the calls that leave the building (spec A5.4). It gets the items whose
        intent was committed, outside any transaction, writes their results in transactions of
        its own, and may still say what came of them; a dry run never gets there. An error
        that it lets through fails those of its items that it had not failed by itself.
        """
        for batch in batches.batched(things, size):
            self._between()
            items = [Item(subject(thing), thing, self.dry_run) for thing in batch]
            items = [i for i in items if self._watcher.wants(i.subject.identity)]
            if len(items) > 1 and self._batch(items, act, then):
                continue
            for item in items:
                self._between()
                with working_for(item.subject.firm_id):
                    self._single(Item(item.subject, item.thing, self.dry_run), act, then)

    def skip(
        self,
        thing: Model | Subject,
        reason: TextChoices,
        says: str = "",
        *,
        part: str = "",
    ) -> None:
        """Record a decision not to act."""
        self._between()
        item = self._item(thing, part)
        if not self._watcher.wants(item.subject.identity):
            return
        item.skip(reason, says)
        self._ended([item])

    def fail(self, thing: Model | Subject, error: Exception, *, part: str = "") -> None:
        """Record a failure outside any item's transaction (a whole firm's, a call's).

        A ``Stop`` is no failure and goes on.
        """
        if isinstance(error, Stop):
            raise error
        self._between()
        item = self._item(thing, part)
        self._failed(item, error)
        self._ended([item])

    @contextmanager
    def aside(self) -> Iterator["Aside"]:
        """Write something that is no item, in a transaction of its own: a claim, a cursor.

        A dry run rolls it back. Errors go on to the caller.
        """
        aside = Aside()
        self._between()
        with self._transaction():
            yield aside
            if self.dry_run:
                transaction.set_rollback(True)
        aside.committed = not self.dry_run

    def says(self, text: str, *, level: int = 1) -> None:
        """Print a line that belongs to no item. Level 0 also shows with ``-v 0``."""
        self._watcher.wrote(text, level)

    def pause(self) -> None:
        """Let whoever watches have a turn between two calls; may raise ``Stop``."""
        self._between()

    def expect(self, items: int) -> None:
        """Announce how many items are coming, for progress and time left."""
        self._watcher.expects(items)

    # ---- what came of it ------------------------------------------------------------

    @property
    def done(self) -> int:
        return self.counts[Outcome.DONE]

    @property
    def skipped(self) -> int:
        return self.counts[Outcome.SKIPPED] + self.counts[Outcome.STALE]

    @property
    def failed(self) -> int:
        return self.counts[Outcome.FAILED]

    def worded(self, text: str, *, would: str) -> str:
        """Return ``text``, or ``would`` in a dry run."""
        return would if self.dry_run else text

    def summary(self) -> list[str]:
        """Return the closing lines, also of a run that was stopped in the middle."""
        return list(self._summary(self)) if self._summary else []

    def __str__(self) -> str:
        return "\n".join(self.summary()) or f"{self.done} done, {self.skipped} skipped"

    # ---- inside -----------------------------------------------------------------------

    def _item(self, thing: Any, part: str) -> Item[Any]:
        subject = thing if isinstance(thing, Subject) else Subject.of(thing, part=part)
        return Item(subject, thing, self.dry_run)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # A transaction that cannot begin (no database, a lock held too long) is no item's
        # fault, and the next one would not fare better: that ends the run.
        self._began = False
        with transaction.atomic(durable=True):
            self._began = self._inside = True
            try:
                yield
            finally:
                self._inside = False

    def _between(self) -> None:
        if self._inside:
            raise RuntimeError("an item is open: raise Skip, or do this after it")
        self._watcher.between()

    def _before_commit(self, items: Sequence[Item[Any]]) -> None:
        if transaction.get_rollback():
            # Django would now roll back without a word, and the item would count as done.
            raise TransactionManagementError("a database error was swallowed inside an item")
        self._watcher.weigh(
            [
                (item.subject.identity, item.action, item.amount)
                for item in items
                if item.outcome == Outcome.DONE
            ]
        )
        if self.dry_run:
            transaction.set_rollback(True)

    def _batch(
        self,
        items: Sequence[Item[T]],
        act: Callable[[Sequence[Item[T]]], None],
        then: Callable[[Sequence[Item[T]]], None] | None,
    ) -> bool:
        try:
            with self._transaction():
                act(items)
                self._before_commit(items)
        except (Skip, Stale, Blocked):
            return False  # one by one finds the very item
        except Stop:
            raise
        except Exception as error:
            if not self._began:
                raise
            logger.warning(
                "A batch of %d is done again one by one after %s",
                len(items),
                type(error).__name__,
            )
            return False
        self._follow(items, then)
        return True

    def _single(
        self,
        item: Item[T],
        act: Callable[[Sequence[Item[T]]], None],
        then: Callable[[Sequence[Item[T]]], None] | None,
    ) -> None:
        try:
            with self._transaction():
                act([item])
                self._before_commit([item])
        except Stop:
            raise
        except Exception as error:
            if not self._began:
                raise
            self._judge(item, error)
        self._follow([item], then)

    def _follow(
        self,
        items: Sequence[Item[T]],
        then: Callable[[Sequence[Item[T]]], None] | None,
    ) -> None:
        """Make the calls that waited for the commit, and tell what came of the items."""
        standing = [item for item in items if not item.undone]
        try:
            if then and standing and not self.dry_run:
                for item in standing:
                    item.committed = True
                then(standing)
        except Stop:
            raise
        except Exception as error:
            for item in standing:
                if not item.undone:
                    self._failed(item, error)
        finally:
            self._ended(items)

    def _judge(self, item: Item[Any], error: Exception) -> None:
        """Turn what rolled an item back into its outcome."""
        if isinstance(error, Skip):
            item.skip(error.reason, error.says)
        elif isinstance(error, Stale):
            item.stale(str(error))
        else:
            self._failed(item, error)

    def _failed(self, item: Item[Any], error: Exception) -> None:
        item.fail(error)
        logger.error("%s %s failed", item.subject.kind, item.subject.key, exc_info=error)

    def _ended(self, items: Sequence[Item[Any]]) -> None:
        amounts: dict[str, Decimal] = {}
        for item in items:
            item.committed |= not item.undone and not self.dry_run
            self.counts[item.outcome] += 1
            self.tallies.update(item.tallies)
            if item.amount is not None and item.outcome == Outcome.DONE:
                code = item.amount.currency.code
                amounts[code] = amounts.get(code, Decimal(0)) + item.amount.amount
        for code, amount in amounts.items():
            self.money[code] = self.money.get(code, Money(0, code)) + Money(amount, code)
        self._watcher.told(items)


def block(*figures: tuple[str, object]) -> list[str]:
    """Return the closing block that most commands end with (spec A8.4)."""
    return ["", "Summary:", *(f"  {name}: {figure}" for name, figure in figures)]
