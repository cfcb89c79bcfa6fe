"""What was done in an erasure, by category: rows and how they ended, never what they said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from apps.privacy.models import ErasureAction

Decision = ErasureAction.Decision


@dataclass
class Decided:
    """What was done with one category of data."""

    category: str
    decision: Decision
    rows: int = 0
    until: date | None = None
    reason: str = ""

    @classmethod
    def read(cls, action: ErasureAction) -> Self:
        """Return what was written down."""
        decision = Decision(action.decision)
        return cls(action.category, decision, action.rows, action.retained_until, action.reason)


@dataclass
class Tally:
    """What was done, by category; in the order in which it happened."""

    by_kind: dict[tuple[str, Decision], Decided] = field(default_factory=dict)

    def add(
        self,
        category: str,
        decision: Decision,
        rows: int,
        *,
        until: date | None = None,
        reason: str = "",
    ) -> None:
        """Count rows; none of them leaves no trace."""
        if not rows:
            return
        key = (category, decision)
        known = self.by_kind.setdefault(key, Decided(category, decision, reason=reason))
        known.rows += rows
        known.until = max(filter(None, [known.until, until]), default=None)

    def merge(self, others: Iterable[Decided]) -> None:
        """Add what was done elsewhere."""
        for one in others:
            self.add(one.category, one.decision, one.rows, until=one.until, reason=one.reason)

    def total(self, decision: Decision) -> int:
        """Return how many rows ended so."""
        return sum(d.rows for d in self.by_kind.values() if d.decision == decision)

    @property
    def figures(self) -> str:
        """``310 erased, 45 anonymised, 24 retained``, and what is held if anything is."""
        shown = [one for one in Decision if one != Decision.HELD or self.total(one)]
        return ", ".join(f"{self.total(one)} {one.value}" for one in shown)

    def __iter__(self) -> Iterator[Decided]:
        return iter(self.by_kind.values())
