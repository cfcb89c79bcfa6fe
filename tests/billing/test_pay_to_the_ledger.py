"""From the link in a message to the ledger: page, gateway, signed event, receipt."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.billing.models import Invoice, Payment, PaymentMethod
from apps.webhooks.models import GatewayAccount
from apps.webhooks.services import process_webhook_events
from sandbox import Sandbox
from tests.billing.ledger import pay
from tests.billing.paying import an_invoice, card_path, heading, pay_path

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

NOW = datetime(2025, 3, 1, 17, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


def complete(client: Client, sandbox: Sandbox, path: str) -> Any:
    """Press the button, do what the gateway's page asks, and let its events arrive twice."""
    session = client.post(path)["Location"].rpartition("/")[2]
    sandbox.stripe.complete_checkout(session)
    for _ in range(2):
        deliver(client, sandbox)
    asked = [call for call in sandbox.requests if call.path == "/v1/checkout/sessions"]
    return client.get(urlsplit(asked[-1].params["success_url"]).path)


def deliver(client: Client, sandbox: Sandbox) -> None:
    key = GatewayAccount.objects.get().key
    for event in sandbox.stripe.events:
        body, headers = sandbox.stripe.signed(event)
        inbox = reverse("webhooks:stripe", args=[key])
        answer = client.post(inbox, body, content_type="application/json", headers=headers)
        assert answer.status_code == 200
    assert process_webhook_events().failed == 0


def test_what_was_paid_on_the_page_is_in_the_ledger(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox, number="INV-7", autopay_status="needs_action")
    thanks = complete(client, sandbox, pay_path(invoice))
    assert heading(thanks) == "Thank you, invoice INV-7 is paid"
    payment = Payment.objects.get(account=invoice.account)
    assert (payment.amount_minor, payment.method, payment.attempt) == (100_000, "card", None)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.autopay_status) == ("paid", "succeeded")
    again = client.get(pay_path(invoice))
    assert heading(again) == "This invoice is paid"


def test_what_was_paid_twice_is_credit(client: Client, sandbox: Sandbox) -> None:
    invoice = an_invoice(sandbox)
    session = client.post(pay_path(invoice))["Location"].rpartition("/")[2]
    pay(invoice.account, 100_000, invoices=[invoice])  # a check came meanwhile
    sandbox.stripe.complete_checkout(session)
    deliver(client, sandbox)
    invoice.account.refresh_from_db()
    invoice.refresh_from_db()
    assert (invoice.paid_minor, invoice.account.credit_minor) == (100_000, 100_000)


def test_the_card_that_was_stored_is_charged_from_now_on(
    client: Client, sandbox: Sandbox
) -> None:
    invoice = an_invoice(
        sandbox, autopay_opt_in=True, autopay_status="failed", autopay_failure_count=4
    )
    thanks = complete(client, sandbox, card_path(invoice.account))
    assert heading(thanks) == "Thank you; your card is being stored"
    card = PaymentMethod.objects.get(account=invoice.account)
    invoice = Invoice.objects.select_related("account").get(pk=invoice.pk)
    assert invoice.account.default_payment_method == card
    assert (card.brand, card.last4, card.status) == ("visa", "4242", "active")
    assert (invoice.autopay_status, invoice.autopay_failure_count) == ("scheduled", 0)
    assert invoice.autopay_next_charge_at == NOW
