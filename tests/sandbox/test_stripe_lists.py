"""Lists of the sandbox's Stripe …"""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from sandbox import Sandbox
from tests.sandbox.conftest import KEY

NOON = int(datetime(2025, 6, 10, 12, tzinfo=UTC).timestamp())


@pytest.fixture
def intents(sandbox: Sandbox, alice: stripe.StripeClient) -> list[str]:
    """Payments of 250 minutes, the oldest first."""
    return [
        sandbox.stripe.add_intent(
            customer="cus_ada", card="pm_ada", amount=1000 + minute, at=NOON + 60 * minute
        )
        for minute in range(250)
    ]


def test_come_newest_first_and_a_hundred_at_most(
    intents: list[str], alice: stripe.StripeClient
) -> None:
    first = alice.v1.payment_intents.list({"limit": 100})
    assert [each.id for each in first.data] == intents[:149:-1]
    assert first.has_more is True

    second = alice.v1.payment_intents.list({"limit": 100, "starting_after": intents[150]})
    third = alice.v1.payment_intents.list({"limit": 100, "starting_after": intents[50]})
    assert [each.id for each in second.data] == intents[149:49:-1]
    assert [each.id for each in third.data] == intents[49::-1]
    assert (second.has_more, third.has_more) == (True, False)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.payment_intents.list({"limit": 101})
    assert caught.value.param == "limit"


def test_have_ten_to_a_page_unless_told(intents: list[str], alice: stripe.StripeClient) -> None:
    assert len(alice.v1.payment_intents.list().data) == 10


def test_go_backwards(intents: list[str], alice: stripe.StripeClient) -> None:
    page = alice.v1.payment_intents.list({"limit": 3, "ending_before": intents[100]})

    assert [each.id for each in page.data] == [intents[103], intents[102], intents[101]]
    assert page.has_more is True


def test_are_read_to_their_end_by_the_library(
    intents: list[str], alice: stripe.StripeClient
) -> None:
    pages = alice.v1.payment_intents.list({"limit": 100}).auto_paging_iter()

    assert [each.id for each in pages] == intents[::-1]


@pytest.mark.parametrize(
    ("created", "first", "last"),
    [
        ({"gte": NOON + 600}, 10, 249),
        ({"gt": NOON + 600}, 11, 249),
        ({"lte": NOON + 600}, 0, 10),
        ({"lt": NOON + 600}, 0, 9),
        ({"gte": NOON + 60, "lt": NOON + 240}, 1, 3),
        (NOON + 60, 1, 1),
    ],
)
def test_are_filtered_by_when(
    created: Any, first: int, last: int, intents: list[str], alice: stripe.StripeClient
) -> None:
    found = alice.v1.payment_intents.list({"created": created, "limit": 100})

    ids = [each.id for each in found.auto_paging_iter()]
    assert (ids[0], ids[-1], len(ids)) == (intents[last], intents[first], last - first + 1)


def test_are_filtered_by_whose(
    intents: list[str], alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    other = sandbox.stripe.add_customer(account=KEY)
    card = sandbox.stripe.add_card(other)
    theirs = sandbox.stripe.add_intent(customer=other, card=card, amount=5000)

    found = alice.v1.payment_intents.list({"customer": other})

    assert [each.id for each in found.data] == [theirs]


def test_expand_what_each_row_names(
    intents: list[str], alice: stripe.StripeClient, sandbox: Sandbox
) -> None:
    sandbox.stripe.refund(intents[-1], 400)

    found: Any = alice.v1.payment_intents.list(
        {"limit": 2, "expand": ["data.latest_charge", "data.customer"]}
    )

    assert [each.latest_charge.amount_refunded for each in found.data] == [400, 0]
    assert found.data[0].customer.name == "Ada"
    with pytest.raises(stripe.InvalidRequestError, match=r"Did you mean data\.latest_charge"):
        alice.v1.payment_intents.list({"expand": ["latest_charge"]})


def test_refuse_a_cursor_they_do_not_know(alice: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        alice.v1.payment_intents.list({"starting_after": "pi_nowhere"})

    assert (caught.value.code, caught.value.param) == ("resource_missing", "starting_after")


def test_hold_a_customer_s_cards(alice: stripe.StripeClient, sandbox: Sandbox) -> None:
    sandbox.stripe.add_card("cus_ada", id="pm_bank", type="us_bank_account")

    cards = alice.v1.customers.payment_methods.list("cus_ada", {"type": "card"})
    every = alice.v1.payment_methods.list({"customer": "cus_ada"})

    assert [each.id for each in cards.data] == ["pm_ada"]
    assert [each.id for each in every.data] == ["pm_bank", "pm_ada"]
