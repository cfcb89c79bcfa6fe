"""Which billing terms hold for a lease on a day, and what follows from them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import holidays
from django.db.models import Q

from apps.core.days import DAY, Clock, read_days
from apps.leasing.models import Lease, PropertyBillingConfig

DAYS_BEFORE = (3, 1)  # of the due date; the most distant first (spec D19)
DAYS_AFTER = (1, 7, 30)


@dataclass(frozen=True, slots=True)
class Terms:
    """Every version of a lease's terms: its own, its property's, its firm's."""

    levels: tuple[Sequence[PropertyBillingConfig], ...]  # most specific first, each by day

    def on(self, day: date) -> PropertyBillingConfig | None:
        """Return the version in force on a day: lease beats property beats firm."""
        for versions in self.levels:
            for config in reversed(versions):
                if config.effective_from <= day:
                    return config
        return None


def of_leases(leases: Sequence[Lease]) -> dict[int, Terms]:
    """Return the terms of some leases, by lease. One query."""
    rows = PropertyBillingConfig.objects.filter(
        Q(lease__in={lease.pk for lease in leases})
        | Q(lease=None, property__in={lease.unit.property_id for lease in leases})
        | Q(lease=None, property=None, firm__in={lease.firm_id for lease in leases})
    )
    by_place = defaultdict(list)
    for row in rows.order_by("effective_from"):
        place = (row.firm_id, None if row.lease_id else row.property_id, row.lease_id)
        by_place[place].append(row)
    return {
        lease.pk: Terms(
            (
                by_place.get((lease.firm_id, None, lease.pk), ()),
                by_place.get((lease.firm_id, lease.unit.property_id, None), ()),
                by_place.get((lease.firm_id, None, None), ()),
            )
        )
        for lease in leases
    }


def effective(leases: Sequence[Lease], *, clock: Clock) -> dict[int, PropertyBillingConfig]:
    """Return the terms in force today, by lease; a lease without any is left out.

    Today is the property's. One query.
    """
    terms = of_leases(leases)
    found = {}
    for lease in leases:
        if config := terms[lease.pk].on(lease.unit.property.today(clock)):
            found[lease.pk] = config
    return found


def grace_end(config: PropertyBillingConfig, *, due_date: date, country: str) -> date:
    """Return the last day on which a payment is in time.

    The due date is not counted (C-17). Where the terms say so, a day on which banks are
    closed in the country (ISO 3166-1 alpha-2) moves the end to the next business day.
    """
    end = due_date + timedelta(days=config.grace_days)
    if config.next_business_day:
        while not _calendar(country).is_working_day(end):
            end += DAY
    return end


def reminder_days(
    config: PropertyBillingConfig | None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many days before and after the due date to remind, in order of time.

    Empty lists mean the usual ones. Raises ``Problem`` for a list that cannot be read.
    """
    if config is None:
        return DAYS_BEFORE, DAYS_AFTER
    before = read_days(config.remind_days_before) or set(DAYS_BEFORE)
    after = read_days(config.remind_days_after) or set(DAYS_AFTER)
    # The due date itself is the last day before.
    return tuple(sorted(before, reverse=True)), tuple(sorted(after - {0}))


def snapshot(config: PropertyBillingConfig) -> dict[str, Any]:
    """Return the terms as they are now, for the record: what JSON can hold."""
    fields = [field for field in config._meta.concrete_fields if field.name not in _UNSAID]
    values = {field.attname: getattr(config, field.attname) for field in fields}
    return {
        name: value if isinstance(value, (int, str, type(None))) else str(value)
        for name, value in values.items()
    }


_UNSAID = {"firm", "created_at", "updated_at"}


@lru_cache(maxsize=64)
def _calendar(country: str) -> holidays.HolidayBase:
    """Return a country's public holidays and weekend; of an unknown one only the weekend."""
    try:
        return holidays.country_holidays(country.upper())
    except NotImplementedError:
        return holidays.HolidayBase()
