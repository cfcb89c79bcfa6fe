"""One table's part of a copy: its columns as anybody can read them, row after row."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from apps.core import money
from apps.core.forms import MINOR, is_amount
from apps.core.personal import Holding, holdings
from apps.firms.models import User
from apps.privacy.services.others import OTHER, Others

CHUNK = 500  # rows fetched at once

Record = dict[str, Any]


def read_records(page: Holding, rows: QuerySet[Any], others: Others) -> Iterator[Record]:
    """Yield the rows of a table as what a person gets to read of them.

    An amount is a text in major units beside its currency. Texts that may speak of anybody
    are given without the others, and so is who else did something.
    """
    read = {path: _reader(page, path, others) for path in page.exports}
    beside = [page.currency] if any(map(is_amount, page.exports)) else []
    beside += {path.partition("__")[0] for path in page.exports} & set(page.authors)
    columns = list(dict.fromkeys([*page.exports, *beside]))
    kind = str(page.model._meta.verbose_name)
    for values in rows.order_by("pk").values_list(*columns).iterator(chunk_size=CHUNK):
        row = dict(zip(columns, values, strict=True))
        yield {"record": kind} | {_name(path): read[path](row) for path in page.exports}


class Encoder(DjangoJSONEncoder):
    """Writes instants in UTC, all their digits included, and decimals as texts."""

    def default(self, o: Any) -> Any:
        if isinstance(o, datetime):
            return o.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return super().default(o)


def _name(path: str) -> str:
    return path.removesuffix(MINOR).replace("__", "_")


def _reader(page: Holding, path: str, others: Others) -> Callable[[Record], Any]:
    """Return what reads one column of a row."""
    first = path.partition("__")[0]
    if is_amount(path):
        return lambda row: _amount(row[path], row[page.currency])
    if first in page.authors:
        table = page.model._meta.get_field(first).related_model
        own = others.own.users if table is User else others.own.contacts
        return lambda row: row[path] if row[first] in {*own, None} else OTHER
    if _is_told(page.model, path):
        return lambda row: others.hide(row[path])
    return lambda row: row[path]


def _amount(minor: int | None, code: str) -> dict[str, str] | None:
    if minor is None:
        return None
    amount: Decimal = money.from_minor(minor, code).amount
    return {"amount": f"{amount:f}", "currency": code}


def _is_told(table: Any, path: str) -> bool:
    """Whether a column may speak of anybody: the page of its own table says so."""
    *way, name = path.split("__")
    for step in way:
        table = table._meta.get_field(step).related_model
    return any(name in page.told for page in holdings() if page.model is table)
