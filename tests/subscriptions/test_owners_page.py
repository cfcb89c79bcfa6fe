"""An owner's page …"""

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from apps.firms.models import Firm
from apps.subscriptions.models import PaymentOrder, Subscription
from sandbox import Sandbox
from tests.factories import PASSWORD, MembershipFactory, PaymentOrderFactory
from tests.subscriptions.subscribing import (
    at,
    charge,
    check,
    last_renewal,
    on,
    operator,
    owner_of,
    saved_card,
    settle,
    stands,
    subscriber,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine() -> Subscription:
    return subscriber()


@pytest.fixture
def browser(client: Client, mine: Subscription) -> Client:
    client.force_login(owner_of(mine))
    return client


def address(name: str, subscription: Subscription, *more: str) -> str:
    return reverse(f"subscriptions:{name}", args=[subscription.pk, *more])


def text(answer: Any) -> str:
    soup = BeautifulSoup(answer.content, "html.parser")
    assert soup.main
    return " ".join(soup.main.get_text(" ").split())


def page(browser: Client, subscription: Subscription, day: str = "2025-06-01") -> str:
    with on(day):
        answer = browser.get(address("page", subscription))
    assert answer.status_code == 200
    return text(answer)


def press(browser: Client, name: str, subscription: Subscription, day: str) -> Any:
    with on(day):
        return browser.post(address(name, subscription))


# ---- who may see it -------------------------------------------------------------------------


def test_is_for_owners_only(client: Client, mine: Subscription) -> None:
    others = [MembershipFactory(firm=mine.firm).user, owner_of(subscriber("neighbour"))]
    for user in others:
        client.force_login(user)
        for name in ("page",):
            assert client.get(address(name, mine)).status_code == 404
        for name in ("pay", "cancel", "keep"):
            assert client.post(address(name, mine)).status_code == 404
    assert not PaymentOrder.objects.exists()


def test_is_for_operators_too(client: Client, mine: Subscription) -> None:
    client.force_login(operator())
    assert "Professional" in page(client, mine)


def test_asks_strangers_to_sign_in(client: Client, mine: Subscription) -> None:
    answer = client.get(address("page", mine))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("subscriptions:sign-in"))


def test_lets_owners_of_a_suspended_firm_sign_in(client: Client, mine: Subscription) -> None:
    check("2025-06-20")
    owner = owner_of(mine)
    owner.is_staff = False
    owner.save()
    form = {"username": owner.username, "password": PASSWORD, "next": address("page", mine)}
    with on("2025-06-21"):
        answer = client.post(reverse("subscriptions:sign-in"), form, follow=True)
    assert "Suspended" in text(answer)
    assert "Pay 59.00 GEL now" in text(answer)


def test_refuses_a_wrong_password_in_words(client: Client, mine: Subscription) -> None:
    form = {"username": owner_of(mine).username, "password": "wrong"}
    answer = client.post(reverse("subscriptions:sign-in"), form)
    assert "Please enter a correct username and password" in text(answer)


def test_goes_to_the_only_subscription_and_else_lets_one_choose(
    browser: Client, mine: Subscription
) -> None:
    answer = browser.get(reverse("subscriptions:mine"))
    assert answer["Location"] == address("page", mine)
    second = subscriber("second")
    MembershipFactory(firm=second.firm, user=owner_of(mine), roles=["owner"])
    answer = browser.get(reverse("subscriptions:mine"))
    assert "Tbilisi Motors" in text(answer)
    assert "Second" in text(answer)


# ---- what it says ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "day", "expected"),
    [
        ({}, "2025-06-01", "Active It expires on 13 June 2025, in 12 days."),
        ({"status": "trialing"}, "2025-06-12", "Trial It expires on 13 June 2025, in 1 day."),
        ({"status": "grace"}, "2025-06-15", "Payment required It was paid for until 13 June"),
        ({"status": "grace"}, "2025-06-19", "the account stops in 1 day."),
        ({"expires_on": None}, "2025-06-01", "This subscription never expires."),
        ({"cancel_at_period_end": True}, "2025-06-01", "It ends on 13 June 2025"),
        ({"status": "cancelled"}, "2025-06-15", "The subscription ended on 13 June 2025"),
    ],
)
def test_says_how_things_stand(
    browser: Client, mine: Subscription, how: dict[str, Any], day: str, expected: str
) -> None:
    Subscription.objects.filter(pk=mine.pk).update(**how)
    assert expected in page(browser, mine, day)


def test_shows_the_card_and_the_history(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    saved_card(mine, bank)
    with on("2025-06-10", 2):
        charge()
        settle(bank, last_renewal(mine), "107")
    with on("2025-06-10", 14):
        charge()
    shown = page(browser, mine)
    assert "Saved card •••• 0100" in shown
    assert "First payment 59.00 GEL •••• 0100 Paid" in shown
    assert "Renewal 59.00 GEL – Not paid: there was not enough money on the card" in shown


# ---- paying ---------------------------------------------------------------------------------


def pay(browser: Client, mine: Subscription, moment: str = "2025-06-12T12:00:00Z") -> Any:
    with at(moment):
        return browser.post(address("pay", mine))


def the_order(mine: Subscription) -> PaymentOrder:
    return mine.orders.get(kind="manual")


def test_leads_to_the_banks_page_and_saves_the_card_there(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    answer = pay(browser, mine)
    order = the_order(mine)
    assert answer.status_code == 302
    assert order.bog_order_id in answer["Location"]
    assert (order.status, order.amount_minor, order.days) == ("pending", 5_900, 30)
    back = address("back", mine, order.external_order_id)
    with at("2025-06-12T12:01:00Z"):
        assert "Waiting for the bank" in text(browser.get(back))
    assert stands(mine)[1] == "2025-06-13"
    bank.bog.pay(order.bog_order_id, "mastercard")
    with at("2025-06-12T12:02:00Z"):
        assert "paid for until 13 July 2025" in text(browser.get(back))
    assert stands(mine) == ("active", "2025-07-13", "active")
    order.refresh_from_db()
    assert (order.card_saved, order.card_mask) == (True, "548888xxxxxx9893")
    with on("2025-07-11"):
        charge()
    assert len(bank.bog.charges(order.bog_order_id)) == 1


def test_never_says_paid_before_it_is(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    pay(browser, mine)
    order = the_order(mine)
    back = address("back", mine, order.external_order_id)
    bank.bog.misbehave("error_before", method="GET")
    bank.bog.pay(order.bog_order_id, "good")
    with on("2025-06-12"):
        shown = text(browser.get(back))
    assert "Waiting for the bank" in shown
    assert "paid for until" not in shown


def test_says_that_a_card_was_refused(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    pay(browser, mine)
    order = the_order(mine)
    bank.bog.pay(order.bog_order_id, "107")
    with on("2025-06-12"):
        shown = text(browser.get(address("back", mine, order.external_order_id)))
    assert "Not paid there was not enough money" not in shown
    assert "Not paid: there was not enough money on the card" in shown
    assert stands(mine)[1] == "2025-06-13"


def test_pressed_twice_opens_the_same_page(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    first = pay(browser, mine, "2025-06-12T12:00:00Z")
    second = pay(browser, mine, "2025-06-12T12:05:00Z")
    assert first["Location"] == second["Location"]
    assert mine.orders.count() == 1
    pay(browser, mine, "2025-06-12T13:30:00Z")  # the bank's page has closed by now
    assert [order.status for order in mine.orders.order_by("pk")] == ["failed", "pending"]


def test_repeats_the_request_when_the_bank_did_not_answer(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    bank.bog.misbehave("reset_after", path="*/ecommerce/orders")
    answer = pay(browser, mine)
    assert answer["Location"] == address("page", mine)
    assert "cannot be reached just now" in page(browser, mine)
    assert the_order(mine).status == "created"
    answer = pay(browser, mine, "2025-06-12T12:01:00Z")
    assert the_order(mine).bog_order_id in answer["Location"]
    assert len(bank.bog.orders) == 1


def test_is_not_offered_while_a_renewal_is_under_way(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    saved_card(mine, bank)
    with on("2025-06-12"):
        charge()
    assert "A payment is under way at the bank" in page(browser, mine)
    pay(browser, mine)
    assert not mine.orders.filter(kind="manual").exists()


def test_takes_no_second_payment_for_one_that_has_just_arrived(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    pay(browser, mine)
    bank.bog.pay(the_order(mine).bog_order_id, "good")
    pay(browser, mine, "2025-06-12T12:03:00Z")
    assert mine.orders.count() == 1
    assert stands(mine)[1] == "2025-07-13"
    assert "Your last payment has just arrived" in page(browser, mine)


def test_takes_no_money_from_whom_a_person_has_suspended(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    Firm.objects.filter(pk=mine.firm_id).update(status="suspended", suspension_reason="Spam")
    assert "suspended by the platform" in page(browser, mine)
    pay(browser, mine)
    assert not PaymentOrder.objects.exists()


def test_is_found_out_by_the_next_run_when_nobody_came_back(
    browser: Client, mine: Subscription, bank: Sandbox
) -> None:
    pay(browser, mine)
    bank.bog.pay(the_order(mine).bog_order_id, "good")
    with on("2025-06-12", 14):
        charge()
    assert stands(mine)[1] == "2025-07-13"


# ---- cancelling -----------------------------------------------------------------------------


def test_cancels_and_keeps(browser: Client, mine: Subscription) -> None:
    press(browser, "cancel", mine, "2025-06-01")
    assert "It ends on 13 June 2025 and is not renewed." in page(browser, mine)
    press(browser, "keep", mine, "2025-06-02")
    assert "It expires on 13 June 2025" in page(browser, mine)


def test_does_not_cancel_while_the_card_is_being_charged(
    browser: Client, mine: Subscription
) -> None:
    PaymentOrderFactory(
        subscription=mine, kind="renewal", status="pending", card_saved=False,
        cycle_expires_on=mine.expires_on, applied_at=None, resolved_at=None,
    )  # fmt: skip
    press(browser, "cancel", mine, "2025-06-11")
    assert "under way at the bank" in page(browser, mine)
    mine.refresh_from_db()
    assert mine.cancel_at_period_end is False


def test_has_no_way_back_without_paying(browser: Client, mine: Subscription) -> None:
    Subscription.objects.filter(pk=mine.pk).update(
        status="cancelled", expires_on=mine.expires_on - timedelta(days=30)
    )
    press(browser, "keep", mine, "2025-06-11")
    assert "Pay to come back." in page(browser, mine)


def test_lets_an_owner_who_is_no_staff_sign_out(browser: Client, mine: Subscription) -> None:
    with on("2025-06-01"):
        shown = browser.get(address("page", mine))
        answer = browser.post(reverse("subscriptions:sign-out"))
    assert 'action="/subscription/sign-out/"' in shown.content.decode()
    assert (answer.status_code, answer["Location"]) == (302, reverse("subscriptions:sign-in"))
    assert browser.get(address("page", mine)).status_code == 302
