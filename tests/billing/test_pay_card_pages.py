"""The page behind a link to store a card."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.billing.models import BillingAccount, Invoice, PaymentMethod
from apps.billing.services.cards import store_card
from apps.integrations.payments import Card
from sandbox import Sandbox
from tests.billing.ledger import pay
from tests.billing.paying import (
    KEY,
    an_invoice,
    card_path,
    heading,
    open_gateway,
    page,
    pay_path,
    words,
)
from tests.factories import InvoiceFactory, PaymentMethodFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

NOW = datetime(2025, 3, 1, 17, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Any:
    cache.clear()
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def account(sandbox: Sandbox) -> BillingAccount:
    """Ada's, with nothing stored; one invoice is open and waits for nothing."""
    return an_invoice(sandbox).account


@pytest.fixture
def visitor() -> Client:
    """Posts as a browser under no-referrer does: no CSRF cookie, ``Origin: null``."""
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


def leave(visitor: Client, account: BillingAccount) -> str:
    """Press the button and return where it leads."""
    response = visitor.post(card_path(account))
    assert response.status_code == 302
    return str(response["Location"])


def test_says_which_card_is_charged_now(client: Client, account: BillingAccount) -> None:
    assert "There is no card on your account" in words(client.get(card_path(account)))
    account.default_payment_method = PaymentMethodFactory(account=account)
    account.save()
    said = words(client.get(card_path(account)))
    assert "Your invoices are charged to your Visa ending 4242." in said


def test_shows_no_card_that_cannot_be_charged(client: Client, account: BillingAccount) -> None:
    account.default_payment_method = PaymentMethodFactory(account=account, status="invalid")
    account.save()
    assert "4242" not in words(client.get(card_path(account)))


def test_says_what_the_new_card_will_be_charged_for(
    client: Client, account: BillingAccount
) -> None:
    for number, status in (("INV-1", "failed"), ("INV-2", "scheduled"), ("INV-3", "retrying")):
        InvoiceFactory(account=account, number=number, autopay_status=status)
    Invoice.objects.filter(number="INV-3").update(due_date=NOW.date() - timedelta(days=40))
    said = words(client.get(card_path(account)))
    assert "INV-3, due 20 January 2025 $1,500.00 INV-1, due 1 March 2025 $1,500.00" in said
    assert "INV-2" not in said


def test_leads_to_the_gateways_page_on_which_a_card_is_stored(
    visitor: Client, account: BillingAccount, sandbox: Sandbox
) -> None:
    address = leave(visitor, account)
    sandbox.stripe.complete_checkout(address.rpartition("/")[2])
    [stored] = [one for one in sandbox.stripe.events if one["type"] == "setup_intent.succeeded"]
    setup = stored["data"]["object"]
    account.refresh_from_db()
    assert setup["customer"] == account.gateway_customer
    assert setup["metadata"] == {
        "firm": str(account.firm_id),
        "account": str(account.pk),
        "purpose": "card",
    }
    assert not PaymentMethod.objects.filter(account=account).exists()  # the event tells
    asked = sandbox.requests[-1].params
    link = f"http://127.0.0.1:8000{card_path(account)}"
    assert (asked["success_url"], asked["cancel_url"]) == (
        f"{link}thanks/",
        f"{link}cancelled/",
    )


def test_a_second_click_leads_to_the_same_page_until_a_card_is_stored(
    visitor: Client, account: BillingAccount
) -> None:
    first = leave(visitor, account)
    assert leave(visitor, account) == first
    account.refresh_from_db()
    card = Card("pm_new", account.gateway_customer, "visa", "4242", 8, 2030)
    store_card(account=account, provider="stripe", card=card, now=NOW)
    assert leave(visitor, account) != first


def test_paying_and_storing_share_the_customer(
    visitor: Client, account: BillingAccount, sandbox: Sandbox
) -> None:
    leave(visitor, account)
    visitor.post(pay_path(account.invoices.get()))
    assert len(sandbox.stripe.customers) == 1


def test_can_be_stored_when_nothing_is_owed(visitor: Client, account: BillingAccount) -> None:
    pay(account, 100_000)
    leave(visitor, account)


def test_says_so_when_the_gateway_cannot_be_reached(
    visitor: Client, account: BillingAccount, sandbox: Sandbox
) -> None:
    sandbox.stripe.misbehave("error_before", status=503)
    response = visitor.post(card_path(account))
    assert (response.status_code, heading(response)) == (
        503,
        "The payment page cannot be opened just now",
    )
    account.refresh_from_db()
    assert account.gateway_customer == ""


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_firm_without_a_gateway_stores_none(visitor: Client, method: str) -> None:
    response = getattr(visitor, method)(card_path(an_invoice().account))
    assert (response.status_code, heading(response)) == (
        409,
        "This cannot be done here at the moment",
    )


def test_coming_back_proves_nothing(client: Client, account: BillingAccount) -> None:
    response = client.get(f"{card_path(account)}thanks/")
    assert heading(response) == "Thank you; your card is being stored"
    assert not PaymentMethod.objects.filter(account=account).exists()


def test_leads_back_from_a_page_that_was_left(client: Client, account: BillingAccount) -> None:
    response = client.get(f"{card_path(account)}cancelled/")
    assert heading(response) == "No card was stored"
    back = page(response).a
    assert back
    assert back["href"] == card_path(account)


@pytest.mark.parametrize("name", ["card", "card_thanks", "card_cancelled"])
def test_a_link_to_pay_does_not_store_a_card(
    client: Client, account: BillingAccount, name: str
) -> None:
    for token in (pay_path(account.invoices.get()).split("/")[2], "x"):
        response = client.get(reverse(f"billing:{name}", args=[token]))
        assert (response.status_code, heading(response)) == (404, "This link leads nowhere")


def test_works_for_thirty_days(client: Client, account: BillingAccount, clock: Any) -> None:
    path = card_path(account)
    clock.shift(timedelta(days=30))
    assert client.get(path).status_code == 200
    clock.shift(1)
    assert client.get(path).status_code == 404


def test_is_as_discreet_as_the_other_page(client: Client, account: BillingAccount) -> None:
    for path in (card_path(account), f"{card_path(account)}thanks/", "/pay/x/card/"):
        response = client.get(path)
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert "form-action 'self' https:" in response["Content-Security-Policy"]
        assert not response.cookies


def test_the_neighbours_gateway_is_never_asked(
    visitor: Client, account: BillingAccount, sandbox: Sandbox
) -> None:
    open_gateway(an_invoice().firm, sandbox, key="sk_test_neighbour")
    leave(visitor, account)
    assert {call.account for call in sandbox.requests} == {sandbox.stripe.accounts[KEY].id}
