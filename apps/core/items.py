"""One item of a run: what it is about, what it would change, what came of it."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db.models import Model, TextChoices
from moneyed import Money

from apps.core.problems import sentence
from apps.core.watching import Identity

T = TypeVar("T")

IDENTITY_LENGTH = 60  # of each of its three parts, as the record keeps them


class Outcome(TextChoices):
    """What became of one item. The sign is the bullet that people see (spec A8.2)."""

    DONE = "done"
    SKIPPED = "skipped"
    DECLINED = "declined"
    FAILED = "failed"
    STALE = "stale"

    @property
    def sign(self) -> str:
        return {
            "done": "✓",
            "skipped": "-",
            "declined": "⚠",
            "failed": "✗",
            "stale": "-",
        }[self]


class Skip(Exception):  # noqa: N818 - said as a verb: raise Skip(Reason.PAID_MEANWHILE)
    """This item needs nothing; roll it back and say why.

    ``reason`` is a member of the app's closed ``TextChoices``, so that skips can be counted,
    translated and searched; ``says`` is the line people read, and without it the skip is
    silent unless they ask for more (``-v 2``).
    """

    def __init__(self, reason: TextChoices, says: str = "") -> None:
        super().__init__(str(reason.label))
        self.reason = reason
        self.says = says


@dataclass(frozen=True, slots=True)
class Subject:
    """What an item is about: a row, and which part of it (a month, a milestone)."""

    kind: str  # "leasing.lease"
    key: str  # "12"
    label: str  # what people see; the only personal data a record may hold
    part: str = ""  # "2025-03"
    firm_id: int | None = None
    failing: str = ""  # how the line of a failure begins, if not with the label

    @classmethod
    def of(cls, row: Model, *, part: str = "", label: str = "") -> "Subject":
        """Return the subject that a model instance is."""
        kind = row._meta.label_lower
        firm_id = row.pk if kind == "firms.firm" else getattr(row, "firm_id", None)
        return cls(kind, str(row.pk), label or str(row), part, firm_id)

    @property
    def identity(self) -> Identity:
        """The same in a preview and in the run that applies it."""
        most = IDENTITY_LENGTH
        return (self.kind[:most], self.key[:most], self.part[:most])


@dataclass(slots=True)
class Item(Generic[T]):
    """One attempt: what it is about, what it would change, what came of it."""

    subject: Subject
    thing: T
    dry_run: bool
    outcome: Outcome = Outcome.DONE
    action: str = ""
    amount: Money | None = None
    reason: TextChoices | None = None
    detail: str = ""
    line: str = ""
    bullet: str = ""
    committed: bool = False
    tallies: list[str] = field(default_factory=list)

    def does(self, action: str, amount: Money | None = None, *, tally: str = "") -> None:
        """Name the effect, so that a preview and its application can be compared.

        ``action`` must not contain what is only known after the commit (an invoice number).
        ``tally`` counts the item under a heading of the summary.
        """
        self.action, self.amount = action, amount
        self.tallies = [tally] if tally else []

    def says(self, text: str, *, would: str = "", bullet: str = "") -> None:
        """Set the line people read; ``would`` replaces it in a dry run."""
        self.line = would if self.dry_run and would else text
        self.bullet = bullet

    def skip(self, reason: TextChoices, says: str = "") -> None:
        """Leave this item of a batch alone; nothing may have been written for it."""
        self._ends(Outcome.SKIPPED, str(reason.label), says, reason)
        self.action, self.amount = "", None

    def decline(self, reason: TextChoices, says: str) -> None:
        """Record a business failure (a card says no); what was written stays."""
        self.outcome, self.reason, self.line = Outcome.DECLINED, reason, says
        self.detail = str(reason.label)

    def fail(self, error: Exception) -> None:
        """Record a technical error of this item alone; what was written stays."""
        line = f"{self.subject.failing or self.subject.label}: {sentence(error)}"
        self._ends(Outcome.FAILED, sentence(error), line)
        self.action, self.amount = "", None

    def stale(self, difference: str) -> None:
        """Record that the effect is not the one that was previewed, and how it differs."""
        self._ends(Outcome.STALE, difference, f"{self.subject.label}: {difference}")

    def _ends(
        self, outcome: Outcome, detail: str, line: str, reason: TextChoices | None = None
    ) -> None:
        self.outcome, self.detail, self.line, self.reason = outcome, detail, line, reason
        self.bullet, self.tallies = "", []

    @property
    def undone(self) -> bool:
        return self.outcome in {Outcome.SKIPPED, Outcome.FAILED, Outcome.STALE}
