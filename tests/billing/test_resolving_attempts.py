"""Charges whose answer never came: found out, recorded once, never made twice (spec D2)."""

from datetime import date, timedelta
from typing import Any

import pytest

from apps.billing.models import Invoice, Payment, PaymentAttempt
from apps.billing.services.settling import decide_attempt
from apps.firms.models import Firm
from apps.notifications.models import Notification
from sandbox import Sandbox
from tests.billing.collecting import (
    Shop,
    attempts,
    collect,
    instant,
    open_shop,
    state,
)
from tests.billing.ledger import add_fees, credit, pay

pytestmark = pytest.mark.django_db

FIRST = instant("2025-01-10T17:00:00")
MINUTES_LATER = FIRST + timedelta(minutes=4)
AN_HOUR_LATER = FIRST + timedelta(hours=1)
A_DAY_LATER = FIRST + timedelta(hours=25)
CHARGE = "/v1/payment_intents"


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return open_shop(sandbox)


def asked(shop: Shop) -> list[str]:
    """Return the idempotency keys of the charges that were asked for, in order."""
    return [
        call.idempotency_key
        for call in shop.sandbox.requests
        if (call.method, call.path) == ("POST", CHARGE)
    ]


def lose_the_answer(shop: Shop, kind: str, *, when: Any = FIRST) -> str:
    """Let the gateway misbehave once, collect, and return what the job said."""
    shop.sandbox.stripe.misbehave(kind, path=CHARGE)
    return collect(when)


@pytest.mark.parametrize("kind", ["reset_after", "malformed", "error_after"])
def test_an_answer_lost_after_the_yes_is_recorded_by_the_next_run(
    shop: Shop, kind: str
) -> None:
    invoice = shop.invoice(number="INV-2025-001")
    said = lose_the_answer(shop, kind)
    assert "  ✗ INV-2025-001: " in said
    assert "1 item(s) failed" in said
    assert state(invoice) == ("sent", "processing", 0)
    assert Payment.objects.count() == 0
    assert len(shop.charges(invoice)) == 1
    assert "  ✓ Charged invoice INV-2025-001 for $5000.00\n" in collect(AN_HOUR_LATER)
    assert state(invoice) == ("paid", "succeeded", 0)
    assert len(shop.charges(invoice)) == Payment.objects.count() == 1
    assert attempts(invoice) == [(500_000, "succeeded")]


@pytest.mark.parametrize("kind", ["reset_before", "error_before", "rate_limit"])
def test_a_charge_that_was_never_made_is_made_with_the_same_key(shop: Shop, kind: str) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, kind)
    assert shop.charges(invoice) == []
    collect(AN_HOUR_LATER)
    assert len(shop.charges(invoice)) == 1
    assert len(set(asked(shop)) - {""}) == 1  # the request that got lost left no key
    assert state(invoice) == ("paid", "succeeded", 0)
    assert attempts(invoice) == [(500_000, "succeeded")]


def test_a_gateway_that_is_down_costs_no_retry(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.sandbox.stripe.misbehave("error_before", path=CHARGE, status=503)
    collect(FIRST)
    assert state(invoice) == ("sent", "processing", 0)
    collect(AN_HOUR_LATER)
    assert state(invoice) == ("paid", "succeeded", 0)


def test_nobody_is_asked_again_while_the_answer_may_still_come(shop: Shop) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, "reset_before")
    collect(MINUTES_LATER)
    assert len(asked(shop)) == 1
    assert state(invoice)[1] == "processing"


def test_a_day_later_a_charge_that_was_made_is_found_and_no_request_repeated(
    shop: Shop,
) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, "reset_after")
    collect(A_DAY_LATER)
    assert len(asked(shop)) == 1
    assert len(shop.charges(invoice)) == 1
    assert state(invoice) == ("paid", "succeeded", 0)
    # The payer paid on the day of the charge, not on the day we found out.
    assert Payment.objects.get().effective_on == date(2025, 1, 10)


def test_a_day_later_a_charge_that_was_never_made_gets_a_new_key(shop: Shop) -> None:
    invoice = shop.invoice(number="INV-2025-001")
    lose_the_answer(shop, "reset_before")
    said = collect(A_DAY_LATER)
    assert "  - Charge of INV-2025-001 never happened\n" in said
    assert "  ✓ Charged invoice INV-2025-001 for $5000.00\n" in said
    first, second = asked(shop)
    assert first != second
    assert len(shop.charges(invoice)) == 1
    assert attempts(invoice) == [(500_000, "transient_error"), (500_000, "succeeded")]
    assert state(invoice) == ("paid", "succeeded", 0)


def test_a_stored_500_is_seen_through(shop: Shop) -> None:
    # Stripe replays a 500 under its key for a day, also when the charge was made.
    invoice = shop.invoice()
    lose_the_answer(shop, "error_after")
    collect(AN_HOUR_LATER)
    assert len(shop.charges(invoice)) == 1
    assert state(invoice)[0] == "paid"


def test_the_retries_go_on_where_they_were(shop: Shop) -> None:
    invoice = shop.invoice(autopay_status=Invoice.Autopay.RETRYING, autopay_failure_count=2)
    lose_the_answer(shop, "reset_before")
    shop.sandbox.stripe.revoke(shop.key)
    collect(A_DAY_LATER)
    assert state(invoice) == ("sent", "processing", 2)


def test_a_search_that_fails_decides_nothing(shop: Shop) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, "reset_after")
    search = {"customer": invoice.account.gateway_customer}
    shop.sandbox.stripe.misbehave(
        "error_before", path=CHARGE, method="GET", where=search, status=503, count=None
    )
    collect(A_DAY_LATER)
    assert attempts(invoice) == [(500_000, "in_flight")]
    shop.sandbox.core.misbehaviours.reset()
    collect(A_DAY_LATER + timedelta(hours=1))
    assert state(invoice)[0] == "paid"
    assert len(shop.charges(invoice)) == 1


def test_what_was_paid_by_hand_meanwhile_is_not_charged_again(shop: Shop) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, "reset_before")
    pay(invoice.account, 500_000)
    collect(AN_HOUR_LATER)
    assert shop.charges(invoice) == []
    assert len(asked(shop)) == 1
    assert attempts(invoice) == [(500_000, "transient_error")]
    assert state(invoice)[0] == "paid"
    assert credit(invoice.account) == 0


def test_what_was_paid_twice_becomes_credit(shop: Shop) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, "reset_after")
    pay(invoice.account, 120_000)
    collect(AN_HOUR_LATER)
    assert state(invoice)[0] == "paid"
    assert invoice.paid_minor == 500_000
    assert credit(invoice.account) == 120_000


def test_a_late_fee_added_meanwhile_is_charged_by_an_attempt_of_its_own(shop: Shop) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, "reset_after")
    invoice.refresh_from_db()
    add_fees([invoice], 5_000, today=date(2025, 1, 10))
    collect(AN_HOUR_LATER)
    assert attempts(invoice) == [(500_000, "succeeded"), (5_000, "succeeded")]
    assert state(invoice) == ("paid", "succeeded", 0)


def test_a_suspended_firms_charges_are_resolved_all_the_same(shop: Shop) -> None:
    resolved, waiting = shop.invoice(), None
    lose_the_answer(shop, "reset_after")
    waiting = shop.invoice()
    Firm.objects.filter(pk=shop.firm.pk).update(status=Firm.Status.SUSPENDED)
    collect(AN_HOUR_LATER)
    assert state(resolved)[0] == "paid"
    assert state(waiting) == ("sent", "scheduled", 0)


def test_a_decline_that_was_not_heard_counts_once(shop: Shop) -> None:
    invoice = shop.invoice(shop.customer("insufficient_funds"))
    lose_the_answer(shop, "reset_after")
    assert state(invoice) == ("sent", "processing", 0)
    assert "(will retry in 3 days)" in collect(AN_HOUR_LATER)
    assert state(invoice) == ("sent", "retrying", 1)
    # From the attempt, not from when we heard of it.
    assert invoice.autopay_next_charge_at == instant("2025-01-13T17:00:00")


def test_a_key_that_somebody_used_for_something_else_is_a_persons_to_decide(
    shop: Shop,
) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, "reset_after")
    attempt = PaymentAttempt.objects.get()
    PaymentAttempt.objects.filter(pk=attempt.pk).update(amount_minor=499_999)
    collect(AN_HOUR_LATER)
    assert attempts(invoice) == [(499_999, "unknown")]
    assert Notification.objects.filter(type="charge_undecided").count() == 1
    collect(A_DAY_LATER)
    assert len(asked(shop)) == 2
    assert len(shop.charges(invoice)) == 1


def test_a_card_that_the_gateway_does_not_know_is_never_asked_again(shop: Shop) -> None:
    invoice = shop.invoice()
    card = invoice.account.default_payment_method
    assert card is not None
    card.provider_ref = "pm_of_another_account"
    card.save()
    collect(FIRST)
    card.refresh_from_db()
    assert (card.status, card.invalid_reason) == ("invalid", "resource_missing")
    assert state(invoice) == ("sent", "failed", 0)
    assert Notification.objects.filter(type="charge_given_up").count() == 1


def test_a_debit_whose_return_was_not_heard_of_is_asked_about(shop: Shop) -> None:
    invoice = shop.invoice(shop.customer("processing"))
    collect(FIRST)
    assert attempts(invoice) == [(500_000, "processing")]
    reference = PaymentAttempt.objects.get().gateway_ref
    shop.sandbox.stripe.settle(reference, "insufficient_funds")
    collect(FIRST + timedelta(days=4))
    assert attempts(invoice) == [(500_000, "processing")]
    collect(FIRST + timedelta(days=6))
    assert attempts(invoice)[0] == (500_000, "declined")
    assert Payment.objects.get(gateway_ref=reference).status == "failed"


def test_a_key_that_is_refused_later_does_not_undo_the_charge(shop: Shop) -> None:
    invoice = shop.invoice()
    lose_the_answer(shop, "reset_after")
    shop.sandbox.stripe.misbehave("error_before", path=CHARGE, status=401)
    collect(AN_HOUR_LATER)
    assert attempts(invoice) == [(500_000, "in_flight")]
    collect(AN_HOUR_LATER + timedelta(hours=1))
    assert attempts(invoice) == [(500_000, "succeeded")]
    assert len(shop.charges(invoice)) == 1


def test_a_payment_that_the_gateway_will_not_show_is_a_persons_to_decide(
    shop: Shop,
) -> None:
    invoice = shop.invoice(shop.customer("processing"))
    collect(FIRST)
    PaymentAttempt.objects.update(gateway_ref="pi_of_nobody")
    collect(FIRST + timedelta(days=6))
    assert attempts(invoice) == [(500_000, "unknown")]
    assert PaymentAttempt.objects.get().payment_method.status == "active"
    assert Notification.objects.filter(type="charge_undecided").count() == 1


@pytest.mark.parametrize(
    ("happened", "payment", "autopay", "paid"),
    [(True, "succeeded", "succeeded", 500_000), (False, "failed", "scheduled", 0)],
)
def test_a_person_decides_about_a_debit_that_was_under_way(
    shop: Shop, happened: bool, payment: str, autopay: str, paid: int
) -> None:
    invoice = shop.invoice(shop.customer("processing"))
    collect(FIRST)
    reference = PaymentAttempt.objects.get().gateway_ref
    PaymentAttempt.objects.update(status="unknown")
    decide_attempt(
        attempt=PaymentAttempt.objects.get(),
        happened=happened,
        gateway_ref=reference if happened else "",
        actor=None,
        reason="looked it up",
        now=AN_HOUR_LATER,
    )
    assert state(invoice)[1] == autopay
    assert (invoice.paid_minor, Payment.objects.get().status) == (paid, payment)
