"""The terms of a lease … (spec B3 "PropertyBillingConfig", D18, D19)."""

import json
from datetime import date

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.core.days import Clock
from apps.core.problems import Problem
from apps.leasing.models import Lease, PropertyBillingConfig
from apps.leasing.services import terms
from apps.leasing.services.milestones import Asked, Milestone, Steps
from tests.factories import BillingConfigFactory, LeaseFactory, PropertyFactory, UnitFactory
from tests.leasing.renting import at

pytestmark = pytest.mark.django_db


def grace(lease: Lease, day: date) -> int | None:
    config = terms.of_leases([lease])[lease.pk].on(day)
    return config.grace_days if config else None


@at("2025-03-10T12:00:00Z")
def test_come_from_the_lease_before_the_property_before_the_firm() -> None:
    lease = LeaseFactory()
    home = lease.unit.property
    assert grace(lease, date(2025, 3, 10)) is None
    BillingConfigFactory(firm=lease.firm, property=None, grace_days=1)
    assert grace(lease, date(2025, 3, 10)) == 1
    BillingConfigFactory(property=home, grace_days=2)
    assert grace(lease, date(2025, 3, 10)) == 2
    BillingConfigFactory(property=home, lease=lease, grace_days=3)
    assert grace(lease, date(2025, 3, 10)) == 3
    neighbour = LeaseFactory(unit=UnitFactory(property=home))
    assert grace(neighbour, date(2025, 3, 10)) == 2


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2023, 12, 31), None),
        (date(2024, 1, 1), 5),
        (date(2025, 2, 28), 5),
        (date(2025, 3, 1), 7),
        (date(2026, 1, 1), 7),
    ],
)
def test_change_on_the_day_a_new_version_begins(day: date, expected: int | None) -> None:
    lease = LeaseFactory()
    home = lease.unit.property
    BillingConfigFactory(property=home, grace_days=7, effective_from=date(2025, 3, 1))
    BillingConfigFactory(property=home, grace_days=5, effective_from=date(2024, 1, 1))
    assert grace(lease, day) == expected


def test_hold_from_the_day_it_is_at_the_property() -> None:
    lease = LeaseFactory(unit__property__timezone="America/Los_Angeles")
    BillingConfigFactory(property=lease.unit.property, effective_from=date(2025, 3, 1))
    with at("2025-03-01T07:59:00Z"):
        assert terms.effective([lease], clock=Clock.read()) == {}
    with at("2025-03-01T08:00:00Z"):
        assert lease.pk in terms.effective([lease], clock=Clock.read())


def test_are_never_those_of_another_firm() -> None:
    lease, other = LeaseFactory(), LeaseFactory()
    BillingConfigFactory(firm=other.firm, property=None, grace_days=9)
    assert grace(lease, date(2025, 3, 10)) is None
    assert grace(other, date(2025, 3, 10)) == 9


def test_cost_one_query_for_many_leases(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    leases = LeaseFactory.create_batch(5)
    for lease in leases:
        BillingConfigFactory(property=lease.unit.property)
    with django_assert_num_queries(1):
        assert len(terms.of_leases(leases)) == 5


# ---- grace --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "days", "business", "country", "end"),
    [
        (date(2025, 3, 1), 5, False, "US", date(2025, 3, 6)),
        (date(2024, 2, 26), 5, False, "US", date(2024, 3, 2)),
        (date(2025, 2, 26), 5, False, "US", date(2025, 3, 3)),
        (date(2025, 3, 1), 0, False, "US", date(2025, 3, 1)),
        (date(2025, 3, 3), 5, True, "US", date(2025, 3, 10)),  # Saturday
        (date(2025, 6, 29), 5, True, "US", date(2025, 7, 7)),  # Friday 4 July
        (date(2025, 6, 29), 5, True, "GB", date(2025, 7, 4)),
        (date(2025, 6, 29), 5, True, "", date(2025, 7, 4)),  # weekends only
        (date(2025, 6, 30), 5, True, "", date(2025, 7, 7)),
        (date(2025, 12, 20), 5, True, "GB", date(2025, 12, 29)),  # Christmas, Boxing Day
    ],
)
def test_end_the_grace_days_on_a_day_on_which_one_can_pay(
    due: date, days: int, business: bool, country: str, end: date
) -> None:
    config = PropertyBillingConfig(grace_days=days, next_business_day=business)
    assert terms.grace_end(config, due_date=due, country=country) == end


# ---- reminders ------------------------------------------------------------------------------


def test_list_the_usual_reminders_unless_they_say_otherwise() -> None:
    usual = ((3, 1), (1, 7, 30))
    assert terms.reminder_days(None) == usual
    assert terms.reminder_days(PropertyBillingConfig()) == usual
    own = PropertyBillingConfig(remind_days_before="2,10", remind_days_after="0,14,2")
    assert terms.reminder_days(own) == ((10, 2), (2, 14))


def test_refuse_a_list_of_days_that_cannot_be_read() -> None:
    with pytest.raises(Problem, match="'3,x' is no list of days"):
        terms.reminder_days(PropertyBillingConfig(remind_days_before="3,x"))


USUAL = Steps((3, 1), (1, 7, 30), Asked())
NO_WORD = None


@pytest.mark.parametrize(
    ("steps", "overdue", "name"),
    [
        (USUAL, -4, NO_WORD),
        (USUAL, -3, "before_3"),
        (USUAL, -2, "before_3"),
        (USUAL, -1, "before_1"),
        (USUAL, 0, "before_1"),
        (USUAL, 1, "after_1"),
        (USUAL, 6, "after_1"),
        (USUAL, 7, "after_7"),
        (USUAL, 20, "after_7"),
        (USUAL, 21, NO_WORD),
        (USUAL, 29, NO_WORD),
        (USUAL, 30, "after_30"),
        (USUAL, 44, "after_30"),
        (USUAL, 45, NO_WORD),
        (USUAL, 200, NO_WORD),
        (Steps((3, 1), (1, 7, 30), Asked(before=5)), -6, NO_WORD),
        (Steps((3, 1), (1, 7, 30), Asked(before=5)), -5, "before_5"),
        (Steps((3, 1), (1, 7, 30), Asked(before=5)), -3, "before_5"),
        (Steps((3, 1), (1, 7, 30), Asked(before=5)), -2, NO_WORD),
        (Steps((3, 1), (1, 7, 30), Asked(before=5)), 7, "after_7"),
        (Steps((3, 1), (1, 7, 30), Asked(before=0)), 0, "before_0"),
        (Steps((3, 1), (1, 7, 30), Asked(before=1)), 1, "after_1"),
        (Steps((3, 1), (1, 7, 30), Asked(after=10)), 9, NO_WORD),
        (Steps((3, 1), (1, 7, 30), Asked(after=10)), 10, "after_10"),
        (Steps((3, 1), (1, 7, 30), Asked(after=10)), 12, "after_10"),
        (Steps((3, 1), (1, 7, 30), Asked(after=10)), 13, NO_WORD),
        (Steps((3, 1), (1, 7, 30), Asked(after=10)), -1, "before_1"),
        (Steps((10,), (5,), Asked()), 4, NO_WORD),
        (Steps((10,), (5,), Asked()), 19, "after_5"),
    ],
)
def test_open_one_window_at_a_time(steps: Steps, overdue: int, name: str | None) -> None:
    reached = steps.reached(overdue)
    assert (reached.name if reached else None) == name


def test_know_which_steps_a_later_one_makes_pointless() -> None:
    earlier = USUAL.earlier(Milestone.of("after_7"))
    assert [one.name for one in earlier] == ["before_3", "before_1", "after_1"]


# ---- record ---------------------------------------------------------------------------------


def test_can_be_written_down_as_they_are() -> None:
    config = BillingConfigFactory(late_fee_percent="2.50", max_percent_of_rent="10.00")
    config.refresh_from_db()
    written = json.loads(json.dumps(terms.snapshot(config)))
    assert written["late_fee_percent"] == "2.50"
    assert written["effective_from"] == "2000-01-01"
    assert written["late_fee_minor"] == 5_000
    assert written["property_id"] == config.property_id
    assert written["max_fee_minor"] is None


def test_of_a_property_are_looked_up_by_its_own_firm() -> None:
    home = PropertyFactory()
    lease = LeaseFactory(unit=UnitFactory(property=home))
    BillingConfigFactory(property=home, firm=LeaseFactory().firm, grace_days=9)
    assert grace(lease, date(2025, 3, 10)) is None
