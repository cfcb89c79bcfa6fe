"""What the demo firms owe the platform (spec E3.3).

The cards are at the sandbox's bank, under the same orders (``fixtures/sandbox.json``).
"""

from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from apps.core.demo import World
from apps.firms.models import Firm
from apps.subscriptions.models import PaymentOrder, Plan, Subscription
from apps.subscriptions.services.statuses import Reached, Step, tell

_GRACE_DAYS = 7


def seed(world: World) -> None:
    """Make the subscriptions, the payments that saved a card, and mail that has gone out."""
    facts = world.fixture("subscriptions")
    plan, _ = Plan.objects.get_or_create(
        code=facts["plan"],
        defaults={"name": "Professional", "price_minor": 5_900, "currency": "GEL"},
    )
    firms = {firm.slug: firm for firm in Firm.objects.filter(is_demo=True)}
    for entry in facts["subscriptions"]:
        subscription = _subscription(world, firms[entry["firm"]], plan, entry)
        if "card" in entry:
            _saved_card(world, subscription, entry)
        if "urged_days_ago" in entry:
            day = subscription.firm.today(world.clock) - timedelta(days=entry["urged_days_ago"])
            tell([Reached(subscription, Step.URGENT, day, _GRACE_DAYS)])
    world.count("subscriptions", len(facts["subscriptions"]))


def _subscription(world: World, firm: Firm, plan: Plan, entry: dict[str, Any]) -> Subscription:
    expires_on = firm.today(world.clock) + timedelta(days=entry["expires_in_days"])
    overdue = entry["expires_in_days"] < 0
    return Subscription.objects.create(
        firm=firm,
        plan=plan,
        status=Subscription.Status.GRACE if overdue else Subscription.Status.ACTIVE,
        started_on=expires_on - timedelta(days=plan.period_count),
        expires_on=expires_on,
    )


def _saved_card(world: World, subscription: Subscription, entry: dict[str, Any]) -> None:
    """Make the first payment, as the bank knows it: it paid for the days that run now."""
    slug, plan = subscription.firm.slug, subscription.plan
    paid_at = world.clock.now - timedelta(days=plan.period_count - entry["expires_in_days"])
    PaymentOrder.objects.create(
        firm=subscription.firm,
        subscription=subscription,
        kind=PaymentOrder.Kind.INITIAL,
        external_order_id=f"demo-{slug}",
        bog_order_id=f"bog-demo-{slug}",
        amount_minor=entry.get("card_price_minor", plan.price_minor),
        currency=plan.currency,
        days=plan.period_count,
        status=PaymentOrder.Status.COMPLETED,
        card_saved=True,
        card_mask=entry["card"],
        idempotency_key=uuid5(NAMESPACE_URL, f"https://nightshift.example/demo/{slug}/order"),
        requested_at=paid_at,
        resolved_at=paid_at,
        applied_at=paid_at,
    )
