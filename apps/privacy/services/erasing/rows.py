"""A table's rows about somebody in one firm, and which of them the law or a dispute keeps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.db import connection, models
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, ExtractYear

from apps.core.batches import key_pages
from apps.core.days import zone
from apps.core.fields import Retained
from apps.core.personal import AT_ERASURE, Fate, Holding, Holds, People
from apps.privacy.models import StatutoryPeriod

_PINNED = (models.PROTECT, models.RESTRICT)


@dataclass(frozen=True)
class Rows:
    """What one table holds about some people in a firm, or in no firm."""

    holding: Holding
    firm_id: int | None
    people: People
    holds: Holds

    @property
    def has_any(self) -> bool:
        """Whether a table can have rows of the firm, or of no firm, at all."""
        return bool(self.holding.firm) if self.firm_id else self.holding.firm != "pk"

    @cached_property
    def scoped(self) -> "QuerySet[Any]":
        """All rows of the firm, whoever they are about; of no firm, those that have none."""
        rows, path = self.holding.model._base_manager.all(), self.holding.firm
        if not self.has_any:
            return rows.none()
        if not path:
            return rows
        if self.firm_id is None:
            return rows.filter(**{f"{path}__isnull": True})
        return rows.filter(**{path: self.firm_id})

    @cached_property
    def own(self) -> "QuerySet[Any]":
        """The rows about the people."""
        if self.holding.of is None:
            return self.scoped.none()
        return self._among(self.holding.of(self.people))

    @cached_property
    def held(self) -> "QuerySet[Any]":
        """The rows about the people that a legal hold keeps as they are."""
        return self.own.filter(pk__in=self.all_held.values("pk"))

    @cached_property
    def all_held(self) -> "QuerySet[Any]":
        """The rows that a legal hold keeps as they are, whoever they are about."""
        holding, holds = self.holding, self.holds
        if holds.everything:
            return self.scoped
        held = Q(pk__in=holds.of(holding.model._meta.label_lower))
        if holding.of is not None and holds.people != People():
            held |= holding.of(holds.people)
        if holding.held is not None:
            held |= holding.held(holds)
        return self._among(held)

    @cached_property
    def free(self) -> "QuerySet[Any]":
        """The rows about the people alone that no legal hold keeps."""
        free = self.own.exclude(pk__in=self.all_held.values("pk"))
        if self.holding.others is None:
            return free
        return free.exclude(pk__in=self._among(self.holding.others(self.people)).values("pk"))

    @cached_property
    def kept(self) -> "QuerySet[Any]":
        """The rows about the people that the law has kept for some years."""
        if self.holding.fate != Fate.RETAIN:
            return self.free.none()
        return self.free.filter(self.holding.retains) if self.holding.retains else self.free

    @property
    def going(self) -> "QuerySet[Any]":
        """The rows about the people that nobody keeps."""
        return self.free.exclude(pk__in=self.kept.values("pk"))

    @cached_property
    def untouchable(self) -> "QuerySet[Any]":
        """The rows in which nothing may be changed: evidence of a dispute, and the law's."""
        keys = Q(pk__in=self.all_held.values("pk")) | Q(pk__in=self.kept.values("pk"))
        return self.scoped.filter(keys)

    # ---- what happens to them -------------------------------------------------------------

    def retain(self, period: StatutoryPeriod, *, now: datetime, zone_name: str) -> date | None:
        """Restrict what the law has kept until its years are over; return the last day.

        A date that somebody else's erasure has set already is only ever moved away. Rows
        without a date of their own (an invoice's lines) are restricted with those they
        hang on.
        """
        this_year = now.astimezone(zone(zone_name)).year
        dated = self.kept.annotate(year=Coalesce(self._year(zone_name), this_year))
        until = None
        for year in sorted(set(dated.values_list("year", flat=True))):
            until = period.ends(date(year, 1, 1))
            if issubclass(self.holding.model, Retained):
                sooner = Q(restricted_until=None) | Q(restricted_until__lt=until)
                these = dated.filter(sooner, year=year).values("pk")
                self.scoped.filter(pk__in=these).update(restricted_until=until)
        return until

    def let_go(self) -> int:
        """Delete the rows that nothing else stands on, and return how many."""
        return self.drop(self.free.exclude(self._needed()))

    def drop(self, rows: "QuerySet[Any]") -> int:
        """Delete rows, and return how many."""
        if self.holding.erase is not None:
            return self.holding.erase(rows)
        return sum(self._delete(keys) for keys in key_pages(rows))

    def blank(self, rows: "QuerySet[Any]", now: datetime) -> int:
        """Write into rows what they become, and return how many said something else."""
        return self.write(self.telling(rows, now), [*self.holding.becomes], now)

    def telling(self, rows: "QuerySet[Any]", now: datetime) -> "QuerySet[Any]":
        """Leave out the rows that say already what they become: none is counted twice."""
        said = dict[str, Any]()
        for name, value in self.holding.becomes.items():
            if value is AT_ERASURE:
                said[f"{name}__lte"] = now
            elif not callable(value):
                said[name] = value
        if not self.holding.becomes:
            return rows.none()
        return rows.exclude(**said) if said else rows

    def write(self, rows: "QuerySet[Any]", names: Sequence[str], now: datetime) -> int:
        """Write into columns of rows what they become, and return how many rows there were."""
        model, single = self.holding.model, dict[str, Any]()
        by_row = [name for name in names if callable(self.holding.becomes[name])]
        for name in names:
            if name not in by_row:
                single[name] = self.becomes(name, None, now)
        count = 0
        for keys in key_pages(rows):
            if single:
                model._base_manager.filter(pk__in=keys).update(**single)
            if by_row:
                these = [model(pk=key) for key in keys]
                for row in these:
                    for name in by_row:
                        setattr(row, name, self.becomes(name, row.pk, now))
                model._base_manager.bulk_update(these, by_row)
            count += len(keys)
        return count

    def becomes(self, name: str, key: Any, now: datetime) -> Any:
        """Return what stands in a column afterwards."""
        value = self.holding.becomes[name]
        if value is AT_ERASURE:
            return now
        return value(key) if callable(value) else value

    # ---- inside ---------------------------------------------------------------------------

    def _among(self, which: Q) -> "QuerySet[Any]":
        """Return the firm's rows of a selection whose joins may find a row more than once."""
        found = self.holding.model._base_manager.filter(which)
        return self.scoped.filter(pk__in=found.values("pk"))

    def _year(self, zone_name: str) -> Any:
        """Return the year, by the firm's calendar, that the statutory years count from."""
        *steps, name = self.holding.since.split("__")
        model: Any = self.holding.model
        for step in steps:
            model = model._meta.get_field(step).related_model
        if isinstance(model._meta.get_field(name), models.DateTimeField):
            return ExtractYear(self.holding.since, tzinfo=zone(zone_name))
        return ExtractYear(self.holding.since)

    def _needed(self) -> Q:
        """Say which rows others stand on that stay."""
        model = self.holding.model
        needed = Q(pk__in=[])
        for relation in model._meta.related_objects:
            if relation.on_delete not in _PINNED or not relation.related_model._meta.managed:
                continue
            pinning = relation.related_model._base_manager.filter(
                **{relation.field.name: OuterRef("pk")}
            )
            if relation.related_model is model:
                pinning = pinning.exclude(pk__in=self.free.values("pk"))
            needed |= Q(Exists(pinning))
        return needed

    def _delete(self, keys: Sequence[Any]) -> int:
        rows = self.holding.model._base_manager.filter(pk__in=keys)
        _, by_table = rows.delete()
        return by_table.get(self.holding.model._meta.label, 0)


def occupied(tables: Iterable[type[Model]]) -> frozenset[type[Model]]:
    """Return those of some tables that have any row at all, in one statement.

    Most firms use a few of the products: there is nothing to ask the other tables for.
    """
    asked = list(tables)
    names = (connection.ops.quote_name(model._meta.db_table) for model in asked)
    with connection.cursor() as cursor:
        # Names of our own tables: nobody types them.
        columns = ", ".join(f"EXISTS (SELECT 1 FROM {name})" for name in names)  # noqa: S608
        cursor.execute(f"SELECT {columns}")
        return frozenset(
            model for model, found in zip(asked, cursor.fetchone(), strict=True) if found
        )


def ordered(tables: Iterable[Rows]) -> list[Rows]:
    """Return tables so that each comes before those that its rows point to and need."""
    waiting = {rows.holding.model: rows for rows in tables}
    done = list[Rows]()

    def visit(model: Any, above: frozenset[Any]) -> None:
        if model not in waiting or model in above:
            return
        for relation in model._meta.related_objects:
            if relation.on_delete not in {models.SET_NULL, models.DO_NOTHING}:
                visit(relation.related_model, above | {model})
        if model in waiting:
            done.append(waiting.pop(model))

    for model in list(waiting):
        visit(model, frozenset())
    return done
