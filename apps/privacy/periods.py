"""How long records are kept where nobody has said otherwise."""

from typing import Any

from django.apps import apps as registry

YEARS = 10
SOURCE = "Nightshift's default; checked for no country."


def keep_default_period(*, using: str, apps: Any = registry, **rest: Any) -> None:
    """Make the period for wherever no country is named after a migration, if there is none.

    It is no country's law: whoever serves firms of a country adds its own in the admin, with
    the law that says so. ``apps`` is the registry as of the migration (``flush`` names
    none); before the table exists there is nothing to do.
    """
    try:
        period = apps.get_model("privacy", "StatutoryPeriod")
    except LookupError:
        return
    facts = {"years": YEARS, "source": SOURCE}
    period.objects.using(using).get_or_create(country="", defaults=facts)
