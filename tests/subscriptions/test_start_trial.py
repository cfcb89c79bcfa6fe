"""start_trial …"""

import pytest

from apps.core.problems import Problem
from apps.firms.models import Firm
from apps.subscriptions.services import start_trial, tiers
from tests.factories import FirmFactory, PlanFactory
from tests.subscriptions.subscribing import at, now

pytestmark = pytest.mark.django_db


def new_firm(**how: object) -> Firm:
    firm: Firm = FirmFactory(status="trial", **how)
    return firm


@pytest.mark.parametrize(
    ("zone", "started", "expires"),
    [
        ("Asia/Tbilisi", "2025-06-11", "2025-06-25"),
        ("UTC", "2025-06-10", "2025-06-24"),
        ("Pacific/Honolulu", "2025-06-10", "2025-06-24"),
    ],
)
def test_begins_on_the_firms_own_date(zone: str, started: str, expires: str) -> None:
    with at("2025-06-10T21:00:00Z"):
        subscription = start_trial(firm=new_firm(timezone=zone), clock=now())
    assert subscription.status == "trialing"
    assert (str(subscription.started_on), str(subscription.expires_on)) == (started, expires)


def test_takes_the_plan_of_the_tier() -> None:
    plan = PlanFactory(code="gold", trial_days=30)
    with at("2025-06-10T12:00:00Z"):
        subscription = start_trial(firm=new_firm(tier="gold"), clock=now())
    assert subscription.plan == plan
    assert str(subscription.expires_on) == "2025-07-10"


def test_refuses_a_tier_without_a_plan() -> None:
    with pytest.raises(Problem, match=r"^There is no plan for the tier 'lead'\.$"):
        start_trial(firm=new_firm(tier="lead"), clock=now())


def test_knows_the_tiers_there_are() -> None:
    PlanFactory(code="gold")
    assert {"starter", "professional", "enterprise", "gold"} <= tiers()
