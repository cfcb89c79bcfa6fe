"""The plans that a new platform begins with, as a new site begins with its permissions."""

from typing import Any

from django.apps import apps as registry

# Code, name, price in tetri for 30 days. The codes are the tiers of provision_firm.
FIRST_PLANS = (
    ("starter", "Starter", 2_900),
    ("professional", "Professional", 5_900),
    ("enterprise", "Enterprise", 14_900),
)


def offer_first_plans(*, using: str, apps: Any = registry, **rest: Any) -> None:
    """Make the first plans after a migration, if there are none at all.

    Prices are then changed in the admin and never here. ``apps`` is the registry as of the
    migration (``flush`` names none); before the table exists there is nothing to do.
    """
    try:
        plan = apps.get_model("subscriptions", "Plan")
    except LookupError:
        return
    plans = plan.objects.using(using)
    if not plans.exists():
        plans.bulk_create(
            plan(code=code, name=name, price_minor=price, currency="GEL")
            for code, name, price in FIRST_PLANS
        )
