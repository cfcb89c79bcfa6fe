"""The ledger's reports say … (spec D4)."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import Count, Q, Sum

from apps.billing import services
from apps.billing.models import (
    Bucket,
    Invoice,
    LedgerRow,
    Payment,
    Receivables,
    RevenueMonth,
)
from apps.billing.services.payments import dispute_payment
from apps.billing.views_sql import VIEWS, LedgerView, read
from apps.billing.views_sql.operations import CreateLedgerView, DropLedgerView
from apps.core import bulk
from tests.billing.ledger import NOW, pay
from tests.factories import BillingAccountFactory, FirmFactory, InvoiceFactory

pytestmark = pytest.mark.django_db

Status = Invoice.Status


def refresh(at: str = "2025-03-10T12:00:00Z") -> None:
    with time_machine.travel(at, tick=False):
        services.refresh_materialized_views()


def months(*, currency: str = "USD") -> dict[str, tuple[int, int, int, int]]:
    """Return invoiced, collected, refunded and written off by month."""
    return {
        one.month: (
            one.invoiced_minor,
            one.collected_minor,
            one.refunded_minor,
            one.written_off_minor,
        )
        for one in RevenueMonth.objects.filter(currency=currency).order_by("month")
    }


# ---- how old a debt is ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overdue", "bucket"),
    [
        (-1, Bucket.CURRENT),
        (0, Bucket.CURRENT),
        (1, Bucket.UP_TO_30),
        (30, Bucket.UP_TO_30),
        (31, Bucket.UP_TO_60),
        (60, Bucket.UP_TO_60),
        (61, Bucket.UP_TO_90),
        (90, Bucket.UP_TO_90),
        (91, Bucket.OVER_90),
        (3000, Bucket.OVER_90),
    ],
)
def test_for_how_long_it_has_been_due(overdue: int, bucket: Bucket) -> None:
    InvoiceFactory(due_date=date(2025, 3, 10) - timedelta(days=overdue))
    refresh()
    row = LedgerRow.objects.get()
    assert (row.bucket, row.open_minor, row.as_of) == (bucket, 150_000, date(2025, 3, 10))


@pytest.mark.parametrize(
    ("zone", "as_of", "bucket"),
    [
        ("Pacific/Auckland", date(2025, 3, 11), Bucket.UP_TO_30),
        ("Asia/Tbilisi", date(2025, 3, 10), Bucket.CURRENT),
        ("America/Los_Angeles", date(2025, 3, 10), Bucket.CURRENT),
    ],
)
def test_it_by_the_firms_own_calendar(zone: str, as_of: date, bucket: Bucket) -> None:
    firm = FirmFactory(timezone=zone)
    InvoiceFactory(account__contact__firm=firm, due_date=date(2025, 3, 10))
    refresh(at="2025-03-10T12:00:00Z")
    row = LedgerRow.objects.get()
    assert (row.as_of, row.bucket) == (as_of, bucket)


def test_that_time_alone_makes_it_older() -> None:
    InvoiceFactory(due_date=date(2025, 3, 10))
    ages = []
    for day in ("2025-03-10", "2025-03-11", "2025-04-10"):
        refresh(at=f"{day}T12:00:00Z")
        ages.append(Receivables.objects.get().bucket)
    assert ages == [Bucket.CURRENT, Bucket.UP_TO_30, Bucket.UP_TO_60]


@pytest.mark.parametrize("status", [Status.DRAFT, Status.VOID, Status.WRITTEN_OFF])
def test_that_nobody_owes_what_is_closed(status: Invoice.Status) -> None:
    InvoiceFactory(status=status)
    refresh()
    row = LedgerRow.objects.get()
    assert (row.open_minor, row.bucket, row.status) == (0, None, status)
    assert not Receivables.objects.exists()


def test_what_is_left_of_a_part_paid_invoice() -> None:
    invoice = InvoiceFactory(due_date=date(2025, 2, 1))
    pay(invoice.account, 40_000)
    refresh()
    row = LedgerRow.objects.get()
    assert (row.total_minor, row.paid_minor, row.open_minor) == (150_000, 40_000, 110_000)
    assert Receivables.objects.get().amount_minor == 110_000


# ---- what moved in a month -----------------------------------------------------------------


def test_what_was_invoiced_and_collected_in_which_month() -> None:
    invoice = InvoiceFactory(issue_date=date(2025, 1, 31))
    pay(invoice.account, 100_000, effective_on=date(2025, 2, 28))
    pay(invoice.account, 50_000, effective_on=date(2025, 3, 1))
    refresh()
    assert months() == {
        "2025-01": (150_000, 0, 0, 0),
        "2025-02": (0, 100_000, 0, 0),
        "2025-03": (0, 50_000, 0, 0),
    }


def test_each_refund_in_the_month_it_was_given() -> None:
    invoice = InvoiceFactory(issue_date=date(2025, 1, 1))
    payment = pay(invoice.account, 150_000, effective_on=date(2025, 1, 2))
    for amount, today in ((30_000, date(2025, 2, 3)), (20_000, date(2025, 3, 4))):
        services.refund_payment(payment=payment, amount_minor=amount, now=NOW, today=today)
    refresh()
    assert months() == {
        "2025-01": (150_000, 150_000, 0, 0),
        "2025-02": (0, 0, 30_000, 0),
        "2025-03": (0, 0, 20_000, 0),
    }


def test_a_payment_that_bounced_nowhere() -> None:
    invoice = InvoiceFactory(issue_date=date(2025, 1, 1))
    payment = pay(invoice.account, 150_000, effective_on=date(2025, 1, 2))
    services.refund_payment(payment=payment, amount_minor=1, now=NOW, today=date(2025, 2, 3))
    services.reverse_payment(payment=payment, now=NOW, today=date(2025, 2, 4))
    refresh()
    assert months() == {"2025-01": (150_000, 0, 0, 0)}


def test_money_on_its_way_or_in_dispute() -> None:
    account = InvoiceFactory(issue_date=date(2025, 1, 1)).account
    pay(account, 100, status=Payment.Status.PENDING, effective_on=date(2025, 2, 1))
    dispute_payment(payment=pay(account, 200, effective_on=date(2025, 2, 1)))
    refresh()
    assert months()["2025-02"] == (0, 200, 0, 0), "in dispute it is ours; on its way not yet"


def test_what_was_given_up_in_the_month_of_the_decision() -> None:
    invoice = InvoiceFactory(issue_date=date(2025, 1, 1))
    pay(invoice.account, 50_000, effective_on=date(2025, 1, 2))
    services.write_off(
        invoice=invoice, actor=None, reason="gone", today=date(2025, 3, 31), now=NOW
    )
    refresh()
    assert months() == {"2025-01": (150_000, 50_000, 0, 0), "2025-03": (0, 0, 0, 100_000)}


def test_nothing_of_a_void_invoice() -> None:
    invoice = InvoiceFactory()
    services.void_invoice(
        invoice=invoice, actor=None, reason="wrong", today=date(2025, 3, 31), now=NOW
    )
    refresh()
    assert months() == {}
    assert LedgerRow.objects.get().closed_on == date(2025, 3, 31)


# ---- of ten thousand invoices --------------------------------------------------------------

MANY = 10_000
COLUMNS = (
    "firm", "account", "number", "kind", "currency", "subtotal_minor", "total_minor",
    "paid_minor", "status", "issue_date", "due_date",
)  # fmt: skip
STATUSES = (Status.SENT, Status.OVERDUE, Status.PARTIAL, Status.PAID, Status.VOID, Status.DRAFT)


def issue_many() -> list[tuple[Any, ...]]:
    """Insert invoices of two firms in three currencies, and return their rows."""
    accounts = [
        BillingAccountFactory(contact__firm=firm, currency=code)
        for firm in (FirmFactory(), FirmFactory(timezone="Asia/Tokyo"))
        for code in ("USD", "JPY", "KWD")
    ]
    rows = []
    for number in range(MANY):
        account, status = accounts[number % 6], STATUSES[number // 6 % 6]
        total = 100_001 + number * 7_919 % 1_000_003
        paid = {Status.PAID: total, Status.PARTIAL: total // 3}.get(status, 0)
        issued = date(2024, 1, 1) + timedelta(days=number % 430)
        rows.append(
            (
                *(account.firm_id, account.pk, f"N-{number}", "rent", account.currency),
                *(total, total, paid, status, issued, issued + timedelta(days=14)),
            )
        )
    bulk.insert(Invoice, COLUMNS, rows)
    return rows


def test_the_same_as_a_direct_query() -> None:
    rows = issue_many()
    refresh()
    assert LedgerRow.objects.count() == MANY
    direct = (
        Invoice.objects.collectable()
        .values_list("firm", "currency")
        .annotate(Count("pk"), Sum("balance_minor"))
    )
    reported = Receivables.objects.values_list("firm", "currency").annotate(
        Sum("invoices"), Sum("amount_minor")
    )
    assert sorted(reported) == sorted(direct)
    assert len(direct) == 6

    invoiced: Counter[tuple[Any, ...]] = Counter()
    for firm, _, _, _, code, _, total, _, status, issued, _ in rows:
        if status not in {Status.VOID, Status.DRAFT}:
            invoiced[firm, code, f"{issued:%Y-%m}"] += total
    by_month = RevenueMonth.objects.values_list("firm", "currency", "month", "invoiced_minor")
    assert {tuple(key): total for *key, total in by_month} == invoiced


def test_each_bucket_as_counting_by_hand_does() -> None:
    rows = issue_many()
    refresh()
    today = date(2025, 3, 10)  # at noon UTC, in New York as in Tokyo
    expected: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for firm, _, _, _, code, _, total, paid, status, _, due in rows:
        if status in {Status.SENT, Status.OVERDUE, Status.PARTIAL}:
            days = (today - due).days
            bucket = 0 if days <= 0 else min((days - 1) // 30 + 1, 4)
            expected[firm, code, bucket][0] += 1
            expected[firm, code, bucket][1] += total - paid
    found = Receivables.objects.values_list(
        "firm", "currency", "bucket", "invoices", "amount_minor"
    )
    assert {tuple(key): [count, minor] for *key, count, minor in found} == expected


# ---- whose they are ------------------------------------------------------------------------


def test_each_firm_its_own() -> None:
    ours, theirs = InvoiceFactory(), InvoiceFactory(total_minor=99)
    refresh()
    for model in (LedgerRow, RevenueMonth, Receivables):
        mine = model.objects.for_firm(ours.firm)
        assert [row.firm_id for row in mine] == [ours.firm_id]
        assert model.objects.for_firm(theirs.firm).get() not in mine


def test_a_key_in_every_row() -> None:
    issue_many()
    refresh()
    models = {"mv_billing_ledger": LedgerRow, "mv_revenue_monthly": RevenueMonth}
    models["mv_ar_aging"] = Receivables
    for view in VIEWS:
        missing = Q()
        for column in view.key:
            missing |= Q(**{f"{column}__isnull": True})
        rows = models[view.name]._default_manager.all()
        assert not rows.filter(missing).exists()
        assert rows.values(*view.key).distinct().count() == rows.count()


# ---- how they are made ---------------------------------------------------------------------


def test_what_the_newest_migration_says() -> None:
    made: dict[str, tuple[int, tuple[str, ...]]] = {}
    loader = MigrationLoader(None)
    for key, migration in sorted(loader.disk_migrations.items()):
        for operation in migration.operations if key[0] == "billing" else ():
            if isinstance(operation, DropLedgerView):
                made.pop(operation.name)
            elif isinstance(operation, CreateLedgerView):
                made[operation.name] = (operation.version, operation.key)
    assert made == {view.name: (view.version, view.key) for view in VIEWS}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_what_its_model_reads(view: LedgerView) -> None:
    models = {m._meta.db_table: m for m in (LedgerRow, RevenueMonth, Receivables)}
    fields = [field.column for field in models[view.name]._meta.concrete_fields]
    refresh()  # one is made from another, and PostgreSQL reads none that was never filled
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({read(view.name, view.version)}) AS rows LIMIT 0")
        assert sorted(column[0] for column in cursor.description) == sorted(fields)


@pytest.mark.django_db(transaction=True)
def test_that_a_migration_can_make_them_anew() -> None:
    InvoiceFactory()
    drops = [DropLedgerView(v.name, v.version, key=v.key) for v in reversed(VIEWS)]
    with connection.schema_editor() as editor:
        for drop in drops:
            drop.database_forwards("billing", editor, None, None)
        for drop in reversed(drops):
            drop.database_backwards("billing", editor, None, None)
    refresh()
    assert Receivables.objects.get().amount_minor == 150_000
