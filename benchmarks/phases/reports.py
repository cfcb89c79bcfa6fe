"""Refreshing the ledger's reports, in phases."""

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from apps.billing.models import BillingAccount, Invoice, Payment, Refund, ViewState
from apps.billing.views_sql import VIEWS
from benchmarks.phases.measuring import Figures, migrate, run_job, timed
from benchmarks.world import make_accounts, make_firms

ACCOUNTS = 1_000
DAYS = 730  # over which the invoices are spread, the last of them due in a month
EVERY = 0.01  # seconds between two questions of a reader


def world(size: int) -> Figures:
    """Migrate, and make ``size`` invoices of ten firms in two years, and their payments.

    Of a hundred, 70 are paid, 10 sent, 10 overdue and 10 partly paid.
    """
    migrate()
    for firm in make_firms():
        make_accounts(firm, range(ACCOUNTS // 10))
    first = BillingAccount.objects.order_by("pk").values_list("pk", flat=True)[0]
    start = timezone.localdate() - timedelta(days=DAYS - 60)
    with transaction.atomic():
        _make_days(start)
        _make_invoices(size, first)
        _make_payments()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {}


def refresh(plainly: bool) -> Figures:
    """Run the job, and say what each report took."""
    ran = run_job("refresh_materialized_views", no_concurrently=plainly)
    states = ViewState.objects.values_list("name", "rows", "duration_ms")
    reports = {name: {"rows": rows, "seconds": (ms or 0) / 1000} for name, rows, ms in states}
    return {**ran, "reports": {view.name: reports[view.name] for view in VIEWS}}


def floors() -> Figures:
    """Write what each report selects into a temporary table; seconds."""
    return {view.name: timed(partial(_select, view.select)) for view in VIEWS}


def pay(of_a_hundred: int) -> Figures:
    """Let one invoice of a hundred be paid, which was not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_invoice SET paid_minor = total_minor, status = 'paid' "
            "WHERE id %% 100 = %s AND status <> 'paid'",
            [of_a_hundred],
        )
        return {"paid": cursor.rowcount}


def read() -> Figures:
    """Read every report again and again until the input ends; the longest wait of each, ms."""
    over = threading.Event()
    longest: Figures = {}
    readers = [
        threading.Thread(target=_read, args=(view.name, view.key, over, longest))
        for view in VIEWS
    ]
    for reader in readers:
        reader.start()
    print("reading", flush=True)
    sys.stdin.read()
    over.set()
    for reader in readers:
        reader.join()
    return longest


# ---- reading ------------------------------------------------------------------------------


def _read(name: str, key: Sequence[str], over: threading.Event, longest: Figures) -> None:
    order = ", ".join(key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # connecting is no wait
        longest[name] = 0.0
        while not over.wait(EVERY):
            asked = time.perf_counter()
            cursor.execute(f"SELECT * FROM {name} ORDER BY {order} LIMIT 50")
            cursor.fetchall()
            longest[name] = max(longest[name], (time.perf_counter() - asked) * 1000)
    connection.close()


def _select(select: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE bench_floor AS {select}")
        cursor.execute("DROP TABLE bench_floor")


# ---- rows by the million ------------------------------------------------------------------

_NUMBERS = """
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})
"""


def _make_days(start: date) -> None:
    """A calendar, so that neither database needs to compute a date."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE bench_day (n integer, issued date, due date)")
        for n in range(DAYS):
            issued = start + timedelta(days=n)
            cursor.execute(
                "INSERT INTO bench_day VALUES (%s, %s, %s)",
                [n, issued, issued + timedelta(days=30)],
            )


def _make_invoices(count: int, first: int) -> None:
    total = "10000 + (n.i * 37) % 90000"
    _insert(
        Invoice,
        {
            "firm": "account.firm_id",
            "account": "account.id",
            "number": "'INV-' || CAST(n.i AS TEXT)",
            "kind": "'package'",
            "currency": "account.currency",
            "subtotal_minor": total,
            "total_minor": total,
            "paid_minor": f"CASE WHEN n.i % 10 < 7 THEN {total} "
            f"WHEN n.i % 10 = 9 THEN ({total}) / 2 ELSE 0 END",
            "status": "CASE WHEN n.i % 10 < 7 THEN 'paid' WHEN n.i % 10 = 7 THEN 'sent' "
            "WHEN n.i % 10 = 8 THEN 'overdue' ELSE 'partial' END",
            "issue_date": "day.issued",
            "due_date": "day.due",
            "contractual_due_date": "day.due",
        },
        source=f"n JOIN billing_billingaccount account ON account.id = {first} + n.i % "
        f"{ACCOUNTS} JOIN bench_day day ON day.n = n.i % {DAYS}",
        numbers=_NUMBERS.format(count=count),
    )


def _make_payments() -> None:
    _insert(
        Payment,
        {
            "firm": "invoice.firm_id",
            "account": "invoice.account_id",
            "amount_minor": "invoice.paid_minor",
            "currency": "invoice.currency",
            "method": "'bank'",
            "status": "CASE WHEN invoice.id % 100 = 0 THEN 'refunded' ELSE 'succeeded' END",
            "effective_on": "invoice.due_date",
            "initiated_at": "invoice.created_at",
        },
        source="billing_invoice invoice WHERE invoice.paid_minor > 0",
    )
    _insert(
        Refund,
        {
            "firm": "payment.firm_id",
            "payment": "payment.id",
            "amount_minor": "payment.amount_minor",
            "effective_on": "payment.effective_on",
        },
        source="billing_payment payment WHERE payment.status = 'refunded'",
    )


def _insert(
    model: type[models.Model], given: Mapping[str, str], *, source: str, numbers: str = ""
) -> None:
    """Insert what a SELECT computes; columns that are not given get their field's default."""
    fields: list[Any] = [
        field
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.generated)
    ]
    selected: list[str] = []
    values: list[Any] = []
    for field in fields:
        if field.name in given:
            selected.append(given[field.name].replace("%", "%%"))
        else:
            selected.append(f"CAST(%s AS {field.db_type(connection)})")
            values.append(field.get_db_prep_save(_default(field), connection))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(f.column for f in fields)}) "
            f"{numbers} SELECT {', '.join(selected)} FROM {source.replace('%', '%%')}",
            values,
        )


def _default(field: Any) -> Any:
    return timezone.now() if getattr(field, "auto_now", False) else field.get_default()
