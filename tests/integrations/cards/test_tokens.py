"""A token of the bank ..."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from pytest_django import Settings

from apps.integrations.cards import BadCredentials, Cards, Refused, Unreachable, get_cards
from apps.integrations.cards.tokens import LONGEST, SHORTEST, _seconds
from sandbox.bog import Bog
from tests.integrations.cards.asking import CLIENT, adapter, charge, paths


def test_is_asked_for_once(bank: Bog, cards: Cards) -> None:
    cards.receipt("parent")
    cards.receipt("parent")

    assert paths(bank) == ["POST /token", "GET /receipt/parent", "GET /receipt/parent"]


def test_is_shared_by_all_adapters_of_the_same_account(bank: Bog, cards: Cards) -> None:
    cards.receipt("parent")
    with closing(adapter(bank)) as other:
        other.receipt("parent")

    assert paths(bank).count("POST /token") == 1


def test_that_ended_is_replaced_and_the_request_made_again(bank: Bog, cards: Cards) -> None:
    cards.receipt("parent")
    bank.expire_tokens()

    cards.charge_saved_card(charge())

    assert paths(bank)[2:] == [
        "GET /receipt/parent",
        "POST /token",
        "GET /receipt/parent",
        "POST /ecommerce/orders/parent/subscribe",
    ]
    assert len(bank.charges()) == 1


def test_that_ends_between_reading_and_charging_charges_once(bank: Bog, cards: Cards) -> None:
    bank.core.before_answer.append(
        lambda call: bank.expire_tokens() if "receipt" in call.path else None
    )

    cards.charge_saved_card(charge())

    assert len(bank.charges()) == 1
    assert paths(bank).count("POST /ecommerce/orders/parent/subscribe") == 2


def test_that_is_said_to_last_for_ever_is_replaced_when_it_does_not(
    bank: Bog, cards: Cards
) -> None:
    bank.set_tokens(seconds=300, expires_in=1634719923245)
    cards.receipt("parent")
    bank.expire_tokens()

    assert cards.receipt("parent").order_id == "parent"


def test_that_never_works_is_not_replaced_for_ever(bank: Bog, cards: Cards) -> None:
    bank.set_tokens(seconds=0, expires_in=300)

    with pytest.raises(BadCredentials):
        cards.receipt("parent")

    assert paths(bank) == ["POST /token", "GET /receipt/parent"] * 2


def test_is_not_given_for_a_wrong_secret(bank: Bog, cards: Cards) -> None:
    cards.receipt("parent")  # the right secret has a token at hand

    with (
        closing(adapter(bank, client_secret="wrong")) as wrong,
        pytest.raises(BadCredentials, match="does not accept the platform's credentials"),
    ):
        wrong.receipt("parent")


def test_may_be_asked_for_with_any_characters(bank: Bog, cards: Cards) -> None:
    bank.add_client("საქართველო", "a:ბ\x7f=&%")
    bank.add_saved_card("theirs", amount="1.00", client_id="საქართველო")

    with closing(adapter(bank, "საქართველო")) as georgian:
        assert georgian.receipt("theirs").order_id == "theirs"


def test_that_cannot_be_had_leaves_everything_undone(bank: Bog, cards: Cards) -> None:
    bank.misbehave("error_before", path="/bog/token", count=None)

    with pytest.raises(Unreachable, match=r"gave no token \(HTTP 500\)"):
        cards.charge_saved_card(charge())

    assert bank.charges() == []


def test_that_does_not_come_keeps_all_who_wait_for_it_waiting_once(
    bank: Bog, cards: Cards, settings: Settings
) -> None:
    settings.GATEWAY_TIMEOUT = 1.0
    bank.misbehave("timeout_before", path="/bog/token", count=None)
    ready = threading.Barrier(8)

    def read() -> str:
        ready.wait()
        with pytest.raises(Unreachable) as trouble:
            cards.receipt("parent")
        return str(trouble.value)

    with ThreadPoolExecutor(8) as threads:
        said = [one.result() for one in [threads.submit(read) for _ in range(8)]]

    assert said == ["The bank did not answer in time."] * 8
    assert paths(bank) == ["POST /token"]


def test_is_asked_for_again_when_the_connection_broke(bank: Bog, cards: Cards) -> None:
    bank.misbehave("reset_before", path="/bog/token")

    assert cards.receipt("parent").order_id == "parent"
    assert paths(bank).count("POST /token") == 2


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (300, 270),
        (60, 30),
        (1634719923245, LONGEST),  # the bank's own example
        (15, SHORTEST),
        (0, SHORTEST),
        (-1, SHORTEST),
        (None, SHORTEST),
        ("300", SHORTEST),
        (True, SHORTEST),
        ([], SHORTEST),
    ],
)
def test_is_kept_for_seconds(told: Any, kept: int) -> None:
    assert _seconds(told) == kept


def test_of_another_bank_does_not_exist() -> None:
    with pytest.raises(Refused, match="no bank 'tbc'"):
        get_cards(provider="tbc", client_id=CLIENT, client_secret="any")
