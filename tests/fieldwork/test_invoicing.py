"""The customer's invoice for a work order … is one, in the firm's ledger."""

from datetime import date

import pytest

from apps.audit.models import AuditEvent
from apps.billing.models import BillingAccount, Invoice, InvoiceLine
from apps.billing.services import find_inconsistencies, grant_credit, void_invoice
from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.fieldwork import services
from apps.fieldwork.models import WorkOrder
from apps.firms.models import Firm
from tests.factories import BillingAccountFactory, ContactFactory, WorkOrderFactory
from tests.fieldwork.working import NOW, TODAY, audited, history, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(firm: Firm) -> Contact:
    contact: Contact = ContactFactory(firm=firm, display_name="Bob Baker")
    return contact


@pytest.fixture
def order(firm: Firm, bob: Contact) -> WorkOrder:
    made: WorkOrder = WorkOrderFactory(
        firm=firm, number="JOB-000123", title="Bathroom", status="COMPLETED", customer=bob
    )
    return made


def invoice(order: WorkOrder) -> Invoice:
    return services.invoice_work_order(order=order, by=None, today=TODAY, now=NOW)


def test_is_over_the_customers_price_and_due_after_the_firms_days(
    order: WorkOrder, bob: Contact
) -> None:
    issued = invoice(order)
    issued.refresh_from_db()
    assert (issued.kind, issued.number, issued.status) == ("work", "INV-2025-001", "sent")
    assert (issued.total_minor, issued.due_date) == (50_000, date(2025, 7, 10))
    assert (issued.account.contact, issued.account.currency) == (bob, "USD")
    line = InvoiceLine.objects.get()
    assert (line.kind, line.description, line.amount_minor) == (
        "job", "JOB-000123: Bathroom", 50_000
    )  # fmt: skip
    order.refresh_from_db()
    assert order.invoice == issued
    assert history(order) == [("invoiced", "COMPLETED", "COMPLETED")]
    assert audited() == ["work_order_invoiced"]
    assert AuditEvent.objects.get().changes == {
        "invoice": "INV-2025-001", "total_minor": 50_000
    }  # fmt: skip
    assert told() == [("Bob Baker", "work_invoice_issued")]
    assert find_inconsistencies() == []


def test_goes_to_the_account_that_the_customer_has(order: WorkOrder, bob: Contact) -> None:
    account = BillingAccountFactory(contact=bob)
    grant_credit(
        account=account, amount_minor=50_000, kind="concession", effective_on=date(2025, 6, 1)
    )
    assert invoice(order).status == "paid"
    assert BillingAccount.objects.get() == account


def test_is_issued_once(order: WorkOrder) -> None:
    invoice(order)
    with pytest.raises(Problem, match=r"^JOB-000123 has been invoiced: INV-2025-001\.$"):
        invoice(order)
    assert Invoice.objects.count() == 1


def test_is_issued_again_when_the_first_is_void(order: WorkOrder) -> None:
    first = invoice(order)
    void_invoice(invoice=first, actor=None, reason="Wrong name", today=TODAY, now=NOW)
    second = invoice(order)
    order.refresh_from_db()
    assert (order.invoice, second.number) == (second, "INV-2025-002")


@pytest.mark.parametrize(
    "status", ["PENDING", "ASSIGNED", "IN_PROGRESS", "ON_HOLD", "VERIFIED"]
)
def test_is_issued_before_or_after_the_work(firm: Firm, bob: Contact, status: str) -> None:
    assert (
        invoice(WorkOrderFactory(firm=firm, status=status, customer=bob)).total_minor == 50_000
    )


def test_nobody_pays_for_what_was_given_up(firm: Firm, bob: Contact) -> None:
    order = WorkOrderFactory(firm=firm, number="JOB-000123", status="CANCELLED", customer=bob)
    with pytest.raises(Problem, match=r"^JOB-000123 cannot be invoiced: it is cancelled\.$"):
        invoice(order)


def test_needs_a_customer_and_a_price(order: WorkOrder, bob: Contact) -> None:
    WorkOrder.objects.update(customer=None)
    with pytest.raises(Problem, match=r"^JOB-000123 cannot be invoiced: it has no customer\.$"):
        invoice(order)
    WorkOrder.objects.update(customer=bob, customer_price_minor=0)
    refusal = r"^JOB-000123 cannot be invoiced: it costs the customer nothing\.$"
    with pytest.raises(Problem, match=refusal):
        invoice(order)
    assert not Invoice.objects.exists()
