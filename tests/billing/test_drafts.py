"""A draft … until somebody issues it."""

from datetime import date
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.billing import services
from apps.billing.models import BillingAccount, Invoice, InvoiceLine, NumberSequence
from apps.billing.services import InvoiceDraft, LineDraft
from apps.core.days import local_midnight
from apps.core.problems import Problem
from tests.billing.ledger import NOW, TODAY, figures, pay
from tests.factories import BillingAccountFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

LATER = date(2025, 3, 10)


def drafted(account: BillingAccount | None = None, *, minor: int = 10_000, **how: Any) -> Any:
    """Make an invoice that is held back, over an amount and a tax of ten per cent."""
    lines = [
        LineDraft(InvoiceLine.Kind.PACKAGE_FEE, "Retainer", minor),
        LineDraft(InvoiceLine.Kind.TAX, "Tax 10%", minor // 10),
    ]
    how = {"issue_date": TODAY, "due_date": date(2025, 3, 31), "held_back": True, **how}
    draft = InvoiceDraft(
        account=account or BillingAccountFactory(),
        kind=Invoice.Kind.PACKAGE,
        lines=lines,
        **how,
    )
    [invoice] = services.issue_invoices([draft], now=NOW)
    return invoice


def issue(invoice: Invoice) -> Invoice:
    return services.issue_draft(invoice=invoice, today=LATER, now=NOW, actor=None)


def test_has_its_lines_but_neither_number_nor_credit() -> None:
    account = BillingAccountFactory()
    pay(account, 5_000)
    invoice = drafted(account)
    assert figures(invoice) == (11_000, 0, 0, "draft")
    assert (invoice.number, invoice.sent_at, invoice.lines.count()) == ("", None, 2)
    assert not NumberSequence.objects.filter(firm=account.firm).exists()
    assert not Invoice.objects.filter(pk=invoice.pk).collectable().exists()


def test_leaves_no_gap_in_the_numbers_of_the_others() -> None:
    account = BillingAccountFactory()
    first, held, second = (
        drafted(account, held_back=held_back) for held_back in (False, True, False)
    )
    issue(held)
    numbers = [Invoice.objects.get(pk=one.pk).number for one in (first, second, held)]
    assert numbers == ["INV-2025-001", "INV-2025-002", "INV-2025-003"]


def test_is_issued_on_the_day_with_as_many_days_to_pay_as_planned() -> None:
    actor, invoice = UserFactory(), drafted()
    services.issue_draft(invoice=invoice, today=LATER, now=NOW, actor=actor)
    invoice.refresh_from_db()
    assert (invoice.number, invoice.status, invoice.sent_at) == ("INV-2025-001", "sent", NOW)
    assert (invoice.issue_date, invoice.due_date) == (LATER, date(2025, 4, 9))
    assert (invoice.subtotal_minor, invoice.tax_minor) == (10_000, 1_000)
    event = AuditEvent.objects.get(action="invoice_issued")
    assert (event.actor, event.object_id) == (actor, str(invoice.pk))


@pytest.mark.parametrize(("credit", "status"), [(5_000, "sent"), (20_000, "paid")])
def test_uses_the_accounts_credit_when_it_is_issued(credit: int, status: str) -> None:
    account = BillingAccountFactory()
    invoice = drafted(account, autopay=True)
    pay(account, credit)
    issue(invoice)
    assert figures(invoice) == (11_000, 0, min(credit, 11_000), status)
    assert invoice.autopay_opt_in is (status != "paid")


@pytest.mark.parametrize(
    ("planned", "charge_at"),
    [
        (None, None),
        (
            local_midnight(date(2025, 3, 31), "America/New_York"),
            local_midnight(date(2025, 4, 9), "America/New_York"),
        ),
    ],
)
def test_is_charged_only_after_it_was_issued(planned: Any, charge_at: Any) -> None:
    invoice = drafted(autopay=True, autopay_charge_at=planned)
    invoice.refresh_from_db()
    assert invoice.autopay_status == ""
    issue(invoice)
    invoice.refresh_from_db()
    assert invoice.autopay_status == Invoice.Autopay.SCHEDULED
    assert invoice.autopay_next_charge_at == charge_at


def test_is_issued_once() -> None:
    invoice = drafted()
    issue(invoice)
    with pytest.raises(Problem, match=r"^INV-2025-001 is sent, no draft\.$"):
        issue(invoice)


def test_is_never_below_zero() -> None:
    with pytest.raises(Problem, match="cannot be below zero"):
        drafted(minor=-10_000)


def test_can_be_voided() -> None:
    invoice = drafted()
    services.void_invoice(invoice=invoice, actor=None, reason="", today=LATER, now=NOW)
    assert figures(invoice) == (11_000, 0, 0, "void")
