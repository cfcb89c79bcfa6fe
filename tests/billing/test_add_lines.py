"""Lines added after issue: the invoice grows, nothing on it changes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.billing import services
from apps.billing.models import Invoice, InvoiceLine
from apps.billing.services import LineAddition, LineDraft
from apps.core.problems import Problem
from tests.billing.ledger import LATER, NOW, TODAY, add_fees, figures, pay
from tests.factories import InvoiceFactory

pytestmark = pytest.mark.usefixtures("books")


def test_appends_a_late_fee() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    [line] = add_fees([invoice], 7_500)
    assert figures(invoice) == (157_500, 0, 0, "overdue")
    assert (invoice.late_fees_minor, invoice.subtotal_minor, invoice.revision) == (
        7_500,
        157_500,
        1,
    )
    assert (line.kind, line.amount_minor, line.unit_minor, line.added_after_issue) == (
        "late_fee",
        7_500,
        7_500,
        True,
    )
    assert (line.firm_id, line.invoice_id) == (invoice.firm_id, invoice.pk)


def test_leaves_the_lines_before_as_they_were() -> None:
    invoice = InvoiceFactory()
    before = list(invoice.lines.values())
    [added] = add_fees([invoice])
    assert list(invoice.lines.exclude(pk=added.pk).values()) == before


def test_counts_only_late_fees_as_late_fees() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    water = LineDraft(InvoiceLine.Kind.OTHER, "Water", 4_000)
    tax = LineDraft(InvoiceLine.Kind.TAX, "VAT", 800)
    services.add_lines(
        additions=[LineAddition(invoice, line, TODAY) for line in (water, tax)], now=NOW
    )
    assert figures(invoice) == (154_800, 0, 0, "sent")
    assert (invoice.late_fees_minor, invoice.subtotal_minor, invoice.tax_minor) == (
        0,
        154_000,
        800,
    )
    assert (invoice.principal_open_minor, invoice.revision) == (154_800, 1)


def test_brings_the_instance_up_to_date_as_the_row() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    add_fees([invoice, invoice])
    in_memory = {name: getattr(invoice, name) for name in ("total_minor", "late_fees_minor")}
    in_memory |= {"status": invoice.status, "revision": invoice.revision}
    assert Invoice.objects.filter(pk=invoice.pk).values(*in_memory).get() == in_memory
    assert in_memory["total_minor"] == 160_000


def test_opens_a_paid_invoice_again() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    pay(invoice.account, 150_000)
    invoice.refresh_from_db()
    add_fees([invoice], today=TODAY)
    assert figures(invoice) == (155_000, 150_000, 0, "partial")
    assert invoice.paid_at is None


def test_judges_each_invoice_by_its_own_day() -> None:
    late, early = InvoiceFactory.create_batch(2, due_date=TODAY, total_minor=100)
    fee = LineDraft(InvoiceLine.Kind.LATE_FEE, "Late fee", 10)
    services.add_lines(
        additions=[LineAddition(late, fee, LATER), LineAddition(early, fee, TODAY)], now=NOW
    )
    assert (figures(late)[3], figures(early)[3]) == ("overdue", "sent")


def test_takes_as_many_statements_for_twenty_as_for_two() -> None:
    counts = []
    fee = LineDraft(InvoiceLine.Kind.LATE_FEE, "Late fee", 10)
    for number in (2, 20):
        invoices = InvoiceFactory.create_batch(number)
        additions = [LineAddition(invoice, fee, LATER) for invoice in invoices]
        with CaptureQueriesContext(connection) as statements:
            services.add_lines(additions=additions, now=NOW)
        counts.append(len(statements))
    assert counts == [2, 2]


def test_returns_the_lines_in_order() -> None:
    invoices = InvoiceFactory.create_batch(3)
    lines = add_fees(invoices[::-1])
    assert [line.invoice_id for line in lines] == [one.pk for one in invoices[::-1]]
    assert all(line.pk for line in lines)


@pytest.mark.parametrize("status", ["draft", "void", "written_off"])
def test_refuses_a_closed_invoice(status: str) -> None:
    good, closed = InvoiceFactory(), InvoiceFactory(status=status)
    with pytest.raises(Problem, match="its lines stay"):
        add_fees([good, closed])
    assert figures(good) == (150_000, 0, 0, "sent")


@pytest.mark.parametrize("minor", [0, -100])
def test_refuses_an_amount_that_is_not_positive(minor: int) -> None:
    with pytest.raises(Problem, match="more than zero"):
        add_fees([InvoiceFactory()], minor)


def test_does_nothing_with_nothing() -> None:
    assert services.add_lines(additions=[], now=NOW) == []


@pytest.mark.parametrize(("code", "minor"), [("JPY", 4_938), ("KWD", 1_001)])
def test_counts_in_minor_units_of_any_currency(code: str, minor: int) -> None:
    invoice = InvoiceFactory(account__currency=code, total_minor=98_765)
    add_fees([invoice], minor)
    assert figures(invoice) == (98_765 + minor, 0, 0, "overdue")
