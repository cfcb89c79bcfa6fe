"""refresh_materialized_views … (spec D4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from io import StringIO
from threading import Event, Thread
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from apps.billing import services
from apps.billing.models import (
    Invoice,
    LedgerDay,
    LedgerRow,
    Payment,
    Receivables,
    RevenueMonth,
    ViewState,
)
from apps.jobs.models import JobRun
from tests.billing.at_once import at_once, until_somebody_waits
from tests.factories import FirmFactory, InvoiceFactory, PaymentFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
VIEWS = ("mv_billing_ledger", "mv_revenue_monthly", "mv_ar_aging")
MOST = 2**63 - 1  # minor units that a column can hold


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def refresh(**options: Any) -> str:
    out = StringIO()
    call_command("refresh_materialized_views", stdout=out, **options)
    return out.getvalue()


def refresh_and_fail(**options: Any) -> str:
    out = StringIO()
    with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
        call_command("refresh_materialized_views", stdout=out, **options)
    return out.getvalue()


def state(name: str) -> ViewState:
    return ViewState.objects.get(name=name)


def contents() -> list[Any]:
    return [
        list(model._default_manager.order_by("pk").values())
        for model in (LedgerRow, RevenueMonth, Receivables, LedgerDay, ViewState)
    ]


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def rename(name: str, to: str) -> None:
    what = "MATERIALIZED VIEW" if connection.vendor == "postgresql" else "TABLE"
    execute(f"ALTER {what} {name} RENAME TO {to}")


# ---- what it says and writes ---------------------------------------------------------------


def test_says_what_it_did() -> None:
    InvoiceFactory()
    InvoiceFactory(due_date=date(2025, 4, 1))
    assert refresh() == (
        "  ✓ Refreshed mv_billing_ledger (2 rows, 0.00s)\n"
        "  ✓ Refreshed mv_revenue_monthly (2 rows, 0.00s)\n"
        "  ✓ Refreshed mv_ar_aging (2 rows, 0.00s)\n"
        "Refreshed 3 of 3 views.\n"
    )


def test_finds_nothing_in_an_empty_database() -> None:
    assert refresh(verbosity=0) == "Refreshed 3 of 3 views.\n"
    assert [state(name).rows for name in VIEWS] == [0, 0, 0]


def test_changes_nothing_the_second_time() -> None:
    InvoiceFactory()
    refresh()
    before = contents()
    refresh()
    assert contents() == before


def test_forgets_what_has_gone() -> None:
    invoice = InvoiceFactory()
    refresh()
    Invoice.objects.filter(pk=invoice.pk).update(status=Invoice.Status.VOID)
    refresh()
    assert LedgerRow.objects.get().status == "void"
    assert not RevenueMonth.objects.exists()
    assert not Receivables.objects.exists()


def test_notes_as_of_when_the_figures_are() -> None:
    assert ViewState.objects.refreshed_at("mv_ar_aging") is None
    refresh()
    assert {state(name).refreshed_at for name in VIEWS} == {NOON}
    assert state("mv_ar_aging").duration_ms == 0
    assert state("mv_ar_aging").last_error == ""


def test_leaves_no_trace_in_a_dry_run() -> None:
    InvoiceFactory()
    assert refresh(dry_run=True) == (
        "  ✓ Would refresh mv_billing_ledger\n"
        "  ✓ Would refresh mv_revenue_monthly\n"
        "  ✓ Would refresh mv_ar_aging\n"
        "Would refresh 3 of 3 views.\n"
    )
    assert not ViewState.objects.exists()
    assert not LedgerDay.objects.exists()


def test_is_on_the_record() -> None:
    refresh()
    run = JobRun.objects.get()
    assert (run.job, run.state, run.done) == ("refresh_materialized_views", "done", 3)


# ---- one view ------------------------------------------------------------------------------


def test_refreshes_one_view() -> None:
    InvoiceFactory()
    assert refresh(view="mv_revenue_monthly") == (
        "  ✓ Refreshed mv_revenue_monthly (1 rows, 0.00s)\nRefreshed 1 of 1 views.\n"
    )
    assert [one.name for one in ViewState.objects.all()] == ["mv_revenue_monthly"]


def test_knows_its_views() -> None:
    with pytest.raises(CommandError, match=r"^View 'mv_rent' does not exist\.$"):
        refresh(view="mv_rent")


def test_makes_a_view_from_an_older_one() -> None:
    InvoiceFactory()
    refresh()
    InvoiceFactory()
    assert "  ✓ Refreshed mv_ar_aging (1 rows" in refresh(view="mv_ar_aging")
    assert Receivables.objects.get().invoices == 1


def test_makes_no_view_from_one_that_was_never_filled() -> None:
    assert refresh(view="mv_ar_aging") == (
        "  - Skipped mv_ar_aging: mv_billing_ledger was not refreshed\n"
        "Refreshed 0 of 1 views.\n"
    )


# ---- when something fails ------------------------------------------------------------------


def test_spares_the_others_and_keeps_the_old_rows() -> None:
    payment = PaymentFactory(amount_minor=70_000)
    InvoiceFactory(account=payment.account)
    refresh()
    # More than a figure can hold: adding up fails, and nothing else.
    Payment.objects.filter(pk=payment.pk).update(amount_minor=MOST)
    PaymentFactory(account=payment.account, amount_minor=MOST)
    InvoiceFactory(account=payment.account)
    out = refresh_and_fail()
    assert "  ✓ Refreshed mv_billing_ledger (2 rows, 0.00s)\n" in out
    assert "  ✗ mv_revenue_monthly: " in out
    assert "  ✓ Refreshed mv_ar_aging (1 rows, 0.00s)\n" in out
    assert out.endswith("Refreshed 2 of 3 views.\n")
    march = RevenueMonth.objects.get(month="2025-03")
    assert march.collected_minor == 70_000
    assert Receivables.objects.get().invoices == 2


def test_notes_what_failed_until_it_works_again() -> None:
    payment = PaymentFactory(amount_minor=MOST)
    refresh()
    other = PaymentFactory(account=payment.account, amount_minor=MOST)
    with time_machine.travel(NOON.replace(hour=13), tick=False):
        refresh_and_fail()
    failed = state("mv_revenue_monthly")
    assert (failed.refreshed_at, failed.rows) == (NOON, 1)
    assert failed.failed_at == NOON.replace(hour=13)
    assert failed.last_error in {"DataError", "OperationalError"}  # PostgreSQL, SQLite
    other.delete()
    refresh()
    assert state("mv_revenue_monthly").last_error == ""


def test_leaves_out_what_is_made_from_a_failed_view() -> None:
    InvoiceFactory()
    refresh()
    InvoiceFactory()
    rename("mv_billing_ledger", "mv_away")
    out = refresh_and_fail()
    assert "  ✗ mv_billing_ledger: " in out
    assert "  - Skipped mv_ar_aging: mv_billing_ledger was not refreshed\n" in out
    assert out.endswith("Refreshed 1 of 3 views.\n")
    assert Receivables.objects.get().invoices == 1
    assert LedgerDay.objects.count() == 1, "what day it is belongs to the ledger's rows"


def test_reckons_in_utc_where_nobody_knows_the_zone() -> None:
    lost = FirmFactory(name="Atlantis", timezone="Atlantic/Atlantis")
    InvoiceFactory(account__contact__firm=lost)
    InvoiceFactory()
    out = refresh_and_fail()
    assert "  ✗ Atlantis: unknown timezone 'Atlantic/Atlantis'\n" in out
    assert out.endswith("Refreshed 3 of 3 views.\n")
    assert {row.as_of for row in LedgerRow.objects.all()} == {date(2025, 3, 10)}
    assert LedgerRow.objects.count() == 2


# ---- side by side --------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_waits_for_another_refresh() -> None:
    InvoiceFactory()
    errors = at_once(*[services.refresh_materialized_views] * 3)
    assert errors == []
    assert LedgerRow.objects.count() == 1


@contextmanager
def reader_in_a_transaction() -> Iterator[None]:
    """Another connection that has read the reports and has not finished its transaction."""
    has_read, may_end = Event(), Event()

    def read() -> None:
        try:
            with transaction.atomic():
                [len(model._default_manager.all()) for model in (LedgerRow, Receivables)]
                has_read.set()
                may_end.wait(10)
        finally:
            connections.close_all()

    thread = Thread(target=read)
    thread.start()
    try:
        assert has_read.wait(10)
        yield
    finally:
        may_end.set()
        thread.join()


@contextmanager
def waiting_at_most(time: str) -> Iterator[None]:
    """Let our own connection give up when it has waited so long for a lock."""
    execute(f"SET lock_timeout = '{time}'")
    try:
        yield
    finally:
        execute("SET lock_timeout = 0")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_waits_for_no_reader() -> None:
    InvoiceFactory()
    refresh()
    InvoiceFactory()
    with reader_in_a_transaction(), waiting_at_most("200ms"):
        assert refresh().endswith("Refreshed 3 of 3 views.\n")
    assert LedgerRow.objects.count() == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_waits_for_readers_when_told_to() -> None:
    refresh()
    with reader_in_a_transaction(), waiting_at_most("200ms"):
        out = refresh_and_fail(no_concurrently=True)
    assert "  ✗ mv_billing_ledger: OperationalError\n" in out


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_shows_readers_the_old_rows_until_it_has_finished() -> None:
    InvoiceFactory()
    refresh()
    InvoiceFactory()
    seen = []

    def hold_and_read() -> None:
        """Let the refresh wait for its state row, at its very end, and look meanwhile."""
        with transaction.atomic():
            ViewState.objects.select_for_update().get(name="mv_billing_ledger")
            held.set()
            until_somebody_waits()
            seen.append(LedgerRow.objects.count())

    def refresh_when_held() -> None:
        held.wait(10)
        services.refresh_materialized_views()

    held = Event()
    assert at_once(hold_and_read, refresh_when_held) == []
    assert seen == [1]
    assert LedgerRow.objects.count() == 2


# ---- what PostgreSQL can compare -----------------------------------------------------------


def empty_all() -> None:
    for name in reversed(VIEWS):
        execute(f"REFRESH MATERIALIZED VIEW {name} WITH NO DATA")


@pytest.mark.postgres
def test_fills_a_view_that_never_was() -> None:
    InvoiceFactory()
    empty_all()
    assert "  ✓ Refreshed mv_billing_ledger (1 rows, 0.00s)\n" in refresh()


@pytest.mark.postgres
@pytest.mark.parametrize(
    "index",
    [
        "",
        "CREATE UNIQUE INDEX other ON mv_billing_ledger (invoice_id) WHERE total_minor > 0",
        "CREATE UNIQUE INDEX other ON mv_billing_ledger ((invoice_id + 0))",
        "CREATE UNIQUE INDEX other ON mv_billing_ledger (invoice_id, bucket)",
        "CREATE INDEX other ON mv_billing_ledger (invoice_id)",
    ],
    ids=["none", "of some rows", "over an expression", "over a null", "not unique"],
)
def test_makes_readers_wait_where_rows_cannot_be_compared(index: str) -> None:
    InvoiceFactory()
    refresh()
    execute("DROP INDEX mv_billing_ledger_once")
    if index:
        execute(index)
    InvoiceFactory()
    assert "  ✓ Refreshed mv_billing_ledger (2 rows, 0.00s)\n" in refresh()
