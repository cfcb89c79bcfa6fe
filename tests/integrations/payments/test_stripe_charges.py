"""Charging stored cards at Stripe, and the pages on which customers pay themselves."""

from datetime import UTC, datetime

import pytest
import time_machine

from apps.integrations.payments import (
    Card,
    Decline,
    Intent,
    IntentStatus,
    Refused,
    get_payments,
)
from apps.integrations.payments.stripe import StripePayments
from sandbox import Sandbox
from tests.integrations.payments.asking import CHARGE, CHECKOUT, METADATA, SETUP, charge

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)


# ---- charging -----------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
def test_a_charge_that_succeeds(payments: StripePayments, stripe: Sandbox) -> None:
    intent = payments.charge(CHARGE)
    assert intent == Intent(
        id=intent.id,
        status=IntentStatus.SUCCEEDED,
        amount=500_000,
        received=500_000,
        currency="USD",
        created_at=NOW,
        livemode=False,
        customer="cus_ada",
        payment_method="pm_ada",
        metadata=METADATA,
    )
    [made] = stripe.stripe.charges_made()
    assert (made.id, made.amount, made.currency, made.idempotency_key) == (
        *(intent.id, 500_000, "usd"),
        "autopay-1",
    )
    assert stripe.stripe.intent(intent.id)["description"] == "Invoice INV-2025-001"


@pytest.mark.parametrize(
    ("behaviour", "decline"),
    [
        ("insufficient_funds", Decline("insufficient_funds", "try_again_later")),
        ("generic_decline", Decline("generic_decline", "try_again_later")),
        ("processing_error", Decline("processing_error", "try_again_later")),
        ("stolen_card", Decline("stolen_card", "do_not_try_again")),
        ("expired_card", Decline("expired_card", "confirm_card_data")),
        ("incorrect_number", Decline("incorrect_number", "confirm_card_data")),
        (
            "revocation_of_all_authorizations",
            Decline("revocation_of_all_authorizations", "do_not_try_again"),
        ),
        ("authentication_required", Decline("authentication_required")),
    ],
)
def test_a_charge_that_the_bank_declines(
    payments: StripePayments, stripe: Sandbox, behaviour: str, decline: Decline
) -> None:
    stripe.stripe.set_behaviour("pm_ada", behaviour)
    intent = payments.charge(CHARGE)
    assert intent.decline == decline
    assert intent.status == IntentStatus.REQUIRES_PAYMENT_METHOD
    assert (intent.amount, intent.received, intent.metadata) == (500_000, 0, METADATA)
    assert payments.intent(intent.id).decline == decline
    assert stripe.stripe.charges_made() == []


def test_a_bank_debit_that_takes_days(payments: StripePayments, stripe: Sandbox) -> None:
    stripe.stripe.add_card(
        "cus_ada", id="pm_bank", type="us_bank_account", behaviour="processing"
    )
    intent = payments.charge(charge(payment_method="pm_bank"))
    assert (intent.status, intent.method_type) == (IntentStatus.PROCESSING, "us_bank_account")
    assert (intent.received, intent.decline) == (0, None)
    stripe.stripe.settle(intent.id)
    assert payments.intent(intent.id).status == IntentStatus.SUCCEEDED


def test_the_same_key_returns_the_same_payment(
    payments: StripePayments, stripe: Sandbox
) -> None:
    assert payments.charge(CHARGE) == payments.charge(CHARGE)
    assert len(stripe.stripe.charges_made()) == 1
    assert stripe.requests[-1].replayed


def test_the_same_key_returns_the_same_decline(
    payments: StripePayments, stripe: Sandbox
) -> None:
    stripe.stripe.set_behaviour("pm_ada", ["insufficient_funds", "succeeds"])
    assert payments.charge(CHARGE) == payments.charge(CHARGE)
    assert stripe.stripe.charges_made() == []


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 5_000), ("KWD", 10_500)])
def test_amounts_go_as_they_are(
    payments: StripePayments, stripe: Sandbox, currency: str, amount: int
) -> None:
    intent = payments.charge(charge(amount=amount, currency=currency))
    assert (intent.amount, intent.currency) == (amount, currency)
    [made] = stripe.stripe.charges_made()
    assert (made.amount, made.currency) == (amount, currency.lower())


def test_a_charge_says_no_more_than_it_must(payments: StripePayments, stripe: Sandbox) -> None:
    payments.charge(CHARGE)
    [asked] = stripe.requests
    assert asked.params == {
        "amount": "500000",
        "currency": "usd",
        "customer": "cus_ada",
        "payment_method": "pm_ada",
        "confirm": "true",
        "off_session": "true",
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
        "metadata[firm]": "1",
        "metadata[invoice]": "5",
        "metadata[attempt]": "7",
        "description": "Invoice INV-2025-001",
        "expand[0]": "latest_charge",
    }


# ---- customers, cards, pages --------------------------------------------------------------


def test_a_customer_is_made_once(payments: StripePayments, stripe: Sandbox) -> None:
    def add() -> str:
        return payments.add_customer(
            name="Bob", email="bob@example.com", key="customer-1", metadata={"account": "3"}
        )

    assert add() == add()
    [bob] = [one for one in stripe.stripe.customers if one["id"] != "cus_ada"]
    assert (bob["name"], bob["email"], bob["metadata"]) == (
        *("Bob", "bob@example.com"),
        {"account": "3"},
    )


def test_a_customer_without_an_address(payments: StripePayments, stripe: Sandbox) -> None:
    payments.add_customer(name="Bob", email="", key="customer-1", metadata={})
    assert stripe.stripe.customers[0]["email"] is None


def test_a_stored_card_is_shown_as_far_as_it_may_be(payments: StripePayments) -> None:
    assert payments.card("pm_ada") == Card("pm_ada", "cus_ada", "visa", "4242", 8, 2030)


def test_a_stored_bank_account_is_shown_like_a_card(
    payments: StripePayments, stripe: Sandbox
) -> None:
    stripe.stripe.add_card("cus_ada", id="pm_bank", type="us_bank_account", last4="6789")
    assert payments.card("pm_bank") == Card("pm_bank", "cus_ada", "STRIPE TEST BANK", "6789")


def test_a_payment_page_takes_the_money_of_its_invoice(
    payments: StripePayments, stripe: Sandbox
) -> None:
    address = payments.checkout(CHECKOUT)
    assert payments.checkout(CHECKOUT) == address
    assert address.startswith(f"{stripe.url}/c/pay/cs_test_")
    stripe.stripe.complete_checkout(address.rpartition("/")[2])
    [made] = stripe.stripe.charges_made()
    assert (made.amount, made.currency, made.metadata) == (100_000, "usd", CHECKOUT.metadata)
    intent = payments.intent(made.id)
    assert (intent.customer, intent.metadata) == ("cus_ada", CHECKOUT.metadata)


def test_a_page_stores_a_card(payments: StripePayments, stripe: Sandbox) -> None:
    address = payments.set_up_card(SETUP)
    stripe.stripe.complete_checkout(address.rpartition("/")[2], token="pm_card_mastercard")
    [stored] = [one for one in stripe.stripe.events if one["type"] == "setup_intent.succeeded"]
    setup = stored["data"]["object"]
    assert setup["metadata"] == SETUP.metadata
    assert payments.card(setup["payment_method"]).brand == "mastercard"
    assert payments.card(setup["payment_method"]).customer == "cus_ada"


def test_good_credentials_are_good(payments: StripePayments) -> None:
    payments.check()


def test_no_other_gateway_is_known() -> None:
    with pytest.raises(Refused, match="There is no payment gateway 'paypal'"):
        get_payments(provider="paypal", secret_key="x")
