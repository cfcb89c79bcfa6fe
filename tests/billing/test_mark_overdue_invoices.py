"""Marking what has become overdue, by the firm's own date."""

from datetime import date

import pytest
import time_machine

from apps.billing.models import Invoice
from apps.billing.services import mark_overdue_invoices
from apps.firms.models import Firm
from tests.billing.ledger import pay
from tests.factories import BillingAccountFactory, ContactFactory, FirmFactory, InvoiceFactory

pytestmark = pytest.mark.django_db

DUE = date(2025, 3, 1)


def invoice(zone: str = "America/New_York", **facts: object) -> Invoice:
    account = BillingAccountFactory(contact=ContactFactory(firm=FirmFactory(timezone=zone)))
    made: Invoice = InvoiceFactory(account=account, kind="package", due_date=DUE, **facts)
    return made


def run_at(instant: str, **options: object) -> int:
    with time_machine.travel(instant, tick=False):
        return mark_overdue_invoices(**options).tallies["marked"]


def status(invoice: Invoice) -> str:
    invoice.refresh_from_db()
    return invoice.status


@pytest.mark.parametrize(
    ("zone", "instant", "expected"),
    [
        ("America/New_York", "2025-03-02T04:59:00Z", "sent"),
        ("America/New_York", "2025-03-02T05:00:00Z", "overdue"),
        ("Pacific/Kiritimati", "2025-03-01T09:59:00Z", "sent"),
        ("Pacific/Kiritimati", "2025-03-01T10:00:00Z", "overdue"),
        ("Pacific/Pago_Pago", "2025-03-02T10:59:00Z", "sent"),
        ("Pacific/Pago_Pago", "2025-03-02T11:00:00Z", "overdue"),
    ],
)
def test_goes_by_the_firms_midnight(zone: str, instant: str, expected: str) -> None:
    debt = invoice(zone)
    run_at(instant)
    assert status(debt) == expected


def test_marks_each_once_and_the_neighbours_too() -> None:
    ours, theirs = invoice(), invoice("Asia/Tokyo")
    assert run_at("2025-03-02T12:00:00Z", firm_id=ours.firm_id) == 1
    assert (status(ours), status(theirs)) == ("overdue", "sent")
    assert run_at("2025-03-02T12:00:00Z") == 1
    assert run_at("2025-03-02T12:00:00Z") == 0


def test_a_partly_paid_one_is_overdue_too() -> None:
    debt = invoice()
    pay(debt.account, 100)
    assert status(debt) == "partial"
    run_at("2025-03-05T12:00:00Z")
    assert status(debt) == "overdue"


@pytest.mark.parametrize("done", ["draft", "paid", "void", "written_off"])
def test_what_is_closed_stays_so(done: str) -> None:
    debt = invoice(status=done)
    if done == "paid":
        Invoice.objects.filter(pk=debt.pk).update(paid_minor=debt.total_minor)
    assert run_at("2025-03-05T12:00:00Z") == 0
    assert status(debt) == done


def test_rent_is_left_to_those_who_know_the_property() -> None:
    rent = invoice()
    Invoice.objects.filter(pk=rent.pk).update(kind="rent")
    assert run_at("2025-03-05T12:00:00Z") == 0


def test_a_suspended_firms_debtors_do_not_gain_time() -> None:
    debt = invoice()
    Firm.objects.filter(pk=debt.firm_id).update(status="suspended")
    assert run_at("2025-03-05T12:00:00Z") == 1


def test_a_firm_in_an_unknown_zone_spares_the_others() -> None:
    lost, ours = invoice(), invoice()
    Firm.objects.filter(pk=lost.firm_id).update(timezone="Mars/Base")
    with time_machine.travel("2025-03-05T12:00:00Z", tick=False):
        report = mark_overdue_invoices()
    assert (report.failed, report.tallies["marked"]) == (1, 1)
    assert (status(lost), status(ours)) == ("sent", "overdue")


def test_a_dry_run_of_another_day_shows_what_would_be() -> None:
    debt = invoice()
    assert run_at("2025-02-01T12:00:00Z", dry_run=True, as_of="2025-03-02") == 1
    assert status(debt) == "sent"
