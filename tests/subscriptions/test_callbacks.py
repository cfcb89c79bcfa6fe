"""A callback of the bank … (spec D32), through the real inbox."""

from datetime import date
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.discrepancies.models import Discrepancy
from apps.firms.models import Firm
from apps.notifications.models import Notification
from apps.subscriptions.models import PaymentOrder, Subscription
from apps.subscriptions.services import suspend
from apps.webhooks.models import WebhookEvent, WebhookRefusal
from sandbox import Sandbox
from tests.factories import PaymentOrderFactory
from tests.subscriptions.subscribing import (
    call_back,
    charge,
    check,
    fresh,
    last_renewal,
    neighbour_untouched,
    now,
    on,
    operator,
    saved_card,
    settle,
    stands,
    subjects,
    subscriber,
    told,
    work_inbox,
)

pytestmark = pytest.mark.django_db

PAID = ("active", "2025-07-13", "active")
UNPAID = ("active", "2025-06-13", "active")


@pytest.fixture
def charged(bank: Sandbox) -> Subscription:
    """A subscriber until 13 June whose card was charged on the 10th."""
    subscription = subscriber()
    saved_card(subscription, bank)
    with on("2025-06-10"):
        charge()
    return subscription


def answer(bank: Sandbox, subscription: Subscription, **how: Any) -> list[int]:
    order = last_renewal(subscription)
    with on("2025-06-10"):
        answers = call_back(bank, order.bog_order_id, **how)
        work_inbox()
    return answers


def manual(subscription: Subscription, bank: Sandbox, **how: Any) -> PaymentOrder:
    """An order that its owner pays on the bank's page, as the bank has it: paid."""
    order: PaymentOrder = PaymentOrderFactory(
        subscription=subscription, kind="manual", status="pending", card_saved=False,
        applied_at=None, resolved_at=None, external_order_id="manual-1",
        bog_order_id="bog-manual", requested_at="2025-06-25T11:00Z", **how,
    )  # fmt: skip
    bank.bog.add_saved_card("bog-manual", amount="59.00", external_id="manual-1")
    return order


# ---- paid -----------------------------------------------------------------------------------


def test_extends_once_although_it_comes_three_times(
    bank: Sandbox, charged: Subscription
) -> None:
    settle(bank, last_renewal(charged))
    answers = answer(bank, charged, times=3)
    assert all(200 <= status < 300 for status in answers)
    answer(bank, charged)
    with on("2025-06-10", 14):
        charge()
    assert stands(charged) == PAID
    order = last_renewal(charged)
    assert (order.status, order.applied_at is not None) == ("completed", True)
    assert subjects(charged) == ["Receipt: 59.00 GEL, paid until 13 July 2025"]


def test_extends_nothing_while_the_bank_is_still_busy(
    bank: Sandbox, charged: Subscription
) -> None:
    answer(bank, charged)
    assert stands(charged) == UNPAID
    assert last_renewal(charged).status == "pending"


def test_means_what_the_receipt_says_and_not_what_it_says_itself(
    bank: Sandbox, charged: Subscription
) -> None:
    # Signed by the bank while it was so, and delivered late.
    answer(bank, charged, order_status={"key": "rejected", "value": ""})
    assert last_renewal(charged).status == "pending"
    settle(bank, last_renewal(charged))
    answer(bank, charged, order_status={"key": "processing", "value": ""})
    assert stands(charged) == PAID


def test_may_come_before_the_answer_to_our_request(
    bank: Sandbox, charged: Subscription
) -> None:
    order = last_renewal(charged)
    settle(bank, order)
    PaymentOrder.objects.filter(pk=order.pk).update(status="created", bog_order_id="")
    with on("2025-06-10"):
        call_back(bank, order.bog_order_id)
        work_inbox()
    found = last_renewal(charged)
    assert (found.status, found.bog_order_id) == ("completed", order.bog_order_id)
    assert stands(charged) == PAID


def test_counts_from_the_old_expiry_on_the_fourth_day_of_grace(bank: Sandbox) -> None:
    subscription = subscriber()
    saved_card(subscription, bank)
    check("2025-06-17")
    assert stands(subscription)[0] == "grace"
    with on("2025-06-17"):
        charge()
        settle(bank, last_renewal(subscription))
        call_back(bank, last_renewal(subscription).bog_order_id)
        work_inbox()
    assert stands(subscription) == PAID


def test_brings_a_suspended_firm_back_from_the_day_it_paid(bank: Sandbox) -> None:
    subscription = subscriber()
    check("2025-06-20")
    manual(subscription, bank)
    with on("2025-06-25"):
        call_back(bank, "bog-manual")
        work_inbox()
    assert stands(subscription) == ("active", "2025-07-25", "active")
    row = fresh(subscription)
    assert (row.suspended_at, row.firm.suspended_at, row.firm.suspension_reason) == (
        None, None, ""
    )  # fmt: skip
    assert subjects(subscription)[-1] == "Welcome back: paid until 25 July 2025"
    assert AuditEvent.objects.filter(action="firm_reactivated", firm=row.firm).count() == 1
    [order] = PaymentOrder.objects.filter(kind="manual")
    assert (order.card_saved, order.card_mask[-4:]) == (True, "0100")


def test_never_opens_what_a_person_has_closed(bank: Sandbox) -> None:
    subscription = subscriber()
    manual(subscription, bank)
    with on("2025-06-25"):
        suspend(subscription=subscription, reason="Spam", by=operator(), clock=now())
        call_back(bank, "bog-manual")
        work_inbox()
    assert stands(subscription) == ("suspended", "2025-07-25", "suspended")


def test_counts_a_payment_by_hand_as_a_wish_to_stay(bank: Sandbox) -> None:
    subscription = subscriber(cancel_at_period_end=True, expires_on=date(2025, 6, 30))
    manual(subscription, bank)
    with on("2025-06-25"):
        call_back(bank, "bog-manual")
        work_inbox()
    row = fresh(subscription)
    assert (row.cancel_at_period_end, str(row.expires_on)) == (False, "2025-07-30")


def test_touches_no_neighbour(bank: Sandbox, charged: Subscription) -> None:
    neighbour = subscriber("neighbour")
    saved_card(neighbour, bank)
    settle(bank, last_renewal(charged))
    with neighbour_untouched(neighbour.firm):
        answer(bank, charged)
    assert stands(charged) == PAID


# ---- not believed ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"forged": True}, {"altered": True, "industry": "evil"}])
def test_with_a_bad_signature_is_turned_away(
    bank: Sandbox, charged: Subscription, how: dict[str, Any]
) -> None:
    settle(bank, last_renewal(charged))
    [status] = answer(bank, charged, **how)
    assert 400 <= status < 500
    assert stands(charged) == UNPAID
    assert not WebhookEvent.objects.exists()
    assert WebhookRefusal.objects.filter(reason="bad_signature").exists()


def test_about_another_amount_extends_nothing_and_alerts(
    bank: Sandbox, charged: Subscription
) -> None:
    someone = operator()
    settle(bank, last_renewal(charged), amount="0.01")
    answer(bank, charged)
    answer(bank, charged)
    assert stands(charged) == UNPAID
    order = last_renewal(charged)
    assert (order.status, order.applied_at) == ("unknown", None)
    [notification] = Notification.objects.filter(type="subscription_alert")
    assert notification.recipient_user == someone
    assert notification.context["what"] == "The bank received 0.01 GEL instead of 59.00 GEL."
    event = AuditEvent.objects.get(action="payment_order_mismatch")
    assert (event.firm, event.object_id) == (None, str(order.pk))


def test_about_somebody_elses_order_extends_nothing(
    bank: Sandbox, charged: Subscription
) -> None:
    operator()
    stranger = subscriber("stranger")
    with on("2025-06-10"):
        bank.bog.add_saved_card("bog-other", amount="59.00", external_id="other")
        call_back(bank, "bog-other", external_order_id=last_renewal(charged).external_order_id)
        work_inbox()
    assert (stands(charged), stands(stranger)) == (UNPAID, UNPAID)
    assert last_renewal(charged).status == "unknown"


def test_about_nothing_of_ours_is_ignored(bank: Sandbox) -> None:
    bank.bog.add_saved_card("bog-other", amount="59.00")
    call_back(bank, "bog-other")
    work_inbox()
    assert [event.status for event in WebhookEvent.objects.all()] == ["ignored"]


def test_that_is_no_order_of_the_bank_waits_for_another_try(
    bank: Sandbox, charged: Subscription
) -> None:
    bank.bog.misbehave("error_before", method="GET", count=None)
    settle(bank, last_renewal(charged))
    answer(bank, charged)
    assert [event.status for event in WebhookEvent.objects.all()] == ["received"]
    assert stands(charged) == UNPAID


# ---- refunds --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "status", "kind"),
    [("", "refunded", "refunded"), ("10.00", "completed", "refunded_partially")],
)
def test_of_a_refund_shortens_nothing_and_opens_an_issue(
    bank: Sandbox, charged: Subscription, amount: str, status: str, kind: str
) -> None:
    operator()
    order = last_renewal(charged)
    settle(bank, order)
    answer(bank, charged)
    bank.bog.refund(order.bog_order_id, amount)
    answer(bank, charged)
    answer(bank, charged)
    assert stands(charged) == PAID
    assert last_renewal(charged).status == status
    [issue] = Discrepancy.objects.all()
    assert (issue.source, issue.kind, issue.status) == ("bog", kind, "open")
    assert issue.subject_key == order.bog_order_id
    assert told(charged).count("alert") == 1


def test_of_a_refund_that_we_never_knew_as_paid_is_not_charged_again(
    bank: Sandbox, charged: Subscription
) -> None:
    order = last_renewal(charged)
    settle(bank, order)
    bank.bog.refund(order.bog_order_id)
    answer(bank, charged)
    with on("2025-06-12"):
        charge()
    assert [one.status for one in charged.orders.filter(kind="renewal")] == ["refunded"]
    assert stands(charged) == UNPAID


# ---- late -----------------------------------------------------------------------------------


def test_that_pays_a_failed_order_still_counts(bank: Sandbox) -> None:
    subscription = subscriber()
    order = manual(subscription, bank)
    PaymentOrder.objects.filter(pk=order.pk).update(status="failed", failure_code="expiration")
    with on("2025-06-12"):
        call_back(bank, "bog-manual")
        work_inbox()
    assert stands(subscription) == PAID


def test_that_pays_a_cycle_twice_is_left_to_a_person(
    bank: Sandbox, charged: Subscription
) -> None:
    operator()
    first = last_renewal(charged)
    PaymentOrder.objects.filter(pk=first.pk).update(status="failed", failure_code="107")
    with on("2025-06-11"):
        charge()
    second = last_renewal(charged)
    assert second.pk != first.pk
    settle(bank, first)
    with on("2025-06-11"):
        call_back(bank, first.bog_order_id)
        work_inbox()
    assert stands(charged) == UNPAID
    assert AuditEvent.objects.filter(action="payment_order_paid_twice").count() == 1
    settle(bank, second)
    with on("2025-06-11"):
        call_back(bank, second.bog_order_id)
        work_inbox()
    assert stands(charged) == PAID


def test_reaches_suspended_firms_too(bank: Sandbox, charged: Subscription) -> None:
    settle(bank, last_renewal(charged))
    Firm.objects.filter(pk=charged.firm_id).update(
        status="suspended", suspension_reason="unpaid"
    )
    answer(bank, charged)
    assert stands(charged) == PAID
