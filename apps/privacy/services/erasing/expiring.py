"""Let go of what only the law still kept, once its years are over (spec D8)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from apps.core.batches import key_pages
from apps.core.days import Clock
from apps.core.fields import Retained
from apps.core.personal import Fate, Holding, People, Step, holdings, outside
from apps.core.problems import Problem
from apps.core.reports import Report, Subject, block
from apps.firms.models import Firm
from apps.firms.services import find_firm, holds_of
from apps.privacy.services.erasing.rows import Rows, ordered


def anonymise_retained_records(*, firm_id: int | None = None, dry_run: bool = False) -> Report:
    """Anonymise the records of erased people that the law wants kept no longer.

    Records whose last day of being kept (``restricted_until``) has passed by the firm's own
    date: they become what the apps' pages say, with whatever hangs on them, and are no
    longer hidden. Numbers and amounts stay. What a legal hold keeps is left alone and
    counted. Each page of 500 records of a table is one item, lines before their invoices,
    so that an interrupted run is finished by the next; running it again finds nothing.
    """
    clock = Clock.read()
    wanted = None if firm_id is None else find_firm(firm_id)
    held = Counter[str]()

    def summary(report: Report) -> list[str]:
        verb = report.worded("Records anonymised", would="Records to be anonymised")
        figures = (
            (verb, sum(report.tallies.values())),
            ("Records held", held.total()),
            ("Errors", report.failed),
        )
        return block(*figures)

    report = Report(dry_run=dry_run, summary=summary)
    for firm in _firms(clock, wanted):
        report.says(f"Firm: {firm} (ID: {firm.pk})")
        before = Counter(report.tallies)
        for over in _over(firm, firm.today(clock)):
            held[over.category] += over.held.count()
            for keys in key_pages(over.due(clock.now)):
                with report.attempt(over.subject(keys)) as item:
                    steps = over.let_go(keys, clock.now)
                    item.does(f"anonymise {len(keys)} {over.category}")
                    item.tallies += [over.category] * len(keys)
                if item.committed:
                    _have_done_outside(report, firm, steps)
        for category, count in (Counter(report.tallies) - before).items():
            done = report.worded(f"{count} anonymised", would=f"would anonymise {count}")
            report.says(f"  {category}: {done}")
    return report


# ---- inside -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Over:
    """One table's records of a firm whose years are over."""

    rows: Rows
    firm: Firm
    today: date

    @property
    def category(self) -> str:
        return self.rows.holding.category

    @property
    def _passed(self) -> "QuerySet[Any]":
        return self.rows.scoped.filter(**{f"{_last_day(self.rows.holding)}__lt": self.today})

    @property
    def held(self) -> "QuerySet[Any]":
        return self._passed.filter(pk__in=self.rows.all_held.values("pk"))

    def due(self, now: datetime) -> "QuerySet[Any]":
        """The records that are not held and still say something, or are still hidden."""
        free = self._passed.exclude(pk__in=self.rows.all_held.values("pk"))
        if issubclass(self.rows.holding.model, Retained):
            return free
        return self.rows.telling(free, now)

    def subject(self, keys: Sequence[Any]) -> Subject:
        label = f"{len(keys)} {self.category} from {keys[0]} to {keys[-1]}"
        kind = self.rows.holding.model._meta.label_lower
        return Subject(kind, str(keys[0]), label, firm_id=self.firm.pk)

    def let_go(self, keys: Sequence[Any], now: datetime) -> list[Step]:
        """Let records become what their page says; return what is to be done outside."""
        holding = self.rows.holding
        these = holding.model._base_manager.filter(pk__in=keys)
        steps = list(holding.outside(these)) if holding.outside else []
        if holding.erase is not None:
            holding.erase(these)
        else:
            self.rows.write(these, [*holding.becomes], now)
        if issubclass(holding.model, Retained):
            these.update(restricted_until=None)
        return steps


def _have_done_outside(report: Report, firm: Firm, steps: Iterable[Step]) -> None:
    """Let files go from the storage; what it does not let go of is left marked there."""
    for step in steps:
        try:
            outside()[step.kind](step.key)
        except Problem as problem:
            subject = Subject("privacy.step", step.key, f"{step.kind} {step.key} of {firm}")
            report.fail(subject, problem)


def _last_day(holding: Holding) -> str:
    """Return the way to the last day on which a row is kept; empty where it has none."""
    if issubclass(holding.model, Retained):
        return "restricted_until"
    return f"{holding.kept_with}__restricted_until" if holding.kept_with else ""


def _kept() -> list[Holding]:
    return [one for one in holdings() if one.fate == Fate.RETAIN and _last_day(one)]


def _firms(clock: Clock, wanted: Firm | None) -> Iterator[Firm]:
    """Yield the firms with a record that may be due: somewhere it is tomorrow already."""
    tomorrow = clock.now.date() + timedelta(days=1)
    found = set[int]()
    for holding in _kept():
        due = holding.model._base_manager.filter(**{f"{_last_day(holding)}__lt": tomorrow})
        found |= set(due.order_by().values_list(holding.firm, flat=True).distinct())
    firms = Firm.objects.filter(pk__in=found).order_by("pk")
    yield from firms if wanted is None else firms.filter(pk=wanted.pk)


def _over(firm: Firm, today: date) -> Iterator[Over]:
    """Yield a firm's tables: those that hang on others come first."""
    holds = holds_of(firm.pk)
    for rows in ordered(Rows(holding, firm.pk, People(), holds) for holding in _kept()):
        yield Over(rows, firm, today)
