"""Reading payments, refunds and disputes from Stripe, all pages of them."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.integrations.payments import Dispute, IntentStatus, Refund, Unreachable
from apps.integrations.payments.stripe import StripePayments
from sandbox import Sandbox
from tests.integrations.payments.asking import CHARGE

DAY = datetime(2025, 3, 1, tzinfo=UTC)


def add_intent(stripe: Sandbox, *, at: datetime = DAY, **how: object) -> str:
    facts = {"customer": "cus_ada", "card": "pm_ada", "amount": 1_000, **how}
    return stripe.stripe.add_intent(at=at.timestamp(), **facts)  # type: ignore[arg-type]


def test_all_pages_of_payments_are_read(payments: StripePayments, stripe: Sandbox) -> None:
    wanted = [add_intent(stripe, at=DAY + timedelta(minutes=n)) for n in range(250)]
    found = [intent.id for intent in payments.intents(since=DAY)]
    assert found == wanted[::-1]
    assert len(stripe.requests) == 3
    assert {request.params["limit"] for request in stripe.requests} == {"100"}


def test_only_what_is_young_enough_is_read(payments: StripePayments, stripe: Sandbox) -> None:
    add_intent(stripe, at=DAY - timedelta(seconds=1))
    young = add_intent(stripe)
    assert [intent.id for intent in payments.intents(since=DAY)] == [young]


def test_one_customers_payments_are_read(payments: StripePayments, stripe: Sandbox) -> None:
    add_intent(stripe)
    stripe.stripe.add_customer(id="cus_bob")
    stripe.stripe.add_card("cus_bob", id="pm_bob")
    bobs = add_intent(stripe, customer="cus_bob", card="pm_bob")
    found = list(payments.intents(since=DAY, customer="cus_bob"))
    assert [intent.id for intent in found] == [bobs]


def test_pages_are_read_only_when_their_turn_comes(
    payments: StripePayments, stripe: Sandbox
) -> None:
    for n in range(101):
        add_intent(stripe, at=DAY + timedelta(minutes=n))
    listed = payments.intents(since=DAY)
    assert stripe.requests == []
    next(listed)
    assert len(stripe.requests) == 1


def test_an_empty_list_is_empty(payments: StripePayments) -> None:
    assert list(payments.intents(since=DAY)) == []
    assert list(payments.refunds(since=DAY)) == []
    assert list(payments.disputes(since=DAY)) == []


def test_payments_are_read_with_what_became_of_them(
    payments: StripePayments, stripe: Sandbox
) -> None:
    add_intent(stripe, refunds=[{"id": "re_1", "amount": 300, "at": DAY.timestamp()}])
    add_intent(stripe, dispute={"at": DAY.timestamp()})
    add_intent(stripe, status="insufficient_funds")
    found = {
        (one.status, one.received, one.refunded, one.disputed, one.decline and one.decline.code)
        for one in payments.intents(since=DAY)
    }
    assert found == {
        (IntentStatus.SUCCEEDED, 1_000, 300, False, None),
        (IntentStatus.SUCCEEDED, 1_000, 0, True, None),
        (IntentStatus.REQUIRES_PAYMENT_METHOD, 0, 0, False, "insufficient_funds"),
    }


def test_refunds_are_read(payments: StripePayments, stripe: Sandbox) -> None:
    paid = add_intent(stripe, refunds=[{"id": "re_1", "amount": 300, "at": DAY.timestamp()}])
    assert list(payments.refunds(since=DAY)) == [
        Refund("re_1", paid, 300, "USD", "succeeded", DAY)
    ]
    assert list(payments.refunds(since=DAY + timedelta(seconds=1))) == []


def test_disputes_are_read_and_end(payments: StripePayments, stripe: Sandbox) -> None:
    paid = payments.charge(CHARGE)
    dispute = stripe.stripe.dispute(paid.id, amount=400)
    [found] = payments.disputes(since=paid.created_at)
    assert found == Dispute(dispute, paid.id, 400, "USD", "needs_response", found.created_at)
    assert found.is_open
    assert payments.intent(paid.id).disputes == (found,)
    stripe.stripe.close_dispute(dispute, "lost")
    [ended] = payments.intent(paid.id).disputes
    assert (ended.status, ended.is_open) == ("lost", False)


def test_what_was_never_disputed_costs_one_request(
    payments: StripePayments, stripe: Sandbox
) -> None:
    paid = add_intent(stripe)
    assert payments.intent(paid).disputes == ()
    assert len(stripe.requests) == 1


def test_a_page_that_fails_is_read_again(payments: StripePayments, stripe: Sandbox) -> None:
    for n in range(150):
        add_intent(stripe, at=DAY + timedelta(minutes=n))
    stripe.stripe.misbehave("rate_limit", method="GET", nth=2)
    assert len(list(payments.intents(since=DAY))) == 150
    assert len(stripe.requests) == 3


def test_reading_gives_up_in_the_end(payments: StripePayments, stripe: Sandbox) -> None:
    stripe.stripe.misbehave("error_before", method="GET", count=None, status=503)
    with pytest.raises(Unreachable):
        list(payments.intents(since=DAY))
    assert len(stripe.requests) == 3
