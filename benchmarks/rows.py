"""The floor: the very rows that a job wrote, written again by hand-written SQL.

``remember`` notes where each table ends before a job. ``write_again`` reads what was added
since, deletes it, and writes it back in the same number of transactions as the job would
need for batches of 500: multi-row INSERTs, and for changed invoices one UPDATE … FROM a
list of values; so too for other rows that a job changes. Nothing is computed, checked or
looked up on the way.
"""

import json
import time
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from django.db import connection, transaction

from apps.core.batches import SIZE, batched

TABLES = (
    "billing_invoice",
    "billing_invoiceline",
    "leasing_rentperiod",
    "engagements_engagementperiod",
    "leasing_latefeeassessment",
    "fieldwork_workorderevent",
    "fieldwork_workordernote",
    "crm_staledealalert",
    "audit_auditevent",
    "notifications_notification",
    "notifications_delivery",
)
# What jobs change on rows that are there: apply_late_fees, check_compliance_expiry,
# auto_close_stale_jobs and check_stale_deals.
CHANGED = {
    "billing_invoice": (
        *("total_minor", "late_fees_minor", "subtotal_minor", "status", "revision"),
    ),
    "fieldwork_compliancedocument": ("status", "updated_at"),
    "fieldwork_workorder": ("status", "cancel_reason", "updated_at"),
    "crm_deal": ("is_stale", "updated_at"),
}
_GENERATED = {"balance_minor"}  # the database computes it


def _note() -> Path:
    name = "".join(c if c.isalnum() else "-" for c in str(connection.settings_dict["NAME"]))
    return Path(gettempdir()) / f"nightshift-rows-{name}-{connection.settings_dict['PORT']}"


def remember() -> None:
    """Note the last key of each table, and the state of the rows that jobs change."""
    with connection.cursor() as cursor:
        ends = []
        for table in TABLES:
            cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}")
            ends.append(str(cursor.fetchone()[0]))
        for table, names in CHANGED.items():
            cursor.execute(f"DROP TABLE IF EXISTS before_{table}")
            columns = ", ".join(("id", *names))
            cursor.execute(f"CREATE TABLE before_{table} AS SELECT {columns} FROM {table}")
    _note().write_text(" ".join(ends))


def write_again() -> dict[str, Any]:
    """Delete the rows written since ``remember`` and time writing them again."""
    ends = dict(zip(TABLES, map(int, _note().read_text().split()), strict=True))
    _note().unlink()
    added = {table: _read(table, end) for table, end in ends.items()}
    changed = {table: _changed(table) for table in CHANGED}
    with connection.cursor() as cursor, transaction.atomic():
        for table in reversed(TABLES):
            cursor.execute(f"DELETE FROM {table} WHERE id > %s", [ends[table]])
    written = {table: list(batched(rows, SIZE)) for table, (_, rows) in added.items()}
    updates = [
        (table, batch) for table, rows in changed.items() for batch in batched(rows, SIZE)
    ]
    rounds = max([len(batches) for batches in written.values()] + [len(updates)])
    started = time.perf_counter()
    for number in range(rounds):
        with transaction.atomic(), connection.cursor() as cursor:
            for table, batches in written.items():
                # As many batches a round as it takes for all tables to end together.
                per_round = -(-len(batches) // rounds)
                for batch in batches[number * per_round : (number + 1) * per_round]:
                    _insert(cursor, table, added[table][0], batch)
            if number < len(updates):
                _update(cursor, *updates[number])
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "rows": sum(len(rows) for _, rows in added.values())
        + sum(len(rows) for rows in changed.values()),
    }


def _read(table: str, after: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} WHERE id > %s ORDER BY id", [after])
        names = [column[0] for column in cursor.description or ()]
        keep = [i for i, name in enumerate(names) if name not in _GENERATED]
        rows = [tuple(_plain(row[i]) for i in keep) for row in cursor.fetchall()]
    return [names[i] for i in keep], rows


def _plain(value: Any) -> Any:
    """psycopg2 reads JSON into dictionaries; write them back as they stood."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value


def _changed(table: str) -> list[tuple[Any, ...]]:
    names = CHANGED[table]
    differs = " OR ".join(f"now.{name} <> b.{name}" for name in names)
    columns = ", ".join(f"now.{name}" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT now.id, {columns} FROM {table} now "
            f"JOIN before_{table} b ON b.id = now.id WHERE {differs}"
        )
        return list(cursor.fetchall())


def _insert(cursor: Any, table: str, names: list[str], rows: Any) -> None:
    row = f"({', '.join(['%s'] * len(names))})"
    # SQLite takes at most 32,766 values in a statement of ours; PostgreSQL 65,535 and more.
    limit = max(1, 32_000 // len(names))
    for part in batched(rows, limit):
        values = [value for one in part for value in one]
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([row] * len(part))}"
        cursor.execute(sql, values)


def _update(cursor: Any, table: str, rows: Any) -> None:
    names = CHANGED[table]
    assignments = ", ".join(f"{name} = v.{name}" for name in names)
    row = f"({', '.join(['%s'] * (len(names) + 1))})"
    cursor.execute(
        f"WITH v ({', '.join(('id', *names))}) AS (VALUES {', '.join([row] * len(rows))}) "
        f"UPDATE {table} SET {assignments} FROM v WHERE {table}.id = v.id",
        [value for one in rows for value in one],
    )
