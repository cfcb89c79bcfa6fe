"""reconcile_stripe --repair … (spec D3)"""

import pytest

from apps.billing.models import Payment
from sandbox import Sandbox
from tests.billing.collecting import Shop, open_shop
from tests.billing.reconciling import (
    DAY,
    NIGHT,
    issues,
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


def test_repairs_a_refund_and_a_dispute_of_one_payment_at_once(shop: Shop) -> None:
    invoice = overdue(shop)
    yesterday = (NIGHT - DAY).timestamp()
    intent = paid_there(
        shop, invoice, ago=3 * DAY, dispute={"at": yesterday},
        refunds=[{"amount": 50_000, "at": yesterday}],
    )  # fmt: skip
    paid_here(invoice, intent, ago=3 * DAY)
    shop.sandbox.core.log.reset()
    assert summary(reconcile(repair=True))[2:4] == [
        "Mismatches found: 2 (2 new)",
        "Mismatches repaired: 2",
    ]
    assert len(requests(shop, f"/v1/payment_intents/{intent}")) == 1
    assert sorted(issues(shop)) == [
        ("dispute_not_recorded", "repaired"),
        ("refund_not_recorded", "repaired"),
    ]
    invoice.refresh_from_db()
    assert (invoice.paid_minor, invoice.in_dispute) == (200_000, True)
    assert "Mismatches found: 0 (0 new)" in reconcile(NIGHT + DAY, repair=True)


def test_repairs_nothing_else(shop: Shop) -> None:
    wrong, twice = overdue(shop), overdue(shop)
    paid_here(wrong, paid_there(shop, wrong, 99_900))
    for ago in (2 * DAY, 3 * DAY):
        paid_here(twice, paid_there(shop, twice, ago=ago))
    before = list(Payment.objects.values())
    assert summary(reconcile(repair=True))[2:4] == [
        "Mismatches found: 2 (2 new)",
        "Mismatches repaired: 0",
    ]
    assert list(Payment.objects.values()) == before


def test_leaves_to_a_person_what_its_event_could_not_put_right(shop: Shop) -> None:
    invoice = overdue(shop)
    payment = paid_here(invoice, paid_there(shop, invoice))
    Payment.objects.filter(pk=payment.pk).update(status=Payment.Status.FAILED)
    said = reconcile(repair=True)
    assert "but local status is failed; a person has to look at it\n" in said
    assert issues(shop) == [(UNPAID, "open")]


def test_spares_the_others_when_one_cannot_be_repaired(shop: Shop) -> None:
    good, bad = overdue(shop), overdue(shop, number="INV-2025-009")
    paid_there(shop, good, ago=2 * DAY)
    intent = paid_there(shop, bad)
    shop.sandbox.stripe.misbehave(
        "error_before", method="GET", path=f"/v1/payment_intents/{intent}", count=None
    )
    said = reconcile(repair=True)
    assert "  ✗ INV-2025-009: Stripe gave no usable answer" in said
    assert summary(said)[2:5] == [
        "Mismatches found: 2 (2 new)",
        "Mismatches repaired: 1",
        "Errors: 1",
    ]
    assert sorted(status for _, status in issues(shop)) == ["open", "repaired"]
