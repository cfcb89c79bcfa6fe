"""Reads the apps' pages (personal.py) against the tables, and says what is missing where."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.db import models
from django.db.models import Field, Model, Q

from apps.contacts.models import Contact
from apps.core.forms import is_amount
from apps.core.personal import AT_ERASURE, Fate, Holding, Holds, People
from apps.firms.models import Firm, LegalHold, User

GUIDE = "docs/howto/add-a-table.md"
# Whose pages speak of tables that are not ours.
KEEPERS = {"admin": "firms", "auth": "firms", "contenttypes": "firms", "sessions": "firms"}
KEEPERS |= {"django_q": "jobs", "axes": "access"}
# Columns that cannot hold text. Whatever is not here can, also kinds yet to be invented.
NO_TEXT = (
    models.IntegerField,
    models.BooleanField,
    models.DecimalField,
    models.FloatField,
    models.DateField,
    models.TimeField,
    models.DurationField,
    models.UUIDField,
    models.ForeignKey,
)
SOMEBODY = People(frozenset({1}), frozenset({1}))
EVERYTHING = Holds(keys={label: frozenset({1}) for label in LegalHold.Subject.values})
LISTS = ("exports", "told", "plain", "secret")
LONGEST = 60  # letters of a category


def problems(tables: Iterable[type[Model]], holdings: Iterable[Holding]) -> list[str]:
    """Return what is wrong with the pages, as sentences that say what to do."""
    pages = list(holdings)
    counts = Counter(page.model for page in pages)
    found = [
        f"{table._meta.label} is on no page: say in {_place(table)} what it holds about "
        f"people, with a Holding ({GUIDE})."
        for table in tables
        if table not in counts
    ]
    found += [
        f"{table._meta.label} is on {count} pages: leave one of its Holdings."
        for table, count in counts.items()
        if count > 1
    ]
    known = {page.model: page for page in pages}
    for page in pages:
        found += [
            f"{page.model._meta.label}{said} ({_place(page.model)}; {GUIDE})."
            for said in _about(page, known)
        ]
    return [*found, *_bases(pages)]


def text_columns(table: type[Model]) -> list[Field[Any, Any]]:
    """Return the columns of a table that can hold any text."""
    return [
        column
        for column in table._meta.concrete_fields
        if not isinstance(_kind(column), NO_TEXT) and not column.choices
    ]


def _kind(column: Any) -> Any:
    return column.output_field if isinstance(column, models.GeneratedField) else column


def _place(table: type[Model]) -> str:
    label = table._meta.app_label
    return f"apps/{KEEPERS.get(label, label)}/personal.py"


def _about(page: Holding, known: Mapping[type[Model], Holding]) -> Iterator[str]:
    yield from _names(page)
    yield from _texts(page)
    yield from _people(page, known)
    yield from _ends(page)
    yield from _ways(page)


# ---- each list names what there is, and each text column is named -----------------------


def _names(page: Holding) -> Iterator[str]:
    own = {column.name for column in page.model._meta.concrete_fields}
    for where in ("told", "plain", "secret", "authors", "becomes"):
        for name in getattr(page, where):
            if name not in own:
                yield f".{name} does not exist: take it out of `{where}`"
    for name in page.exports:
        if target(page.model, name) is None:
            yield f".{name} does not exist: take it out of `exports`"
    if any(map(is_amount, page.exports)) and target(page.model, page.currency) is None:
        yield " exports amounts: say in `currency` where their currency is"
    for where in LISTS:
        names = getattr(page, where)
        if len(set(names)) != len(tuple(names)):
            yield f" names a column twice in `{where}`"


def _texts(page: Holding) -> Iterator[str]:
    for column in text_columns(page.model):
        name = column.name
        lists = {where for where in LISTS if name in getattr(page, where)}
        if not lists and name not in page.becomes:
            yield (
                f".{name} is a text that the page does not account for: name it in `exports` "
                "(about the person), `told` (may speak of anybody), `plain` (of nobody) or "
                "`secret`"
            )
        elif len(lists) > 1 and lists != {"exports", "told"}:
            yield f".{name} is named in {_and(lists)}: leave one"
        elif "plain" in lists and name in page.becomes:
            yield f".{name} is plain: it need not become anything"


# ---- whoever a row leads to is found ----------------------------------------------------


def _people(page: Holding, known: Mapping[type[Model], Holding]) -> Iterator[str]:
    paths = [path for path, _ in _leaves(page.of(SOMEBODY))] if page.of else []
    asked = {path.partition("__")[0] for path in paths}
    for column in page.model._meta.concrete_fields:
        if not isinstance(column, models.ForeignKey):
            continue
        if column.related_model in {User, Contact}:
            if column.name not in {*asked, *page.authors}:
                yield (
                    f".{column.name} leads to a person: let `of` find the rows by it, or "
                    "name it in `authors`"
                )
        elif not page.of and not column.null and _is_about_people(column, known):
            yield (
                f" hangs on {column.related_model._meta.label}, which is about people: let "
                "`of` find its rows, too"
            )
    for path in paths:
        if _multiplies(page.model, path):
            yield f" is found more than once by `of` ({path}): ask with a subquery"
    if page.exports and not page.of:
        yield " exports columns, but `of` finds no row"
    if bool(page.of) != bool(page.category):
        yield " needs both: `of` and a `category`"


def _is_about_people(column: Any, known: Mapping[type[Model], Holding]) -> bool:
    parent = known.get(column.related_model)
    return bool(parent and parent.of)


def _leaves(condition: Q) -> Iterator[tuple[str, Any]]:
    """Yield the comparisons that a condition is made of."""
    for child in condition.children:
        if isinstance(child, Q):
            yield from _leaves(child)
        else:
            assert isinstance(child, tuple)
            yield child


def _multiplies(table: type[Model], path: str) -> bool:
    options: Any = table._meta
    for name in path.split("__"):
        try:
            column = options.pk if name == "pk" else options.get_field(name)
        except FieldDoesNotExist:
            return False  # a lookup such as "in"
        if column.one_to_many or column.many_to_many:
            return True
        if not column.is_relation:
            return False
        options = column.related_model._meta
    return False


# ---- what becomes of a row --------------------------------------------------------------


def _ends(page: Holding) -> Iterator[str]:
    for name, value in page.becomes.items():
        column = target(page.model, name)
        if column is not None and (why := _misfit(column, value)):
            yield f".{name} cannot become that: {why}"
    if page.fate == Fate.RETAIN:
        if not isinstance(target(page.model, page.since), models.DateField):
            yield " is retained: say in `since` from which date on the years count"
    elif page.since or page.retains:
        yield " is not retained: `since` and `retains` mean nothing"


def _misfit(column: Any, value: Any) -> str:
    """Say why a value cannot stand in a column, if it cannot."""
    if value is AT_ERASURE:
        return "" if isinstance(column, models.DateTimeField) else "it takes no instant"
    key = 10**15
    single = value(key) if callable(value) else value
    if column.unique and (not callable(value) or value(key + 1) == single):
        return "it is unique, so the value must depend on the row's key"
    if single is None:
        return "" if column.null else "it is never empty"
    try:
        single = column.to_python(single)
    except ValidationError as error:
        return "; ".join(error.messages)
    if column.choices and single not in dict(column.flatchoices):
        return f"{single!r} is none of its choices"
    if column.max_length and len(single) > column.max_length:
        return f"it takes at most {column.max_length} letters"
    return ""


# ---- the ways lead where they should ----------------------------------------------------


def _ways(page: Holding) -> Iterator[str]:
    named = page.firm and target(page.model, page.firm)
    if page.firm and not _is_firm(page, named):
        yield ": `firm` does not lead to a firm"
    if not page.firm and any(
        column.related_model is Firm for column in page.model._meta.concrete_fields
    ):
        yield " has a firm: let `firm` lead to it"
    for what, condition in (
        ("of", page.of and page.of(SOMEBODY)),
        ("held", page.held and page.held(EVERYTHING)),
        ("retains", page.retains),
    ):
        if condition:
            try:
                page.model._base_manager.filter(condition)
            except FieldError as error:
                yield f": `{what}` asks for what there is not: {error}"


def _is_firm(page: Holding, named: Any) -> bool:
    if page.model is Firm:
        return bool(page.firm == "pk")
    return bool(named is not None and named.related_model is Firm)


def target(table: type[Model], path: str) -> Any:
    """Return the column that a path leads to, over foreign keys, or nothing."""
    options: Any = table._meta
    column: Any = None
    for name in path.split("__"):
        if column is not None:
            if not column.is_relation:
                return None
            options = column.related_model._meta
        try:
            column = options.pk if name == "pk" else options.get_field(name)
        except FieldDoesNotExist:
            return None
        if not column.concrete or column.many_to_many:
            return None
    return column


def _bases(pages: Iterable[Holding]) -> Iterator[str]:
    bases = defaultdict(set)
    for page in pages:
        if page.of:
            bases[page.category].add(page.basis)
    for category, found in bases.items():
        if len(found) > 1 and category:
            yield f"The tables of '{category}' came to us in {len(found)} ways: agree on one."
        if not re.fullmatch(rf"[a-z][a-z -]{{0,{LONGEST - 1}}}", category):
            yield f"The category '{category}' is no name for a file: small letters, please."


def _and(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in sorted(names))
