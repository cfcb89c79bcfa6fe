"""Many charges at once, and two workers at once: fast, bounded, and never twice."""

import time
from datetime import timedelta
from threading import Lock
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from apps.billing.models import Invoice, Payment, PaymentAttempt
from apps.billing.services import find_inconsistencies, process_recurring_charges
from sandbox import Sandbox
from tests.billing.at_once import at_once
from tests.billing.collecting import Shop, open_shop

pytestmark = pytest.mark.django_db(transaction=True)

CHARGE = "/v1/payment_intents"


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return open_shop(sandbox)


def due(shop: Shop, count: int) -> list[Invoice]:
    when = timezone.now() - timedelta(hours=1)
    return [shop.invoice(autopay_next_charge_at=when) for _ in range(count)]


def charges_asked_for(shop: Shop) -> int:
    return sum((c.method, c.path) == ("POST", CHARGE) for c in shop.sandbox.requests)


def test_two_workers_charge_an_invoice_once(shop: Shop) -> None:
    invoices = due(shop, 5)
    shop.sandbox.stripe.misbehave("slow", path=CHARGE, count=None, seconds=0.05)
    assert at_once(process_recurring_charges, process_recurring_charges) == []
    assert [len(shop.charges(invoice)) for invoice in invoices] == [1] * 5
    assert Payment.objects.count() == PaymentAttempt.objects.count() == 5
    assert find_inconsistencies() == []


def test_two_workers_resolve_an_attempt_once(shop: Shop) -> None:
    [invoice] = due(shop, 1)
    shop.sandbox.stripe.misbehave("reset_after", path=CHARGE)
    process_recurring_charges()
    PaymentAttempt.objects.update(requested_at=timezone.now() - timedelta(minutes=6))
    shop.sandbox.stripe.misbehave("slow", path=CHARGE, count=None, seconds=0.05)
    assert at_once(process_recurring_charges, process_recurring_charges) == []
    assert len(shop.charges(invoice)) == Payment.objects.count() == 1
    assert PaymentAttempt.objects.get().status in {"succeeded", "in_flight"}
    PaymentAttempt.objects.filter(status="in_flight").update(
        requested_at=timezone.now() - timedelta(minutes=6)
    )
    process_recurring_charges()
    assert PaymentAttempt.objects.get().status == "succeeded"


def test_charges_of_a_firm_are_under_way_together_within_a_bound(
    shop: Shop, settings: Settings
) -> None:
    settings.CHARGES_AT_ONCE = 4
    due(shop, 12)
    now, most, lock = 0, 0, Lock()

    def begin(call: Any) -> None:
        nonlocal now, most
        if (call.method, call.path) == ("POST", CHARGE):
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.05)

    def end(call: Any) -> None:
        nonlocal now
        if (call.method, call.path) == ("POST", CHARGE):
            with lock:
                now -= 1

    shop.sandbox.core.on_execute.append(begin)
    shop.sandbox.core.before_answer.append(end)
    process_recurring_charges()
    assert most == 4
    assert Invoice.objects.filter(status="paid").count() == 12


def test_no_transaction_is_open_while_the_gateway_is_asked(shop: Shop) -> None:
    due(shop, 3)
    ours, open_ones = connection, []

    def look(call: Any) -> None:
        open_ones.append((call.path, ours.in_atomic_block))

    shop.sandbox.core.on_execute.append(look)
    shop.sandbox.stripe.misbehave("slow", path=CHARGE, count=None, seconds=0.02)
    process_recurring_charges()
    # An answer is recorded while others are still asked for: only that may be open then.
    assert open_ones[0][1] is open_ones[1][1] is False
    assert len(open_ones) == 4


def test_claiming_costs_the_same_for_one_and_for_twenty(shop: Shop) -> None:
    def claims(count: int) -> int:
        due(shop, count)
        with CaptureQueriesContext(connection) as queries:
            process_recurring_charges(dry_run=True)
        Invoice.objects.update(autopay_status="cancelled")
        return len(queries)

    claims(1)
    assert claims(1) == claims(20)


def test_each_invoice_is_one_call(shop: Shop) -> None:
    due(shop, 10)
    process_recurring_charges()
    assert charges_asked_for(shop) == 10
    assert len(shop.sandbox.requests) == 11  # and one look whether the key works
