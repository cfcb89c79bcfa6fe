"""The page behind a link to pay an invoice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from apps.billing.models import BillingAccount, Invoice, Payment, PaymentAttempt
from sandbox import Sandbox
from tests.billing.ledger import pay
from tests.billing.paying import (
    KEY,
    an_invoice,
    heading,
    page,
    pay_path,
    words,
)
from tests.factories import InvoiceFactory, PaymentAttemptFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

NOW = datetime(2025, 3, 1, 17, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Any:
    cache.clear()
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def visitor() -> Client:
    """Posts as a browser under no-referrer does: no CSRF cookie, ``Origin: null``."""
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


def leave(visitor: Client, invoice: Invoice) -> str:
    """Press the button and return where it leads."""
    response = visitor.post(pay_path(invoice))
    assert response.status_code == 302
    return str(response["Location"])


def session_of(address: str) -> str:
    return address.rpartition("/")[2]


# ---- what it shows ------------------------------------------------------------------------


def test_shows_what_is_to_be_paid(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox, number="INV-2025-001", due_date=NOW.date())
    response = client.get(pay_path(invoice))
    assert (response.status_code, heading(response)) == (200, "Invoice INV-2025-001")
    for part in (str(invoice.firm), "Ada Lovelace", "1 March 2025", "Rent", "$1,000.00"):
        assert part in words(response)
    button = page(response).button
    assert button
    assert button.get_text() == "Pay $1,000.00"
    assert sandbox.requests == []


def test_shows_what_was_paid_of_it_already(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    pay(invoice.account, 20_000, invoices=[invoice])
    said = words(client.get(pay_path(invoice)))
    assert "Total $1,000.00 Paid so far -$200.00 To pay $800.00 Pay $800.00" in said


def test_shows_amounts_without_decimals(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox, currency="JPY", total_minor=5_000)
    assert "Pay ¥5,000" in words(client.get(pay_path(invoice)))


def test_escapes_what_firms_and_people_wrote(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    invoice.lines.update(description="<script>alert(1)</script>")
    assert b"<script" not in client.get(pay_path(invoice)).content


def test_asks_the_database_a_constant_number_of_questions(
    client: Client, sandbox: Sandbox, django_assert_max_num_queries: Any
) -> None:
    invoice = an_invoice(sandbox)
    with django_assert_max_num_queries(9):  # of which the rate limit's cache takes most
        client.get(pay_path(invoice))


# ---- where the button leads ---------------------------------------------------------------


def test_leads_to_the_gateways_page(visitor: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox, number="INV-2025-001")
    address = leave(visitor, invoice)
    assert address.startswith(f"{sandbox.url}/c/pay/")
    customer, asked = sandbox.requests
    assert customer.params == {
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "metadata[firm]": str(invoice.firm_id),
        "metadata[account]": str(invoice.account_id),
    }
    link = f"http://127.0.0.1:8000{pay_path(invoice)}"
    assert asked.params["success_url"] == f"{link}thanks/"
    assert asked.params["cancel_url"] == f"{link}cancelled/"
    sandbox.stripe.complete_checkout(session_of(address))
    [made] = sandbox.stripe.charges_made()
    assert (made.amount, made.currency, made.metadata) == (
        *(100_000, "usd"),
        {
            "firm": str(invoice.firm_id),
            "invoice": str(invoice.pk),
            "purpose": "checkout",
        },
    )
    assert not Payment.objects.filter(account=invoice.account).exists()  # the event tells


def test_asks_for_what_is_left_in_the_gateways_unit(visitor: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox, currency="JPY", total_minor=5_000)
    pay(invoice.account, 1_200, invoices=[invoice])
    leave(visitor, invoice)
    asked = sandbox.requests[-1].params
    assert asked["line_items[0][price_data][unit_amount]"] == "3800"


def test_a_second_click_leads_to_the_same_page(visitor: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    assert leave(visitor, invoice) == leave(visitor, invoice)
    assert [call.path for call in sandbox.requests] == [
        "/v1/customers",
        "/v1/checkout/sessions",
        "/v1/checkout/sessions",
    ]


def test_another_balance_and_another_day_have_another_page(
    visitor: Client, sandbox: Sandbox, clock: Any
) -> None:
    invoice = an_invoice(sandbox)
    pages = [leave(visitor, invoice)]
    pay(invoice.account, 20_000, invoices=[invoice])
    pages.append(leave(visitor, invoice))
    clock.shift(timedelta(days=1))
    pages.append(leave(visitor, invoice))
    assert len(set(pages)) == 3


def test_a_customer_is_made_once_at_the_gateway(visitor: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    other = InvoiceFactory(account=invoice.account)
    for one in (invoice, other):
        leave(visitor, one)
    [customer] = sandbox.stripe.customers
    account = BillingAccount.objects.get(pk=invoice.account_id)
    assert account.gateway_customer == customer["id"]


def test_a_customer_whom_a_crash_forgot_is_the_same_one(
    visitor: Client, sandbox: Sandbox
) -> None:
    invoice = an_invoice(sandbox)
    leave(visitor, invoice)
    BillingAccount.objects.filter(pk=invoice.account_id).update(gateway_customer="")
    leave(visitor, invoice)
    assert len(sandbox.stripe.customers) == 1


@pytest.mark.parametrize("kind", ["error_before", "reset_before", "rate_limit", "malformed"])
def test_says_so_when_the_gateway_cannot_be_reached(
    visitor: Client, sandbox: Sandbox, kind: str
) -> None:
    invoice = an_invoice(sandbox)
    sandbox.stripe.misbehave(kind, path="/v1/checkout/sessions")
    response = visitor.post(pay_path(invoice))
    assert (response.status_code, response["Retry-After"]) == (503, "120")
    assert heading(response) == "The payment page cannot be opened just now"
    leave(visitor, invoice)  # and then it can


def test_says_so_when_the_key_was_revoked(
    visitor: Client, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    invoice = an_invoice(sandbox)
    sandbox.stripe.revoke(KEY)
    assert visitor.post(pay_path(invoice)).status_code == 503
    assert "Stripe does not accept the secret key" in caplog.text
    assert KEY not in caplog.text


# ---- when nothing can be paid -------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"status": "void"}, 409, "Nothing is to be paid on this invoice"),
        ({"status": "written_off"}, 409, "Nothing is to be paid on this invoice"),
        ({"in_dispute": True}, 409, "This invoice is being looked into"),
        ({"status": "draft"}, 404, "This link leads nowhere"),
    ],
)
def test_leads_nowhere_for_an_invoice_that_cannot_be_paid(
    visitor: Client,
    sandbox: Sandbox,
    method: str,
    change: dict[str, object],
    status: int,
    says: str,
) -> None:
    invoice = an_invoice(sandbox)
    Invoice.objects.filter(pk=invoice.pk).update(**change)
    response = getattr(visitor, method)(pay_path(invoice))
    assert (response.status_code, heading(response)) == (status, says)
    assert page(response).button is None
    assert sandbox.requests == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_paid_invoice_is_not_paid_again(
    visitor: Client, sandbox: Sandbox, method: str
) -> None:
    invoice = an_invoice(sandbox)
    pay(invoice.account, 100_000, invoices=[invoice])
    response = getattr(visitor, method)(pay_path(invoice))
    assert (response.status_code, heading(response)) == (200, "This invoice is paid")
    assert sandbox.requests == []


@pytest.mark.parametrize("status", PaymentAttempt.OPEN)
def test_waits_for_a_charge_that_is_under_way(
    visitor: Client, sandbox: Sandbox, status: str
) -> None:
    attempt = PaymentAttemptFactory(invoice=an_invoice(sandbox), status=status)
    response = visitor.post(pay_path(attempt.invoice))
    assert (response.status_code, heading(response)) == (409, "A payment is under way")
    assert sandbox.requests == []


def test_can_be_paid_after_a_charge_that_was_declined(
    visitor: Client, sandbox: Sandbox
) -> None:
    attempt = PaymentAttemptFactory(invoice=an_invoice(sandbox), status="requires_action")
    leave(visitor, attempt.invoice)


@pytest.mark.parametrize(("currency", "minor"), [("USD", 49), ("KWD", 10_505)])
def test_an_amount_that_no_card_takes_cannot_be_paid(
    visitor: Client, sandbox: Sandbox, currency: str, minor: int
) -> None:
    invoice = an_invoice(sandbox, currency=currency, total_minor=minor)
    response = visitor.post(pay_path(invoice))
    assert heading(response) == "This amount cannot be paid by card"


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_a_firm_that_is_not_served_takes_no_payments(
    visitor: Client, sandbox: Sandbox, status: str
) -> None:
    invoice = an_invoice(sandbox)
    invoice.firm.status = status
    invoice.firm.save()
    response = visitor.post(pay_path(invoice))
    assert (response.status_code, heading(response)) == (
        409,
        "This cannot be done here at the moment",
    )


def test_a_firm_without_an_account_at_the_gateway_takes_none(visitor: Client) -> None:
    response = visitor.post(pay_path(an_invoice()))
    assert heading(response) == "This cannot be done here at the moment"


# ---- coming back --------------------------------------------------------------------------


def test_coming_back_proves_nothing(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    response = client.get(f"{pay_path(invoice)}thanks/")
    assert heading(response) == "Thank you; your payment is being confirmed"
    assert "is paid" not in words(response)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_minor) == ("sent", 0)


def test_says_paid_when_the_ledger_does(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox, number="INV-7")
    pay(invoice.account, 100_000, invoices=[invoice])
    response = client.get(f"{pay_path(invoice)}thanks/")
    assert heading(response) == "Thank you, invoice INV-7 is paid"


def test_leads_back_from_a_page_that_was_left(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    response = client.get(f"{pay_path(invoice)}cancelled/")
    assert heading(response) == "You did not pay"
    back = page(response).a
    assert back
    assert back["href"] == pay_path(invoice)
