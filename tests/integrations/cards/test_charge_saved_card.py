"""Charging a saved card ..."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from moneyed import Money

from apps.integrations.cards import Cards, OrderStatus, Refused, Unreachable
from sandbox.bog import Bog
from tests.integrations.cards.asking import CALLBACK, charge, paths


def test_returns_the_banks_id_of_a_new_order(bank: Bog, cards: Cards) -> None:
    order_id = cards.charge_saved_card(charge())

    [charged] = bank.charges("parent")
    assert order_id == charged["order_id"] != "parent"


def test_sends_our_own_external_id_and_callback(bank: Bog, cards: Cards) -> None:
    order_id = cards.charge_saved_card(charge(external_id="renewal-7"))

    assert bank.orders[order_id].external_id == "renewal-7"
    assert bank.orders[order_id].callback_url == CALLBACK


def test_is_only_accepted_not_paid(bank: Bog, cards: Cards) -> None:
    receipt = cards.receipt(cards.charge_saved_card(charge()))

    assert receipt.status == OrderStatus.PROCESSING
    assert receipt.paid == Money(0, "GEL")
    assert bank.core.log.effects == []


def test_is_paid_once_the_bank_has_settled(bank: Bog, cards: Cards) -> None:
    order_id = cards.charge_saved_card(charge(external_id="renewal-1"))
    bank.settle(order_id)

    receipt = cards.receipt(order_id)

    assert receipt.status == OrderStatus.COMPLETED
    assert (receipt.amount, receipt.paid) == (Money("59.00", "GEL"), Money("59.00", "GEL"))
    assert (receipt.code, receipt.external_id) == ("100", "renewal-1")
    assert (receipt.parent_id, receipt.card_mask) == ("parent", "412345xxxxxx0100")


@pytest.mark.parametrize("code", ["101", "102", "103", "105", "107", "108", "109", "199"])
def test_shows_the_banks_code_when_rejected(bank: Bog, cards: Cards, code: str) -> None:
    order_id = cards.charge_saved_card(charge())
    bank.settle(order_id, code=code)

    receipt = cards.receipt(order_id)

    assert (receipt.status, receipt.code) == (OrderStatus.REJECTED, code)
    assert receipt.paid == Money(0, "GEL")


def test_comes_to_what_the_card_says_when_the_bank_is_automatic(
    bank: Bog, cards: Cards
) -> None:
    bank.set_card("parent", "good-then-107")
    bank.set_automatic(on=True)

    receipt = cards.receipt(cards.charge_saved_card(charge()))

    assert (receipt.status, receipt.code) == (OrderStatus.REJECTED, "107")


def test_with_the_same_key_is_the_same_order(bank: Bog, cards: Cards) -> None:
    asked = charge()

    assert cards.charge_saved_card(asked) == cards.charge_saved_card(asked)
    assert len(bank.charges()) == 1


def test_with_another_key_is_another_order(bank: Bog, cards: Cards) -> None:
    cards.charge_saved_card(charge())
    cards.charge_saved_card(charge())

    assert len(bank.charges()) == 2


def test_with_the_key_of_another_request_is_refused(bank: Bog, cards: Cards) -> None:
    key = uuid.uuid4()
    cards.charge_saved_card(charge(idempotency_key=key, external_id="renewal-1"))

    with pytest.raises(Refused) as refused:
        cards.charge_saved_card(charge(idempotency_key=key, external_id="renewal-2"))

    assert refused.value.status == 409
    assert len(bank.charges()) == 1


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (Money("49.00", "GEL"), "49.00 GEL"),
        (Money("59.01", "GEL"), "59.01 GEL"),
        (Money("59.00", "USD"), "$59.00"),
    ],
)
def test_of_another_amount_than_the_parents_is_refused_before_it_is_asked_for(
    bank: Bog, cards: Cards, amount: Money, said: str
) -> None:
    with pytest.raises(Refused) as refused:
        cards.charge_saved_card(charge(amount=amount))

    assert str(refused.value) == (
        f"The order that saved the card was for 59.00 GEL, not {said}; "
        "the bank would charge that again."
    )
    assert bank.charges() == []


def test_of_an_order_the_bank_does_not_know_is_refused(bank: Bog, cards: Cards) -> None:
    with pytest.raises(Refused) as refused:
        cards.charge_saved_card(charge(parent_id="somebody/../else"))

    assert refused.value.status == 404
    assert bank.charges() == []


def test_of_another_platforms_order_is_refused(bank: Bog, cards: Cards) -> None:
    bank.add_client("neighbour", "neighbour-secret")
    bank.add_saved_card("theirs", amount="59.00", client_id="neighbour")

    with pytest.raises(Refused):
        cards.charge_saved_card(charge(parent_id="theirs"))

    assert bank.charges() == []


@pytest.mark.parametrize("kind", ["reset_after", "error_after", "malformed"])
def test_whose_answer_was_lost_is_charged_once_when_it_is_repeated(
    bank: Bog, cards: Cards, kind: str
) -> None:
    asked = charge()
    bank.misbehave(kind, path="*/subscribe")
    with pytest.raises(Unreachable):
        cards.charge_saved_card(asked)
    assert len(bank.charges()) == 1

    order_id = cards.charge_saved_card(asked)

    assert [told["order_id"] for told in bank.charges()] == [order_id]


def test_is_never_repeated_by_itself(bank: Bog, cards: Cards) -> None:
    bank.misbehave("reset_before", path="*/subscribe")

    with pytest.raises(Unreachable):
        cards.charge_saved_card(charge())

    assert paths(bank).count("POST /ecommerce/orders/parent/subscribe") == 1
    assert bank.charges() == []


def test_may_be_done_by_many_threads_at_once(bank: Bog, cards: Cards) -> None:
    asked = [charge(external_id=f"renewal-{number}") for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(cards.charge_saved_card, asked))

    assert [bank.orders[order_id].external_id for order_id in found] == [
        one.external_id for one in asked
    ]
    assert len(bank.charges()) == 8
    assert paths(bank).count("POST /token") == 1
