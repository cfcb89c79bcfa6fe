"""Write many rows of a table at a tenth of ``bulk_create``'s and ``bulk_update``'s cost.

``bulk_create`` makes a model instance of each row, looks up every default and asks every
field to prepare its value: some hundred calls a row, most of the time of a large run. Here
the caller gives the columns, and only those whose type the driver cannot take are prepared.
Constraints, transactions and RETURNING are the database's as ever. ``bulk_update`` builds an
expression of each value, three of them for each row and column.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connections, models, router
from django.utils import timezone

from apps.core.batches import batched

_PARAMETERS = 30_000  # values in one statement: SQLite takes 32,766, PostgreSQL more
_PLAIN = (
    models.CharField,
    models.TextField,
    models.IntegerField,
    models.BooleanField,
    models.ForeignKey,
)
_NATIVE = (models.DateField, models.DateTimeField, models.DecimalField)  # to psycopg2


def insert(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> list[int]:
    """Insert rows, given as tuples in the order of ``columns``, and return their keys in order.

    ``columns`` are names of fields; a foreign key takes the other row's key. Columns not
    named get their field's default, the same for all rows; ``created_at`` and ``updated_at``
    are now.
    """
    fields: list[Any] = [model._meta.get_field(name) for name in columns]
    given = set(columns)
    others: list[Any] = [
        field
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.generated or field.name in given)
    ]
    connection = connections[router.db_for_write(model)]
    constants = [_prepared(field, _default(field), connection) for field in others]
    prepare = [_preparer(field, connection) for field in fields]
    quote = connection.ops.quote_name
    names = ", ".join(quote(field.column) for field in (*fields, *others))
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    slots = f"({', '.join(['%s'] * (len(fields) + len(others)))})"
    keys: list[int] = []
    with connection.cursor() as cursor:
        for batch in batched(rows, _PARAMETERS // (len(fields) + len(others))):
            values: list[Any] = []
            for row in batch:
                values += [
                    value if convert is None or value is None else convert(value)
                    for value, convert in zip(row, prepare, strict=True)
                ]
                values += constants
            slotted = ", ".join([slots] * len(batch))
            cursor.execute(  # the text holds names of columns and slots only
                f"INSERT INTO {table} ({names}) VALUES {slotted} RETURNING {key}",  # noqa: S608
                values,
            )
            keys += [returned[0] for returned in cursor.fetchall()]
    return keys


def update(rows: Sequence[models.Model], columns: Sequence[str]) -> None:
    """Write some columns of rows of one table, found by their keys.

    As ``bulk_update`` does: rows that are gone meanwhile are passed over, and nothing is set
    of itself, ``updated_at`` neither.
    """
    if not rows:
        return
    model = type(rows[0])
    fields: list[Any] = [model._meta.get_field(name) for name in columns]
    key: Any = model._meta.pk
    connection = connections[router.db_for_write(model)]
    told = [key, *fields]
    prepare = [_preparer(field, connection) for field in told]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    # What VALUES tell is called column1, column2 …; PostgreSQL wants to know of what type.
    types = [_cast(field, connection) for field in told]
    news = ", ".join(
        f"{quote(field.column)} = news.column{number}{kind}"
        for number, (field, kind) in enumerate(zip(fields, types[1:], strict=True), start=2)
    )
    slots = f"({', '.join(['%s'] * len(told))})"
    with connection.cursor() as cursor:
        for batch in batched(rows, _PARAMETERS // len(told)):
            values = [
                value if convert is None or value is None else convert(value)
                for row in batch
                for field, convert in zip(told, prepare, strict=True)
                for value in (getattr(row, field.attname),)
            ]
            slotted = ", ".join([slots] * len(batch))
            cursor.execute(  # the text holds names of columns, types and slots only
                f"UPDATE {table} SET {news} FROM (VALUES {slotted}) AS news "  # noqa: S608
                f"WHERE {table}.{quote(key.column)} = news.column1{types[0]}",
                values,
            )


def _cast(field: Any, connection: Any) -> str:
    return f"::{field.cast_db_type(connection)}" if connection.vendor == "postgresql" else ""


def _default(field: Any) -> Any:
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return timezone.now()
    return field.get_default()


def _prepared(field: Any, value: Any, connection: Any) -> Any:
    return field.get_db_prep_save(value, connection)


def _preparer(field: Any, connection: Any) -> Callable[[Any], Any] | None:
    """Return what turns a column's value into the driver's, or nothing where it is already."""
    native = _NATIVE if connection.vendor == "postgresql" else ()
    if isinstance(field, (*_PLAIN, *native)):
        return None
    return lambda value: field.get_db_prep_save(value, connection)
