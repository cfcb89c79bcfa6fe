"""Corrections: an issued invoice keeps its lines, and money is never lost."""

from datetime import date

import pytest

from apps.audit.models import AuditEvent
from apps.billing import services
from apps.billing.models import AccountCredit, Invoice, InvoiceLine
from apps.core.problems import Problem
from tests.billing.ledger import LATER, NOW, TODAY, add_fees, credit, figures, pay
from tests.factories import InvoiceFactory, UserFactory

pytestmark = pytest.mark.usefixtures("books")

LATE_FEE = InvoiceLine.Kind.LATE_FEE


def take_off(
    invoice: Invoice, minor: int, kind: InvoiceLine.Kind = InvoiceLine.Kind.CREDIT
) -> InvoiceLine:
    return services.credit_line(
        invoice=invoice,
        amount_minor=minor,
        description="Goodwill",
        kind=kind,
        reason="Heating was out",
        today=TODAY,
        now=NOW,
    )


def void(invoice: Invoice) -> Invoice:
    return services.void_invoice(
        invoice=invoice, actor=None, reason="Wrong unit", today=TODAY, now=NOW
    )


def test_credit_line_is_a_new_line() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    line = take_off(invoice, 20_000)
    assert figures(invoice) == (130_000, 0, 0, "sent")
    assert (line.kind, line.amount_minor, line.added_after_issue) == ("credit", -20_000, True)
    assert list(invoice.lines.order_by("pk").values_list("amount_minor", flat=True)) == [
        150_000,
        -20_000,
    ]
    assert (invoice.subtotal_minor, invoice.revision) == (130_000, 1)


def test_credit_line_over_everything_owed_pays_the_invoice() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    pay(invoice.account, 100_000)
    take_off(invoice, 50_000)
    assert figures(invoice) == (100_000, 100_000, 0, "paid")
    assert invoice.paid_at == NOW


def test_credit_line_on_a_paid_invoice_becomes_account_credit() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    payment = pay(invoice.account, 150_000)
    take_off(invoice, 20_000)
    assert figures(invoice) == (130_000, 130_000, 0, "paid")
    row = AccountCredit.objects.get(account=invoice.account)
    assert (row.kind, row.amount_minor, row.payment_id, row.invoice_id) == (
        "returned",
        20_000,
        payment.pk,
        invoice.pk,
    )


def test_credit_line_returns_the_newest_money() -> None:
    invoice = InvoiceFactory(total_minor=100)
    pay(invoice.account, 60, effective_on=date(2025, 2, 20))
    pay(invoice.account, 40, effective_on=date(2025, 2, 10))
    take_off(invoice, 70)
    returned = AccountCredit.objects.filter(kind="returned", invoice=invoice).order_by("pk")
    assert list(returned.values_list("amount_minor", "effective_on")) == [
        (60, date(2025, 2, 20)),
        (10, date(2025, 2, 10)),
    ]
    assert figures(invoice) == (30, 30, 0, "paid")


def test_credit_line_takes_no_more_than_the_principal() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    add_fees([invoice])
    with pytest.raises(Problem, match=r"^Only \$1500\.00 of TEST-\d+ can be credited\.$"):
        take_off(invoice, 150_001)
    take_off(invoice, 150_000)
    assert figures(invoice) == (5_000, 0, 0, "sent")


@pytest.mark.parametrize("minor", [0, -1])
def test_credit_line_refuses_an_amount_that_is_not_positive(minor: int) -> None:
    with pytest.raises(Problem, match="can be credited"):
        take_off(InvoiceFactory(), minor)


def test_waiver_comes_off_the_late_fees() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    add_fees([invoice])
    line = take_off(invoice, 5_000, LATE_FEE)
    assert figures(invoice) == (150_000, 0, 0, "sent")
    assert (invoice.late_fees_minor, invoice.revision, line.kind) == (0, 2, "late_fee")
    event = AuditEvent.objects.get(action="invoice_credited")
    assert event.reason == "Heating was out"
    assert event.changes == {"amount_minor": 5_000, "line": line.pk, "kind": "late_fee"}


def test_waiver_of_a_paid_fee_becomes_account_credit() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    add_fees([invoice])
    pay(invoice.account, 155_000)
    take_off(invoice, 5_000, LATE_FEE)
    assert figures(invoice) == (150_000, 150_000, 0, "paid")
    assert credit(invoice.account) == 5_000


def test_waiver_takes_no_more_than_the_fees() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    add_fees([invoice])
    with pytest.raises(Problem, match=r"Only \$50\.00"):
        take_off(invoice, 5_001, LATE_FEE)


@pytest.mark.parametrize("status", ["draft", "void", "written_off"])
def test_credit_line_leaves_closed_invoices_alone(status: str) -> None:
    invoice = InvoiceFactory(status=status)
    with pytest.raises(Problem, match="its lines stay"):
        take_off(invoice, 100)


def test_void_returns_what_was_paid() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    services.grant_credit(
        account=invoice.account,
        amount_minor=30_000,
        kind=AccountCredit.Kind.REWARD,
        effective_on=date(2025, 2, 1),
    )
    services.use_credit(invoice=invoice, today=TODAY, now=NOW)
    pay(invoice.account, 100_000)
    assert void(invoice).status == "void"
    assert figures(invoice) == (150_000, 0, 0, "void")
    assert credit(invoice.account) == 130_000
    returned = AccountCredit.objects.filter(kind="returned", invoice=invoice).order_by("pk")
    assert list(returned.values_list("amount_minor", "effective_on")) == [
        (100_000, TODAY),
        (30_000, date(2025, 2, 1)),
    ]


def test_void_keeps_number_and_lines() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    number = invoice.number
    void(invoice)
    invoice.refresh_from_db()
    assert (invoice.number, invoice.lines.get().amount_minor) == (number, 150_000)


def test_void_is_final() -> None:
    invoice = InvoiceFactory()
    void(invoice)
    with pytest.raises(Problem, match=r"^TEST-\d+ is void already\.$"):
        void(invoice)
    pay(invoice.account, 100)
    assert figures(invoice) == (150_000, 0, 0, "void")


def test_void_cancels_the_planned_charge() -> None:
    invoice = InvoiceFactory(
        autopay_opt_in=True, autopay_status="scheduled", autopay_next_charge_at=NOW
    )
    void(invoice)
    invoice.refresh_from_db()
    assert (invoice.autopay_status, invoice.autopay_next_charge_at) == ("cancelled", None)


def test_void_is_written_down() -> None:
    invoice = InvoiceFactory()
    pay(invoice.account, 100)
    void(invoice)
    event = AuditEvent.objects.get(action="invoice_void", object_id=str(invoice.pk))
    assert (event.actor_label, event.reason, event.firm_id) == (
        "system",
        "Wrong unit",
        invoice.firm_id,
    )
    assert event.changes == {"status": ["partial", "void"], "returned_minor": 100}


def test_write_off_gives_up_what_is_owed() -> None:
    invoice = InvoiceFactory(total_minor=150_000)
    pay(invoice.account, 100_000)
    services.write_off(
        invoice=invoice, actor=UserFactory(username="ada"), reason="Gone", today=LATER, now=NOW
    )
    assert figures(invoice) == (150_000, 100_000, 0, "written_off")
    assert not Invoice.objects.filter(account=invoice.account).collectable().exists()
    event = AuditEvent.objects.get(action="invoice_written_off")
    assert event.changes == {"status": ["partial", "written_off"], "lost_minor": 50_000}


@pytest.mark.parametrize("status", ["draft", "paid", "void", "written_off"])
def test_write_off_needs_something_owed(status: str) -> None:
    invoice = InvoiceFactory(total_minor=0, status=status)
    with pytest.raises(Problem, match="Nothing is owed"):
        services.write_off(invoice=invoice, actor=None, reason="", today=TODAY, now=NOW)


def test_dispute_stops_dunning_until_it_is_over() -> None:
    invoice = InvoiceFactory()
    mine = Invoice.objects.filter(pk=invoice.pk)
    services.open_dispute(invoice=invoice, actor=None, reason="Never lived there")
    assert not mine.undisputed(on=TODAY).exists()
    services.close_dispute(invoice=invoice, actor=None, reason="Did")
    assert mine.undisputed(on=TODAY).exists()
    actions = AuditEvent.objects.filter(object_id=str(invoice.pk)).order_by("pk")
    assert list(actions.values_list("action", "changes")) == [
        ("invoice_disputed", {"in_dispute": True}),
        ("invoice_dispute_closed", {"in_dispute": False}),
    ]


def test_payment_plan_pauses_dunning_through_a_day() -> None:
    invoice = InvoiceFactory()
    services.pause_dunning(invoice=invoice, until=LATER, actor=None, reason="Plan")
    mine = Invoice.objects.filter(pk=invoice.pk)
    assert not mine.undisputed(on=LATER).exists()
    assert mine.undisputed(on=date(2025, 3, 11)).exists()
    event = AuditEvent.objects.get(action="invoice_dunning_paused")
    assert event.changes == {"dunning_paused_until": "2025-03-10"}
    services.pause_dunning(invoice=invoice, until=None, actor=None, reason="Broken")
    assert mine.undisputed(on=TODAY).exists()
