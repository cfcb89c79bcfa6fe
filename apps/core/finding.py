"""How people find a thing: by a number, a name, an address, an id.

Each app says it in its ``finding.py``; the module that ``settings.FINDING`` names gathers
them as ``urls.py`` does routes. All of them are asked in one query.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    F,
    Model,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat

from apps.core.batches import all_of

MOST = 20  # results that are shown; who sees more types more
OF_EACH = 10  # related things of a kind
SHORTEST = 2  # letters


Words = str | Combinable  # a column, or an expression that makes text of several


def words(*parts: Words) -> Combinable:
    r"""Return an expression that joins columns; texts between them are ``Value``\ s."""
    texts = [Cast(F(one) if isinstance(one, str) else one, TextField()) for one in parts]
    return Concat(*texts, output_field=TextField()) if len(texts) > 1 else texts[0]


@dataclass(frozen=True)
class Finder:
    """How the rows of a table are found, and how they read in a list.

    ``columns`` are compared with what was typed, whole or as a beginning, whatever the case.
    PostgreSQL has an index for each of them where the table grows large.
    """

    model: type[Model]
    columns: Sequence[str]
    label: Words
    firm: str = "firm"  # the path to the firm; empty: only the platform's own people
    loads: Sequence[str] = ()

    @property
    def kind(self) -> str:
        """The kind of subject under which jobs record it."""
        return self.model._meta.label_lower

    @property
    def name(self) -> str:
        """How people call it: ``invoice``."""
        return str(self.model._meta.verbose_name)

    @property
    def permission(self) -> str:
        return f"{self.model._meta.app_label}.view_{self.model._meta.model_name}"

    @property
    def address(self) -> str:
        """The name of its admin page, which takes the key."""
        return f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_change"

    def seen(self, firms: "QuerySet[Any] | None") -> "QuerySet[Any]":
        """Return the rows of these firms; ``None`` stands for the whole platform."""
        rows = self.model._default_manager.order_by()
        if firms is None:
            return rows
        return rows.filter(**{f"{self.firm}__in": firms}) if self.firm else rows.none()


@dataclass(frozen=True)
class Relation:
    """Rows that belong to a found row of another table."""

    to: type[Model]
    rows: Callable[[Any], "QuerySet[Any]"]  # of a found row; the newest are shown
    label: Words
    part: Callable[[Any], str] = lambda row: ""  # only this part of them: a month
    # Whether what jobs decided about them is told with the found row, and not only linked to.
    told: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One line of a list of results."""

    kind: str
    key: str
    label: str
    exact: bool = False
    part: str = ""
    told: bool = False
    firm: str = ""  # its name: numbers and names are those of a firm

    @property
    def finder(self) -> Finder | None:
        return find_finder(self.kind)

    @property
    def name(self) -> str:
        return self.finder.name if self.finder else self.kind.partition(".")[2]


def finders() -> tuple[Finder, ...]:
    """Return the finders of every app, in the order in which results are shown."""
    found: tuple[Finder, ...] = import_module(settings.FINDING).FINDERS
    return found


def find_finder(kind: str) -> Finder | None:
    """Return the finder of a kind of subject, if there is one."""
    return next((finder for finder in finders() if finder.kind == kind), None)


def search(
    typed: str, *, among: Iterable[Finder], firms: "QuerySet[Any] | None"
) -> list[Found]:
    """Return what fits to what somebody typed, the exact matches first. One query.

    ``firms`` are those whose things may be seen, ``None`` for the whole platform.
    """
    wanted = " ".join(typed.replace("\0", " ").split())[:200]  # PostgreSQL takes no NUL
    parts = [part for finder in among if (part := _matches(finder, wanted, firms)) is not None]
    order = {finder.kind: place for place, finder in enumerate(finders())}
    found = [
        Found(kind, key, label, bool(exact), firm=firm)
        for kind, key, label, exact, firm in all_of(parts)
    ]
    found.sort(key=lambda one: (not one.exact, order[one.kind], one.label, one.firm))
    return found[: MOST + 1]


def related(row: Model, *, firms: "QuerySet[Any] | None") -> list[Found]:
    """Return what belongs to a found row, of the firms that may be seen. One query at most."""
    relations: tuple[Relation, ...] = import_module(settings.FINDING).RELATIONS
    parts = [
        _columns(_of_firms(one.rows(row), firms).order_by("-pk")[:OF_EACH], one.label).annotate(
            found_part=Value(one.part(row), TextField()),
            found_told=Value(one.told, BooleanField()),
        )
        for one in relations
        if isinstance(row, one.to)
    ]
    names = ("found_kind", "found_key", "found_label", "found_part", "found_told")
    return [
        Found(kind, key, label, part=part, told=bool(told))
        for kind, key, label, part, told in all_of([part.values_list(*names) for part in parts])
    ]


def _matches(
    finder: Finder, wanted: str, firms: "QuerySet[Any] | None"
) -> "QuerySet[Any, Any] | None":
    """Return what a finder finds, as rows of (kind, key, label, whether it is exact)."""
    number = wanted.lower().removeprefix(finder.name).strip(" #")
    exact, fits = Q(pk__in=[]), Q(pk__in=[])
    if len(wanted) >= SHORTEST:
        for column in finder.columns:
            exact |= Q(**{f"{column}__iexact": wanted})
            fits |= Q(**{f"{column}__istartswith": wanted})
    if number.isascii() and number.isdigit() and len(number) < 18:
        exact |= Q(pk=int(number))
        fits |= Q(pk=int(number))
    if not fits or (len(wanted) < SHORTEST and not number.isdigit()):
        return None
    # Chosen by their keys first: a compound query takes no LIMIT on SQLite otherwise.
    chosen = finder.seen(firms).filter(fits).order_by("-pk").values("pk")[: MOST + 1]
    rows = _columns(finder.model._default_manager.filter(pk__in=chosen), finder.label)
    is_exact = Case(When(exact, then=True), default=False, output_field=BooleanField())
    whose = f"{finder.firm}__name" if finder.firm == "firm" else Value("")
    named = rows.annotate(found_exact=is_exact, found_firm=words(whose))
    names = ("found_kind", "found_key", "found_label", "found_exact", "found_firm")
    matches: QuerySet[Any, Any] = named.values_list(*names)
    return matches


def _of_firms(rows: "QuerySet[Any]", firms: "QuerySet[Any] | None") -> "QuerySet[Any]":
    if firms is None:
        return rows
    finder = find_finder(rows.model._meta.label_lower)
    whose = finder.firm if finder else "firm"
    return rows.filter(**{f"{whose}__in": firms}) if whose else rows.none()


def _columns(rows: "QuerySet[Any]", label: Words) -> "QuerySet[Any]":
    if rows.query.is_sliced:
        rows = rows.model._default_manager.filter(pk__in=rows.values("pk"))
    columns: QuerySet[Any] = rows.order_by().annotate(
        found_kind=Value(rows.model._meta.label_lower, TextField()),
        found_key=Cast("pk", CharField()),
        found_label=words(label),
    )
    return columns
