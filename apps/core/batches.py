"""Walk through many rows in flat memory."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)
T = TypeVar("T")

SIZE = 500
AHEAD = 20_000  # keys
EACH = "each of some"  # stands in a query for what has its turn


def by_key(rows: "QuerySet[M]", *, size: int = SIZE) -> Iterator[M]:
    """Yield the rows of a queryset by ascending primary key, one page of ``size`` at a time.

    Keyset pages (``id > last``) instead of an open cursor: the loop may commit between rows
    on either database, and may change what the filter selects (spec A5.6). On SQLite an open
    cursor would pin a read snapshot and make the next write fail.
    """
    rows = rows.order_by("pk")
    last: object = None
    while True:
        page = list(rows.filter(pk__gt=last)[:size] if last is not None else rows[:size])
        if page:
            last = page[-1].pk  # now: a row that the loop deletes forgets its key
        yield from page
        if len(page) < size:
            return


def pages(
    rows: "QuerySet[M]", *, size: int = SIZE, ahead: int = AHEAD
) -> Iterator[Sequence[M]]:
    """Yield the rows of a queryset by ascending primary key, in lists of up to ``size``.

    For selections that join much: only their keys are read, ``ahead`` at a time, and then
    the rows by their keys. So the database searches once for every ``ahead`` rows, and a
    plan that is bad for want of statistics costs that once, not with every page. A row that
    the loop has changed so that it no longer belongs to the selection is left out.
    """
    for keys in key_pages(rows, size=size, ahead=ahead):
        if page := list(rows.filter(pk__in=keys).order_by("pk")):
            yield page


def key_pages(
    rows: "QuerySet[Any]", *, size: int = SIZE, ahead: int = AHEAD
) -> Iterator[Sequence[Any]]:
    """Yield the primary keys of a queryset, ascending, in lists of up to ``size``.

    For rows that are dealt with without being read. The database searches once for every
    ``ahead`` keys; the loop may commit, change and delete between two lists.
    """
    keys = rows.order_by("pk").values_list("pk", flat=True)
    last: object = None
    while True:
        found = list(keys.filter(pk__gt=last)[:ahead] if last is not None else keys[:ahead])
        yield from batched(found, size)
        if len(found) < ahead:
            return
        last = found[-1]


def batched(things: Iterable[T], size: int = SIZE) -> Iterator[Sequence[T]]:
    """Yield the things in lists of up to ``size``."""
    iterator = iter(things)
    while batch := list(islice(iterator, size)):
        yield batch


def all_of(branches: "Sequence[QuerySet[Any, Any]]") -> list[Any]:
    """Return the rows of several queries for the same columns, in one statement."""
    if not branches:
        return []
    first, *others = branches
    return list(first.union(*others, all=True) if others else first)


def for_each(values: Collection[str], *queries: "QuerySet[M]") -> Iterable[M]:
    """Return the rows of queries that are asked for each of some texts, in one statement.

    The queries ask for ``EACH`` where each text has its turn; one that does not is asked once.
    They are compiled once: to build a union of thirty takes longer than to answer it.
    """
    turns, told = list[str](), list[Any]()
    for rows in queries if values else ():
        sql, given = rows.query.get_compiler(rows.db).as_sql()
        each = list(values) if EACH in given else [EACH]
        # Django's own SQL; values are parameters.
        turns += [f"SELECT * FROM ({sql}) AS turn"] * len(each)  # noqa: S608
        told += [value if one == EACH else one for value in each for one in given]
    return queries[0].model._base_manager.raw(" UNION ALL ".join(turns), told) if turns else []
