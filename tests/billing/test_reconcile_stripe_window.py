"""How far reconcile_stripe looks, and what it does when it cannot: it … (spec D3)"""

from datetime import timedelta

import pytest
from pytest_django import Settings

from apps.billing.models import Payment
from apps.core.fields import Secrets
from apps.discrepancies.models import Discrepancy, ReconciliationRun
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.billing.collecting import Shop, open_shop
from tests.billing.reconciling import (
    DAY,
    NIGHT,
    issues,
    only_issue,
    overdue,
    paid_here,
    paid_there,
    reconcile,
    requests,
    summary,
)

pytestmark = pytest.mark.django_db

UNPAID = "remote_paid_local_unpaid"


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return open_shop(sandbox, name="Acme Consulting")


# ---- how far back ---------------------------------------------------------------------------


def test_looks_back_as_far_as_the_setting_says(shop: Shop, settings: Settings) -> None:
    paid_there(shop, overdue(shop), ago=20 * DAY)
    settings.RECONCILE_DAYS = 10
    assert "Mismatches found: 0 (0 new)" in reconcile()
    settings.RECONCILE_DAYS = 35
    assert "Mismatches found: 1 (1 new)" in reconcile()


def test_asks_one_by_one_for_what_is_older_and_not_over(shop: Shop) -> None:
    invoices = [overdue(shop) for _ in range(4)]
    intents = [paid_there(shop, one, ago=50 * DAY, status="processing") for one in invoices]
    for invoice, intent in zip(invoices[:3], intents, strict=False):
        paid_here(invoice, intent, ago=50 * DAY, status=Payment.Status.PENDING)
    shop.sandbox.stripe.settle(intents[0])
    shop.sandbox.core.log.reset()
    assert "Mismatches found: 3 (3 new)" in reconcile()
    asked = [f"/v1/payment_intents/{intent}" for intent in intents[:3]]
    assert sorted(requests(shop, "/v1/payment_intents/")) == sorted(asked)
    assert sorted(issues(shop)) == [
        (UNPAID, "open"),
        ("stuck_processing", "open"),
        ("stuck_processing", "open"),
    ]


def test_finds_a_new_refund_of_an_old_payment(shop: Shop) -> None:
    invoice = overdue(shop)
    refunds = [{"amount": 10_000, "at": (NIGHT - 2 * DAY).timestamp()}]
    intent = paid_there(shop, invoice, ago=60 * DAY, refunds=refunds)
    paid_here(invoice, intent, ago=60 * DAY)
    reconcile()
    assert issues(shop) == [("refund_not_recorded", "open")]


def test_keeps_an_issue_open_when_its_payment_has_left_the_window(shop: Shop) -> None:
    paid_there(shop, overdue(shop))
    reconcile()
    later = NIGHT + 60 * DAY
    assert "Mismatches found: 1 (0 new)" in reconcile(later)
    assert only_issue(shop).status == "open"
    assert "Mismatches found: 1 (0 new)" in reconcile(later + DAY, repair=True)
    assert only_issue(shop).status == "repaired"


# ---- looks that break off -------------------------------------------------------------------


def test_resolves_nothing_when_a_list_breaks_off(shop: Shop) -> None:
    paid_there(shop, overdue(shop), ago=2 * DAY)
    reconcile()
    shop.sandbox.stripe.misbehave(
        "error_before", method="GET", path="/v1/payment_intents", count=None
    )
    said = reconcile(NIGHT + DAY)
    assert "  ✗ Acme Consulting: Stripe gave no usable answer" in said
    assert summary(said)[:1] == ["Firms reconciled: 0"]
    assert only_issue(shop).status == "open"
    assert list(
        ReconciliationRun.objects.order_by("pk").values_list("complete", flat=True)
    ) == [
        True,
        False,
    ]


def test_keeps_what_it_found_before_a_list_broke_off(shop: Shop) -> None:
    account = shop.customer()
    for number in range(101):
        paid_there(shop, overdue(shop, account=account), ago=timedelta(hours=1 + number))
    shop.sandbox.stripe.misbehave(
        "error_before", method="GET", path="/v1/payment_intents", nth=2, count=None
    )
    said = summary(reconcile())
    assert said[2:4] == ["Mismatches found: 100 (100 new)", "Errors: 1"]
    assert Discrepancy.objects.filter(firm=shop.firm).count() == 100


def test_is_not_complete_when_one_payment_cannot_be_asked_for(shop: Shop) -> None:
    invoice = overdue(shop)
    intent = paid_there(shop, invoice, ago=50 * DAY, status="processing")
    paid_here(invoice, intent, ago=50 * DAY, status=Payment.Status.PENDING)
    shop.sandbox.stripe.misbehave(
        "malformed", method="GET", path=f"/v1/payment_intents/{intent}", count=None
    )
    said = reconcile()
    assert "  ✗ Acme Consulting: Stripe gave no usable answer" in said
    assert ReconciliationRun.objects.get().complete is False


def test_never_shows_a_key(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    account = GatewayAccount.objects.get(firm=shop.firm)
    account.credentials = Secrets(secret_key="sk_test_never_to_be_seen")
    account.save()
    said = reconcile()
    assert "does not accept the secret key" in said
    assert "never_to_be_seen" not in said + caplog.text


def test_fails_a_firm_whose_account_has_no_key(shop: Shop) -> None:
    account = GatewayAccount.objects.get(firm=shop.firm)
    account.credentials = Secrets(webhook_secret="whsec")
    account.save()
    assert "  ✗ Acme Consulting: Stripe of Acme Consulting has no secret key.\n" in reconcile()
