"""However many workers there are, a cycle is charged once and a payment counts once."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from apps.subscriptions.models import PaymentOrder
from apps.subscriptions.services import (
    apply_receipt,
    check_subscription_status,
    process_recurring_payments,
)
from apps.subscriptions.services.bank import Bank
from sandbox import Sandbox
from tests.subscriptions.conftest import open_account
from tests.subscriptions.subscribing import (
    fresh,
    last_renewal,
    now,
    renewals,
    saved_card,
    subscriber,
    told,
)

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do things in threads with connections of their own, begun together."""
    gate, results = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        try:
            gate.wait()
            results.append(act())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_runs_charge_each_card_once(sandbox: Sandbox) -> None:
    open_account(sandbox)
    today = timezone.now().date()
    rows = [subscriber(f"firm-{n}", expires_on=today + timedelta(days=2)) for n in range(10)]
    for row in rows:
        saved_card(row, sandbox)
    reports = at_once(process_recurring_payments, process_recurring_payments)
    assert len(reports) == 2
    process_recurring_payments()
    assert [len(renewals(row)) for row in rows] == [1] * 10
    assert [last_renewal(row).status for row in rows] == ["pending"] * 10
    assert len(sandbox.bog.charges()) == 10


def test_a_receipt_extends_once_however_many_apply_it(sandbox: Sandbox) -> None:
    open_account(sandbox)
    today = timezone.now().date()
    row = subscriber(expires_on=today + timedelta(days=2))
    saved_card(row, sandbox)
    process_recurring_payments()
    order = last_renewal(row)
    sandbox.bog.settle(order.bog_order_id)
    with Bank() as bank:
        [receipt] = bank.receipts([order])
    assert not isinstance(receipt, Exception)

    def apply() -> str:
        mine = PaymentOrder.objects.get(pk=order.pk)
        with transaction.atomic():
            return apply_receipt(order=mine, receipt=receipt, clock=now())

    assert sorted(at_once(*[apply] * 4)) == ["nothing", "nothing", "nothing", "paid"]
    assert fresh(row).expires_on == today + timedelta(days=32)
    assert told(row) == ["receipt"]


def test_two_runs_tell_and_suspend_once() -> None:
    today = timezone.now().date()
    late = [subscriber(f"late-{n}", expires_on=today - timedelta(days=9)) for n in range(5)]
    soon = [subscriber(f"soon-{n}", expires_on=today + timedelta(days=2)) for n in range(5)]
    reports = at_once(check_subscription_status, check_subscription_status)
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.done for report in reports) == 10
    assert [told(row) for row in late] == [["suspended"]] * 5
    assert [told(row) for row in soon] == [["urgent"]] * 5
