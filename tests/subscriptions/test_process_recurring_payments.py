"""process_recurring_payments … (spec D32)."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.core.management import CommandError

from apps.audit.models import AuditEvent
from apps.core.problems import BadOption
from apps.firms.models import Firm
from apps.notifications.models import Notification
from apps.subscriptions.models import PaymentOrder, Plan, Subscription
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.subscriptions.subscribing import (
    at,
    charge,
    last_renewal,
    neighbour_untouched,
    on,
    operator,
    output,
    renewals,
    saved_card,
    settle,
    stands,
    subjects,
    subscriber,
    told,
)

pytestmark = pytest.mark.django_db

SUBSCRIBE = "*/subscribe"


def charged(bank: Sandbox) -> int:
    """How many charges the bank has begun: it is the judge, not our ledger."""
    return len(bank.bog.charges())


def statuses(subscription: Subscription) -> list[str]:
    return [order.status for order in renewals(subscription)]


# ---- which ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "days_before", "expected"),
    [
        ("2025-06-09", 3, 0),
        ("2025-06-10", 3, 1),
        ("2025-06-09", 5, 1),
        ("2025-06-08", 5, 1),
        ("2025-06-07", 5, 0),
        ("2025-06-12", 0, 0),
        ("2025-06-13", 0, 1),
        ("2025-06-19", 0, 1),  # the last day of grace
        ("2025-06-20", 3, 0),
    ],
)
def test_charges_what_expires_soon_or_is_in_grace(
    bank: Sandbox, today: str, days_before: int, expected: int
) -> None:
    saved_card(subscriber(), bank)
    with on(today):
        charge(days_before=days_before)
    assert charged(bank) == expected


def test_goes_by_the_date_in_tbilisi(bank: Sandbox) -> None:
    saved_card(subscriber(), bank)
    with at("2025-06-09T19:59:00Z"):  # still the 9th in Tbilisi
        charge()
    assert charged(bank) == 0
    with at("2025-06-09T21:00:00Z"):
        charge()
    assert charged(bank) == 1


@pytest.mark.parametrize("status", ["trialing", "active", "grace", "suspended", "cancelled"])
def test_charges_served_subscriptions_only(bank: Sandbox, status: str) -> None:
    saved_card(subscriber(status=status), bank)
    with on("2025-06-10"):
        charge()
    assert charged(bank) == (status in Subscription.SERVED)


@pytest.mark.parametrize(
    "how",
    [{"cancel_at_period_end": True}, {"expires_on": None}, {"plan__price_minor": 0}],
    ids=["cancelled", "for_ever", "free"],
)
def test_charges_nobody_who_owes_nothing(bank: Sandbox, how: dict[str, Any]) -> None:
    subscription = subscriber(**how)
    saved_card(subscription, bank, amount_minor=5_900)
    with on("2025-06-13"):
        lines = output("process_recurring_payments")
    assert charged(bank) == 0
    assert "Subscriptions found: 0" in lines


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_leaves_firms_alone_that_are_not_served(bank: Sandbox, status: str) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    Firm.objects.filter(pk=subscription.firm_id).update(status=status)
    with on("2025-06-10"):
        lines = output("process_recurring_payments", firm_id=subscription.firm_id)
    assert charged(bank) == 0
    assert f"Firm {subscription.firm_id} is {status}; skipped." in lines


# ---- the card -------------------------------------------------------------------------------


def test_charges_the_newest_card_that_still_works(bank: Sandbox) -> None:
    subscription = subscriber()
    for number, how in enumerate(
        [{}, {}, {"card_saved": False}, {"status": "refunded"}, {"card_invalid_reason": "gone"}]
    ):
        with on(date(2025, 5, 1 + number)):
            saved_card(
                subscription,
                bank,
                bog_order_id=f"bog-{number}",
                resolved_at=f"2025-05-0{number + 1}T12:00Z",
                **how,
            )
    with on("2025-06-10"):
        charge()
    assert last_renewal(subscription).parent_order.bog_order_id == "bog-1"  # type: ignore[union-attr]
    assert len(bank.bog.charges("bog-1")) == 1


def test_asks_once_a_cycle_for_a_card(bank: Sandbox) -> None:
    subscription = subscriber()
    for day in ("2025-06-10", "2025-06-10", "2025-06-14"):
        with on(day):
            charge()
    assert told(subscription) == ["card_needed"]
    assert statuses(subscription) == []


def test_never_charges_another_price_than_was_agreed(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank, amount_minor=4_900)
    with on("2025-06-10"):
        lines = output("process_recurring_payments")
        output("process_recurring_payments")
    assert "  ⚠ tbilisi-motors: price changed; customer must re-authorise the card\n" in lines
    assert "Skipped: 1" in lines
    assert charged(bank) == 0
    assert subjects(subscription) == ["The price of your subscription is now 59.00 GEL"]


def test_never_charges_another_currency_than_was_agreed(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank, currency="USD")
    with on("2025-06-10"):
        charge()
    assert charged(bank) == 0
    assert told(subscription) == ["price_changed"]


# ---- the charge -----------------------------------------------------------------------------


def test_writes_the_order_down_and_extends_nothing_yet(bank: Sandbox) -> None:
    subscription = subscriber()
    card = saved_card(subscription, bank)
    with on("2025-06-10"):
        charge()
    [order] = renewals(subscription)
    [asked] = bank.bog.charges(card.bog_order_id)
    assert (order.status, order.bog_order_id) == ("pending", asked["order_id"])
    assert asked["external_order_id"] == order.external_order_id != card.external_order_id
    assert asked["purchase_units"]["request_amount"] == "59.0"
    assert (order.amount_minor, order.currency, order.days) == (5_900, "GEL", 30)
    assert (order.parent_order, order.attempt_no) == (card, 1)
    assert order.idempotency_key.version == 4
    assert order.cycle_expires_on == date(2025, 6, 13)
    assert stands(subscription) == ("active", "2025-06-13", "active")


def test_makes_no_second_order_before_the_first_is_answered(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    for day in ("2025-06-10", "2025-06-10", "2025-06-11", "2025-06-12"):
        with on(day):
            charge()
    assert statuses(subscription) == ["pending"]
    assert charged(bank) == 1


def test_waits_while_the_customer_is_on_the_banks_page(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    saved_card(
        subscription, kind="manual", status="pending", bog_order_id="", card_saved=False,
        requested_at="2025-06-10T11:30Z", resolved_at=None, applied_at=None,
    )  # fmt: skip
    with on("2025-06-10"):
        lines = output("process_recurring_payments")
    assert "- tbilisi-motors: the customer is paying at the bank just now" in lines
    assert charged(bank) == 0


def test_is_not_held_up_by_an_undecided_order_of_an_earlier_cycle(bank: Sandbox) -> None:
    subscription = subscriber()
    card = saved_card(subscription, bank)
    saved_card(
        subscription, kind="renewal", status="unknown", bog_order_id="", card_saved=False,
        parent_order=card, cycle_expires_on="2025-05-14", resolved_at=None, applied_at=None,
    )  # fmt: skip
    with on("2025-06-10"):
        charge()
    assert statuses(subscription) == ["unknown", "pending"]


def test_waits_for_the_decision_about_this_cycle(bank: Sandbox) -> None:
    subscription = subscriber()
    card = saved_card(subscription, bank)
    saved_card(
        subscription, kind="renewal", status="unknown", bog_order_id="", card_saved=False,
        parent_order=card, cycle_expires_on="2025-06-13", resolved_at=None, applied_at=None,
    )  # fmt: skip
    with on("2025-06-10"):
        charge()
    assert charged(bank) == 0


def test_prints_what_the_specification_shows(bank: Sandbox) -> None:
    good = subscriber("tbilisi-motors")
    saved_card(good, bank)
    subscriber("gori-foods")
    saved_card(subscriber("poti-shipping"), bank, amount_minor=4_900)
    with on("2025-06-10"):
        would = output("process_recurring_payments", dry_run=True)
        assert charged(bank) == 0
        did = output("process_recurring_payments")
    order = last_renewal(good)
    assert did == (
        "Processing recurring payments (subscriptions expiring within 3 days)...\n"
        f"  ✓ tbilisi-motors: charge of 59.00 GEL submitted (order {order.bog_order_id[:4]}…)\n"
        "  - gori-foods: no saved card\n"
        "  ⚠ poti-shipping: price changed; customer must re-authorise the card\n"
        "\nSummary:\n"
        "  Subscriptions found: 3\n"
        "  Charges submitted: 1\n"
        "  Skipped: 2\n"
        "  Errors: 0\n"
    )
    assert "  ✓ Would charge tbilisi-motors: 59.00 GEL\n" in would
    assert "  Charges that would be submitted: 1\n" in would


def test_leaves_no_trace_in_a_dry_run(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    with neighbour_untouched(subscription.firm), on("2025-06-01"):
        charge(dry_run=True, as_of="2025-06-10")
    assert bank.requests == []


def test_leaves_the_neighbour_untouched(bank: Sandbox) -> None:
    mine, neighbour = subscriber("mine"), subscriber("neighbour")
    saved_card(mine, bank)
    saved_card(neighbour, bank)
    with neighbour_untouched(neighbour.firm), on("2025-06-10"):
        charge(firm_id=mine.firm_id)
    assert (statuses(mine), statuses(neighbour)) == (["pending"], [])


def test_refuses_options_that_cannot_be() -> None:
    with pytest.raises(BadOption, match="days-before must be zero or a positive integer"):
        charge(days_before=-1)
    with pytest.raises(BadOption, match=r"^Firm with ID 9999 does not exist\.$"):
        charge(firm_id=9999)


# ---- the answer -----------------------------------------------------------------------------


def test_extends_when_the_receipt_says_paid_although_the_callback_was_lost(
    bank: Sandbox,
) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    with on("2025-06-10", 2):
        charge()
        settle(bank, last_renewal(subscription))
        charge()  # within 15 minutes the callback may still come
        assert stands(subscription)[1] == "2025-06-13"
    with on("2025-06-10", 14):
        lines = output("process_recurring_payments")
        again = output("process_recurring_payments")
    assert "  ✓ tbilisi-motors: 59.00 GEL received, paid until 2025-07-13\n" in lines
    assert "received" not in again
    assert stands(subscription) == ("active", "2025-07-13", "active")
    assert subjects(subscription) == ["Receipt: 59.00 GEL, paid until 13 July 2025"]


def test_extends_from_the_old_expiry_when_paid_in_grace(bank: Sandbox) -> None:
    subscription = subscriber(status="grace")
    saved_card(subscription, bank)
    with on("2025-06-17", 2):
        charge()
        settle(bank, last_renewal(subscription))
    with on("2025-06-17", 14):
        charge()
    assert stands(subscription) == ("active", "2025-07-13", "active")


def test_charges_the_next_cycle_with_the_same_card(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    for day in ("2025-06-10", "2025-07-10"):
        with on(day, 2):
            charge()
            settle(bank, last_renewal(subscription))
        with on(day, 14):
            charge()
    assert stands(subscription)[1] == "2025-08-12"
    assert [str(order.cycle_expires_on) for order in renewals(subscription)] == [
        "2025-06-13", "2025-07-13"
    ]  # fmt: skip


# ---- the bank says no -----------------------------------------------------------------------

NEW_CARD = "Enter a new card for your subscription"
CONFIRM = "Please confirm the payment for your subscription"
FAILED = "The payment for your subscription failed"


@pytest.mark.parametrize(
    ("code", "subject", "invalid", "again"),
    [
        ("101", NEW_CARD, True, False),
        ("102", NEW_CARD, True, False),
        ("103", NEW_CARD, True, False),
        ("104", FAILED, False, True),
        ("105", NEW_CARD, True, False),
        ("106", FAILED, False, True),
        ("107", FAILED, False, True),
        ("108", CONFIRM, False, False),
        ("109", FAILED, False, True),
        ("110", FAILED, False, True),
        ("111", CONFIRM, False, False),
        ("112", FAILED, False, True),
        ("199", FAILED, False, True),
    ],
)
def test_does_what_the_code_asks_for(
    bank: Sandbox, code: str, subject: str, invalid: bool, again: bool
) -> None:
    subscription = subscriber()
    card = saved_card(subscription, bank)
    with on("2025-06-10", 2):
        charge()
        settle(bank, last_renewal(subscription), code)
    with on("2025-06-10", 14):
        lines = output("process_recurring_payments")
    assert f"  ⚠ tbilisi-motors: payment of 59.00 GEL failed ({code})\n" in lines
    card.refresh_from_db()
    assert bool(card.card_invalid_reason) is invalid
    with on("2025-06-11", 3):
        charge()
    assert statuses(subscription) == ["failed", *(["pending"] if again else [])]
    assert subjects(subscription) == [subject]
    assert stands(subscription) == ("active", "2025-06-13", "active")


def test_tries_four_times_a_day_apart_and_tells_of_each(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    for day in range(10, 20):
        for hour in (2, 14):
            with on(date(2025, 6, day), hour):
                charge()
                for order in renewals(subscription):
                    if order.status == "pending" and _is_open(bank, order):
                        settle(bank, order, "107")
    orders = renewals(subscription)
    assert [order.attempt_no for order in orders] == [1, 2, 3, 4]
    gaps = [b.requested_at - a.requested_at for a, b in pairwise(orders)]
    assert all(gap >= timedelta(hours=24) for gap in gaps)
    assert told(subscription) == ["payment_failed"] * 4
    assert charged(bank) == 4


def _is_open(bank: Sandbox, order: PaymentOrder) -> bool:
    return bool(bank.bog.receipt(order.bog_order_id)["order_status"]["key"] == "processing")


# ---- the line is bad ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        ("reset_before", 0),
        ("reset_after", 1),
        ("error_before", 0),
        ("error_after", 1),
        ("malformed", 1),
        ("rate_limit", 0),
    ],
)
def test_repeats_the_identical_request_when_it_heard_no_answer(
    bank: Sandbox, kind: str, done: int
) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    bank.bog.misbehave(kind, path=SUBSCRIBE)
    with on("2025-06-10", 2):
        with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
            output("process_recurring_payments")
        assert charged(bank) == done
        [order] = renewals(subscription)
        assert (order.status, order.bog_order_id) == ("created", "")
    with on("2025-06-10", 14):
        output("process_recurring_payments")
    [again] = renewals(subscription)
    assert (again.status, again.idempotency_key) == ("pending", order.idempotency_key)
    assert charged(bank) == 1


def test_leaves_to_a_person_what_the_bank_has_forgotten_the_key_of(bank: Sandbox) -> None:
    someone = operator()
    subscription = subscriber()
    saved_card(subscription, bank)
    bank.bog.misbehave("reset_after", path=SUBSCRIBE)
    with on("2025-06-10", 2):
        charge()
    with on("2025-06-11", 2):
        lines = output("process_recurring_payments")
        output("process_recurring_payments")
    assert "  ⚠ tbilisi-motors: payment of 59.00 GEL needs a decision\n" in lines
    with on("2025-06-12", 14):
        charge()
    assert statuses(subscription) == ["unknown"]
    assert charged(bank) == 1
    [notification] = Notification.objects.filter(type="subscription_alert")
    assert notification.recipient_user == someone
    event = AuditEvent.objects.get(action="payment_order_unanswered")
    assert event.firm is None


def test_does_not_repeat_a_request_for_somebody_who_has_cancelled(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    bank.bog.misbehave("reset_before", path=SUBSCRIBE)
    with on("2025-06-10", 2):
        charge()
    Subscription.objects.update(cancel_at_period_end=True)
    with on("2025-06-10", 14):
        charge()
    assert statuses(subscription) == ["unknown"]
    assert charged(bank) == 0


def test_closes_what_the_bank_refuses(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription)  # the bank does not know it
    with on("2025-06-10"), pytest.raises(CommandError):
        output("process_recurring_payments")
    [order] = renewals(subscription)
    assert (order.status, order.failure_code) == ("failed", "refused")


def test_leaves_nothing_behind_when_the_credentials_are_wrong(bank: Sandbox) -> None:
    rows = [subscriber(f"firm-{number}") for number in range(12)]
    for subscription in rows:
        saved_card(subscription, bank)
    account = GatewayAccount.objects.get()
    account.credentials["client_secret"] = "wrong"
    account.save()
    with on("2025-06-10"):
        with pytest.raises(CommandError):
            output("process_recurring_payments")
        assert not PaymentOrder.objects.filter(kind="renewal").exists()
        account.credentials["client_secret"] = "demo-platform-secret"
        account.save()
        charge()
    assert charged(bank) == 12


def test_says_that_the_platform_has_no_account() -> None:
    saved_card(subscriber())
    with on("2025-06-10"):
        report = charge()
    assert report.failed == 1
    assert not PaymentOrder.objects.filter(kind="renewal").exists()


def test_one_bad_order_spares_the_rest(bank: Sandbox) -> None:
    good, bad = subscriber("good"), subscriber("bad")
    saved_card(good, bank)
    saved_card(bad, bank)
    bank.bog.misbehave("reset_before", path="*/bog-bad/subscribe")
    with on("2025-06-10"):
        report = charge()
    assert (report.done, report.failed) == (1, 1)
    assert (statuses(good), statuses(bad)) == (["pending"], ["created"])


def test_charges_a_new_price_once_the_card_was_authorised_for_it(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    Plan.objects.filter(pk=subscription.plan_id).update(price_minor=6_900)
    with on("2025-06-10"):
        charge()
    assert charged(bank) == 0
    saved_card(
        subscription, bank, amount_minor=6_900, bog_order_id="bog-new",
        resolved_at="2025-06-10T13:00Z",
    )  # fmt: skip
    with on("2025-06-11"):
        charge()
    [asked] = bank.bog.charges()
    assert asked["purchase_units"]["request_amount"] == "69.0"
