"""Going overdue: only time passes, and the rule stays the same."""

from datetime import date

import pytest

from apps.billing import services
from apps.billing.models import Invoice
from tests.billing.ledger import figures
from tests.factories import InvoiceFactory

pytestmark = pytest.mark.usefixtures("books")

DUE = date(2025, 3, 1)


@pytest.mark.parametrize("today", [date(2025, 2, 28), DUE, date(2025, 3, 2)])
@pytest.mark.parametrize("due", [DUE, None])
@pytest.mark.parametrize(
    ("status", "paid"),
    [
        ("draft", 0),
        ("sent", 0),
        ("partial", 40),
        ("overdue", 0),
        ("paid", 100),
        ("void", 0),
        ("written_off", 0),
    ],
)
def test_agrees_with_the_rule_of_one_invoice(
    status: str, paid: int, due: date | None, today: date
) -> None:
    invoice = InvoiceFactory(total_minor=100, due_date=due, status=status)
    mine = Invoice.objects.filter(pk=invoice.pk)
    mine.update(paid_minor=paid)
    invoice.refresh_from_db()
    # What was overdue stays so: an invoice is never due later than it was.
    expected = "overdue" if status == "overdue" else invoice.status_on(today)
    services.mark_overdue(invoices=mine, today=today)
    assert Invoice.objects.get(pk=invoice.pk).status == expected
    mine.update(paid_minor=0, status="void")


def test_counts_the_ones_it_changed() -> None:
    invoices = InvoiceFactory.create_batch(3, due_date=DUE)
    mine = Invoice.objects.filter(pk__in=[one.pk for one in invoices])
    assert services.mark_overdue(invoices=mine, today=date(2025, 3, 2)) == 3
    assert services.mark_overdue(invoices=mine, today=date(2025, 3, 2)) == 0


def test_touches_only_the_invoices_asked_about() -> None:
    mine, other = InvoiceFactory(due_date=DUE), InvoiceFactory(due_date=DUE)
    services.mark_overdue(invoices=Invoice.objects.for_firm(mine.firm), today=date(2025, 3, 2))
    assert (figures(mine)[3], figures(other)[3]) == ("overdue", "sent")


@pytest.mark.parametrize(
    ("paid", "today", "status"),
    [
        (0, date(2025, 3, 1), "sent"),
        (40, date(2025, 3, 1), "partial"),
        (0, date(2025, 3, 2), "overdue"),
        (40, date(2025, 3, 2), "overdue"),
        (100, date(2025, 3, 2), "paid"),
    ],
)
def test_precedence_of_statuses(paid: int, today: date, status: str) -> None:
    invoice = Invoice(total_minor=100, paid_minor=paid, due_date=DUE, status="sent")
    assert invoice.status_on(today) == status
