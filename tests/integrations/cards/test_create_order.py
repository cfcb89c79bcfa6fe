"""An order for the bank's page ..."""

import uuid
from decimal import Decimal

import pytest
import requests
from moneyed import Money

from apps.integrations.cards import Cards, OrderStatus, Refused
from sandbox.bog import Bog
from tests.integrations.cards.asking import CALLBACK, order


def test_is_what_was_asked_for(bank: Bog, cards: Cards) -> None:
    order_id, _ = cards.create_order(order(amount=Money("59.05", "GEL")))

    made = bank.orders[order_id]
    assert (made.amount, made.currency) == (Decimal("59.05"), "GEL")
    assert (made.external_id, made.callback_url) == ("first-1", CALLBACK)
    assert made.basket[0]["description"] == "Nightshift, 30 days"


def test_sends_the_amount_as_a_number_in_decimals(bank: Bog, cards: Cards) -> None:
    cards.create_order(order(amount=Money("1234567.89", "GEL")))

    asked = bank.core.log.requests[-1].params["purchase_units"]
    assert repr(asked["total_amount"]) == "1234567.89"


def test_has_a_page_of_the_banks(bank: Bog, cards: Cards) -> None:
    order_id, page = cards.create_order(order())

    shown = requests.get(page, timeout=5)

    assert order_id in page
    assert "59.00 GEL" in shown.text


def test_with_the_same_key_is_the_same_order(bank: Bog, cards: Cards) -> None:
    asked = order()

    assert cards.create_order(asked) == cards.create_order(asked)


def test_waits_for_the_customer(bank: Bog, cards: Cards) -> None:
    order_id, _ = cards.create_order(order())

    receipt = cards.receipt(order_id)

    assert receipt.status == OrderStatus.CREATED
    assert (receipt.paid, receipt.code, receipt.card_mask) == (Money(0, "GEL"), "", "")


def test_saves_the_card_when_that_was_allowed_before_it_was_paid(
    bank: Bog, cards: Cards
) -> None:
    order_id, _ = cards.create_order(order())
    cards.allow_charges(order_id, idempotency_key=uuid.uuid4())
    assert cards.receipt(order_id).card_saved is False
    bank.pay(order_id, "good")

    receipt = cards.receipt(order_id)

    assert receipt.status == OrderStatus.COMPLETED
    assert (receipt.card_saved, receipt.card_mask) == (True, "412345xxxxxx0100")


def test_saves_no_card_that_was_declined(bank: Bog, cards: Cards) -> None:
    order_id, _ = cards.create_order(order())
    cards.allow_charges(order_id, idempotency_key=uuid.uuid4())
    bank.pay(order_id, "107")

    receipt = cards.receipt(order_id)

    assert (receipt.status, receipt.code) == (OrderStatus.REJECTED, "107")
    assert receipt.card_saved is False


def test_saves_no_card_when_nobody_allowed_it(bank: Bog, cards: Cards) -> None:
    order_id, _ = cards.create_order(order())
    bank.pay(order_id, "good")

    assert cards.receipt(order_id).card_saved is False


def test_that_is_paid_cannot_save_its_card_any_more(bank: Bog, cards: Cards) -> None:
    order_id, _ = cards.create_order(order())
    bank.pay(order_id, "good")

    with pytest.raises(Refused):
        cards.allow_charges(order_id, idempotency_key=uuid.uuid4())


def test_that_nobody_paid_in_time_says_so(bank: Bog, cards: Cards) -> None:
    order_id, _ = cards.create_order(order())
    bank.settle(order_id, code="", reason="expiration")

    receipt = cards.receipt(order_id)

    assert (receipt.status, receipt.code) == (OrderStatus.REJECTED, "expiration")


def test_in_a_currency_the_bank_does_not_take_is_refused(bank: Bog, cards: Cards) -> None:
    with pytest.raises(Refused) as refused:
        cards.create_order(order(amount=Money(5000, "JPY")))

    assert refused.value.status == 400
    assert str(refused.value) == "The bank refused to make an order (HTTP 400)."


def test_that_was_given_back_shows_how_much(bank: Bog, cards: Cards) -> None:
    bank.refund("parent", "10.50")
    receipt = cards.receipt("parent")
    assert receipt.status == OrderStatus.REFUNDED_PARTIALLY
    assert (receipt.paid, receipt.refunded) == (Money("48.50", "GEL"), Money("10.50", "GEL"))

    bank.refund("parent")
    receipt = cards.receipt("parent")
    assert receipt.status == OrderStatus.REFUNDED
    assert (receipt.paid, receipt.refunded) == (Money(0, "GEL"), Money("59.00", "GEL"))
