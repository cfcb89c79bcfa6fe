"""What staff press on invoices and accounts: a page in between, one call, one sentence."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.billing.models import AccountCredit, BillingAccount, Invoice, Payment
from apps.firms.models import Firm, User
from tests.admin.world import everything, staff_of
from tests.factories import InvoiceFactory

NOW = datetime(2025, 3, 20, 15, 0, tzinfo=UTC)
INVOICES = reverse("admin:billing_invoice_changelist")
ACCOUNTS = reverse("admin:billing_billingaccount_changelist")

Status = Invoice.Status


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def account(ours: Firm) -> BillingAccount:
    return BillingAccount.objects.get(firm=ours)


@pytest.fixture
def invoices(account: BillingAccount) -> list[Invoice]:
    return [InvoiceFactory(account=account, number=f"INV-{n}") for n in (1, 2, 3)]


def press(client: Client, where: str, action: str, *rows: Any, **typed: Any) -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in rows], **typed}
    return client.post(where, data, follow=True)


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def confirm(client: Client, action: str, *rows: Any, reason: str = "Billed twice") -> str:
    return said(press(client, INVOICES, action, *rows, confirmed="yes", reason=reason))


def pay(client: Client, where: str, row: Any, **typed: Any) -> Any:
    data = {"confirmed": "yes", "amount": "100.00", "method": "check", "note": "No. 7"}
    data |= {"paid_on": "2025-03-19", "reference": "0" * 32} | typed
    return press(client, where, "record_payment", row, **data)


# ---- void, write off ----------------------------------------------------------------------


@pytest.mark.parametrize("action", ["void", "write_off", "record_payment"])
def test_asks_before_it_does_anything(
    desk: Client, invoices: list[Invoice], action: str
) -> None:
    before = everything()
    answer = press(desk, INVOICES, action, invoices[0])
    assert b"INV-1, Alder Renter: $1,500.00 of $1,500.00 open, Sent" in answer.content
    assert everything() == before


def test_voids_and_says_so_in_one_sentence(
    desk: Client, alice: User, invoices: list[Invoice]
) -> None:
    first, second, third = invoices
    assert confirm(desk, "void", third) == "1 invoice voided."
    assert confirm(desk, "void", *invoices) == (
        "2 invoices voided, 1 skipped: INV-3 is void already."
    )
    event = AuditEvent.objects.get(action="invoice_void", object_id=str(first.pk))
    assert (event.actor, event.reason) == (alice, "Billed twice")
    second.refresh_from_db()
    assert second.status == Status.VOID


def test_writes_off_and_says_so_in_one_sentence(
    desk: Client, alice: User, invoices: list[Invoice]
) -> None:
    paid = InvoiceFactory(
        account=invoices[0].account, number="INV-4", status=Status.PAID, paid_minor=150_000
    )
    assert confirm(desk, "write_off", invoices[0], paid) == (
        "1 invoice written off, 1 skipped: Nothing is owed on INV-4; it is paid."
    )
    event = AuditEvent.objects.get(action="invoice_written_off")
    assert (event.actor, event.changes["lost_minor"]) == (alice, 150_000)


@pytest.mark.parametrize("reason", ["", "   "])
def test_wants_a_reason(desk: Client, invoices: list[Invoice], reason: str) -> None:
    before = everything()
    answer = press(desk, INVOICES, "void", invoices[0], confirmed="yes", reason=reason)
    assert b"Say why." in answer.content
    assert everything() == before


def test_changes_no_more_at_once_than_a_person_looks_at(
    desk: Client, invoices: list[Invoice]
) -> None:
    account = invoices[0].account
    Invoice.objects.bulk_create(
        Invoice(
            firm=account.firm, account=account, number=f"M-{n}", kind="rent", currency="USD"
        )
        for n in range(200)
    )
    before = everything()
    answer = press(
        desk, INVOICES, "void", invoices[0], select_across="1", confirmed="yes", reason="All"
    )
    assert said(answer) == "Nothing was changed: select at most 200 at a time."
    assert everything() == before


@pytest.mark.parametrize("action", ["void", "write_off", "record_payment"])
def test_who_may_only_look_presses_nothing(
    client: Client, ours: Firm, invoices: list[Invoice], action: str
) -> None:
    user = staff_of(ours, rights=False)
    looking = ("view_invoice", "view_billingaccount")
    user.user_permissions.set(Permission.objects.filter(codename__in=looking))
    client.force_login(user)
    before = everything()
    assert f'value="{action}"'.encode() not in client.get(INVOICES).content
    confirm(client, action, invoices[0])
    pay(client, INVOICES, invoices[0])
    pay(client, ACCOUNTS, invoices[0].account)
    assert everything() == before


# ---- payments -----------------------------------------------------------------------------


def test_records_a_payment_on_an_invoice(
    desk: Client, alice: User, invoices: list[Invoice]
) -> None:
    answer = pay(desk, INVOICES, invoices[1], amount="1600.00")
    assert said(answer) == ("$1,600.00 recorded: $1,500.00 for INV-2, $100.00 kept as credit.")
    payment = Payment.objects.get(gateway="desk")
    assert (payment.amount_minor, payment.method, payment.note) == (160_000, "check", "No. 7")
    assert f"{payment.effective_on}" == "2025-03-19"
    event = AuditEvent.objects.get(action="payment_recorded")
    assert (event.actor, event.object_id) == (alice, str(payment.pk))
    invoices[1].refresh_from_db()
    assert invoices[1].status == Status.PAID


def test_records_a_payment_on_an_account_first_due_first(
    desk: Client, account: BillingAccount
) -> None:
    assert said(pay(desk, ACCOUNTS, account)) == "$100.00 recorded: $100.00 for ALDER-000001."


def test_a_page_sent_twice_records_one_payment(desk: Client, account: BillingAccount) -> None:
    first, second = pay(desk, ACCOUNTS, account), pay(desk, ACCOUNTS, account)
    assert said(first) == said(second)
    assert Payment.objects.filter(gateway="desk").count() == 1
    assert AuditEvent.objects.filter(action="payment_recorded").count() == 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"amount": "1.005"}, "An amount in USD has at most 2 decimals."),
        ({"amount": "0"}, "A payment must be more than zero."),
        ({"amount": "-1"}, "A payment must be more than zero."),
        ({"amount": ""}, "This field is required."),
        ({"paid_on": "2025-03-21"}, "This day has not come yet."),
        ({"method": "gold"}, "Select a valid choice."),
    ],
)
def test_refuses_what_is_no_payment(
    desk: Client, account: BillingAccount, typed: dict[str, str], sentence: str
) -> None:
    before = everything()
    answer = pay(desk, ACCOUNTS, account, **typed)
    assert sentence in answer.content.decode()
    assert everything() == before


def test_takes_money_for_one_row_at_a_time(desk: Client, invoices: list[Invoice]) -> None:
    answer = press(desk, INVOICES, "record_payment", *invoices[:2])
    assert said(answer) == "Select one invoice."


def test_takes_no_money_for_what_is_paid(desk: Client, account: BillingAccount) -> None:
    paid = InvoiceFactory(account=account, number="P", status=Status.PAID, paid_minor=150_000)
    answer = pay(desk, INVOICES, paid)
    assert said(answer) == "Nothing is owed on P; it is paid."
    assert AccountCredit.objects.filter(kind="surplus").count() == 0
