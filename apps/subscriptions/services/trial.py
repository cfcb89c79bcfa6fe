"""How a new firm begins: with a trial of its tier's plan."""

from datetime import timedelta

from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.models import Firm
from apps.subscriptions.models import Plan, Subscription


def start_trial(*, firm: Firm, clock: Clock) -> Subscription:
    """Give a new firm a trial subscription of its tier's plan.

    It is free until the plan's trial days have passed on the firm's own calendar. Raises
    ``Problem`` when the tier has no plan.
    """
    plan = Plan.objects.filter(code=firm.tier).first()
    if plan is None:
        raise Problem(f"There is no plan for the tier '{firm.tier}'.")
    today = firm.today(clock)
    return Subscription.objects.create(
        firm=firm,
        plan=plan,
        status=Subscription.Status.TRIALING,
        started_on=today,
        expires_on=today + timedelta(days=plan.trial_days),
    )


def tiers() -> set[str]:
    """Return the tiers that a new firm can have: the codes of the plans."""
    return set(Plan.objects.values_list("code", flat=True))
