"""What Stripe's events change: late, twice and in any order (spec D2, D9)."""

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.billing.models import Invoice, Payment, PaymentMethod
from apps.billing.services import find_inconsistencies
from apps.webhooks.models import GatewayAccount, WebhookEvent
from apps.webhooks.services import process_webhook_events
from sandbox import Sandbox
from tests.billing.collecting import Shop, at, attempts, collect, instant, open_shop, state
from tests.billing.ledger import credit

pytestmark = pytest.mark.django_db

START = instant("2025-01-10T17:00:00")
LATER = START + timedelta(hours=1)


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return open_shop(sandbox)


def deliver(shop: Shop, events: Sequence[Any] | None = None, *, when: Any = LATER) -> None:
    """Post events, all that there are unless said, and let the inbox be worked off."""
    account = GatewayAccount.objects.get(firm=shop.firm)
    with at(when):
        for event in shop.sandbox.stripe.events if events is None else events:
            body, headers = shop.sandbox.stripe.signed(event)
            answer = Client().post(
                f"/webhooks/stripe/{account.key}/",
                body,
                content_type="application/json",
                headers=headers,
            )
            assert answer.status_code == 200
        process_webhook_events()


def hear(shop: Shop, type: str, about: dict[str, Any]) -> None:
    """Let the inbox hold an event that the sandbox did not make, and be worked off."""
    event = {"id": f"evt_{type}", "type": type, "data": {"object": about}}
    WebhookEvent.objects.create(
        firm=shop.firm,
        provider="stripe",
        account_key=str(GatewayAccount.objects.get(firm=shop.firm).key),
        event_id=event["id"],
        type=type,
        raw_body=json.dumps(event).encode(),
        received_at=START,
        next_attempt_at=START,
    )
    with at(LATER):
        process_webhook_events()


def figures(invoice: Invoice) -> tuple[str, int, int]:
    invoice.refresh_from_db()
    return invoice.status, invoice.paid_minor, Payment.objects.count()


def charged(shop: Shop, behaviour: str = "succeeds") -> tuple[Invoice, str]:
    """Return an invoice that was charged, and the gateway's name for the payment."""
    invoice = shop.invoice(shop.customer(behaviour))
    collect(START)
    return invoice, invoice.attempts.get().gateway_ref


# ---- payments -----------------------------------------------------------------------------


def test_news_of_what_is_known_change_nothing(shop: Shop) -> None:
    invoice, _ = charged(shop)
    before = figures(invoice)
    deliver(shop)
    assert figures(invoice) == before == ("paid", 500_000, 1)
    assert set(WebhookEvent.objects.values_list("status", flat=True)) <= {
        "processed",
        "ignored",
    }


def test_an_event_tells_of_a_charge_whose_answer_was_lost(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.sandbox.stripe.misbehave("reset_after", path="/v1/payment_intents")
    collect(START)
    deliver(shop, when=START + timedelta(minutes=1))
    assert figures(invoice) == ("paid", 500_000, 1)
    assert attempts(invoice) == [(500_000, "succeeded")]
    collect(LATER)
    assert len(shop.charges()) == 1


def test_a_bank_debit_that_arrives_pays_the_invoice(shop: Shop) -> None:
    invoice, intent = charged(shop, "processing")
    assert figures(invoice) == ("sent", 0, 1)
    shop.sandbox.stripe.settle(intent)
    deliver(shop)
    assert figures(invoice) == ("paid", 500_000, 1)
    assert state(invoice)[1] == "succeeded"
    assert attempts(invoice) == [(500_000, "succeeded")]
    assert Payment.objects.get().method == "bank_debit"


def test_a_bank_debit_that_comes_back_is_a_decline(shop: Shop) -> None:
    invoice, intent = charged(shop, "processing")
    shop.sandbox.stripe.settle(intent, "insufficient_funds")
    deliver(shop)
    assert state(invoice) == ("sent", "retrying", 1)
    assert attempts(invoice) == [(500_000, "declined")]
    assert Payment.objects.get().status == "failed"


def test_what_the_customer_pays_on_the_gateways_page_counts(shop: Shop) -> None:
    invoice = shop.invoice(shop.customer("authentication_required"))
    collect(START)
    card = invoice.account.payment_methods.get()
    shop.sandbox.stripe.pay_remotely(
        customer=invoice.account.gateway_customer,
        card=card.provider_ref,
        amount=500_000,
        metadata={"firm": str(shop.firm.pk), "invoice": str(invoice.pk)},
    )
    deliver(shop)
    assert figures(invoice) == ("paid", 500_000, 1)
    assert state(invoice)[1] == "succeeded"


def test_a_payment_that_concerns_nobody_here_is_ignored(shop: Shop) -> None:
    account = shop.customer()
    card = account.payment_methods.get()
    shop.sandbox.stripe.pay_remotely(
        customer=account.gateway_customer, card=card.provider_ref, amount=999
    )
    deliver(shop)
    assert Payment.objects.count() == 0
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"ignored"}


def test_a_payment_for_the_neighbours_invoice_is_not_recorded(shop: Shop) -> None:
    neighbour = open_shop(shop.sandbox)
    theirs, ours = neighbour.invoice(), shop.customer()
    card = ours.payment_methods.get()
    shop.sandbox.stripe.pay_remotely(
        customer=ours.gateway_customer,
        card=card.provider_ref,
        amount=500_000,
        metadata={"invoice": str(theirs.pk)},
    )
    deliver(shop, [e for e in shop.sandbox.stripe.events if "succeeded" in e["type"]])
    assert figures(theirs) == ("sent", 0, 0)


def test_money_in_another_currency_waits_for_a_person(shop: Shop) -> None:
    invoice = shop.invoice()
    card = invoice.account.payment_methods.get()
    shop.sandbox.stripe.pay_remotely(
        customer=invoice.account.gateway_customer,
        card=card.provider_ref,
        amount=500_000,
        currency="eur",
        metadata={"invoice": str(invoice.pk)},
    )
    deliver(shop)
    assert figures(invoice) == ("sent", 0, 0)
    errors = set(WebhookEvent.objects.exclude(error="").values_list("error", flat=True))
    assert [f"was paid in EUR, {invoice} is in USD." in one for one in errors] == [True]


def test_any_order_and_any_number_of_deliveries_come_to_the_same(shop: Shop) -> None:
    dice = random.Random(7)
    invoice, intent = charged(shop, "processing")
    shop.sandbox.stripe.settle(intent)
    shop.sandbox.stripe.refund(intent, 120_000)
    shop.sandbox.stripe.refund(intent, 30_000)
    for _ in range(4):
        events = shop.sandbox.stripe.events * 2
        dice.shuffle(events)
        deliver(shop, events)
    assert figures(invoice) == ("partial", 350_000, 1)
    assert Payment.objects.get().status == "partially_refunded"
    assert find_inconsistencies() == []


# ---- refunds, disputes --------------------------------------------------------------------


def test_a_refund_opens_the_invoice_again(shop: Shop) -> None:
    invoice, intent = charged(shop)
    shop.sandbox.stripe.refund(intent)
    deliver(shop)
    assert figures(invoice) == ("sent", 0, 1)
    assert Payment.objects.get().status == "refunded"
    collect(LATER)  # what was given back on purpose is not collected again
    assert len(shop.charges()) == 1


def test_a_pending_refund_has_not_left_yet(shop: Shop) -> None:
    invoice, intent = charged(shop)
    shop.sandbox.stripe.refund(intent, status="failed")
    deliver(shop)
    assert figures(invoice) == ("paid", 500_000, 1)


def test_a_dispute_holds_the_invoice_until_it_is_won(shop: Shop) -> None:
    invoice, intent = charged(shop)
    dispute = shop.sandbox.stripe.dispute(intent)
    deliver(shop)
    invoice.refresh_from_db()
    assert (invoice.in_dispute, Payment.objects.get().status) == (True, "disputed")
    assert figures(invoice) == ("paid", 500_000, 1)
    shop.sandbox.stripe.close_dispute(dispute, "won")
    deliver(shop)
    invoice.refresh_from_db()
    assert (invoice.in_dispute, Payment.objects.get().status) == (False, "succeeded")


def test_a_lost_dispute_leaves_the_invoice_owed_and_is_not_charged_again(shop: Shop) -> None:
    invoice, intent = charged(shop)
    dispute = shop.sandbox.stripe.dispute(intent)
    shop.sandbox.stripe.close_dispute(dispute, "lost")
    deliver(shop)
    deliver(shop)
    assert figures(invoice) == ("sent", 0, 1)
    assert Payment.objects.get().status == "failed"
    collect(LATER)
    assert len(shop.charges()) == 1


def test_a_dispute_lost_in_part_costs_that_part(shop: Shop) -> None:
    invoice, intent = charged(shop)
    dispute = shop.sandbox.stripe.dispute(intent, amount=100_000)
    deliver(shop)
    shop.sandbox.stripe.close_dispute(dispute, "lost")
    deliver(shop)
    assert figures(invoice) == ("partial", 400_000, 1)
    assert Payment.objects.get().status == "partially_refunded"
    assert invoice.in_dispute is False


# ---- cards --------------------------------------------------------------------------------


def test_a_card_that_was_taken_away_is_not_charged(shop: Shop) -> None:
    invoice = shop.invoice(number="INV-2025-001")
    card = invoice.account.payment_methods.get()
    hear(shop, "payment_method.detached", {"id": card.provider_ref, "customer": None})
    card.refresh_from_db()
    assert card.status == PaymentMethod.Status.DETACHED
    assert "Skipped INV-2025-001: No valid payment method" in collect(LATER)


def test_a_new_card_collects_what_the_old_one_could_not(shop: Shop) -> None:
    account = shop.customer("stolen_card")
    invoice = shop.invoice(account)
    collect(START)
    assert state(invoice) == ("sent", "failed", 0)
    shop.sandbox.stripe.add_card(account.gateway_customer, id="pm_new")
    hear(shop, "payment_method.attached", {"id": "pm_new"})
    assert state(invoice) == ("sent", "scheduled", 0)
    collect(LATER)
    assert state(invoice) == ("paid", "succeeded", 0)
    assert credit(account) == 0
