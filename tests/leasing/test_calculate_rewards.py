"""calculate_rewards … (spec D24)."""

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connections

from apps.billing.models import AccountCredit, Invoice
from apps.billing.services import reverse_payment
from apps.core.days import Clock, add_months
from apps.core.problems import BadOption
from apps.firms.models import Firm
from apps.leasing.models import Lease, LeaseParty, RewardConfiguration, RewardGrant
from apps.leasing.services import calculate_rewards
from apps.notifications.models import Notification
from tests.factories import ContactFactory, LeaseFactory, PropertyFactory, UnitFactory
from tests.leasing.renting import at, home_with, pay, rent

pytestmark = pytest.mark.django_db

TODAY = "2025-06-10T18:00:00Z"
MAY = date(2025, 5, 1)


def programme(firm: Firm, **how: Any) -> RewardConfiguration:
    """Make a programme: by default $50.00 for 12 months in a row."""
    how = {
        "kind": "streak",
        "currency": "USD",
        "amount_minor": 5_000,
        "threshold": 12,
        "starts_on": date(2020, 1, 1),
    } | how
    return RewardConfiguration.objects.create(firm=firm, **how)


def months(lease: Lease, count: int, *, last: date = MAY, early: int = 0) -> list[Invoice]:
    """Make that many months of rent, the last one due on ``last``, each paid in time."""
    invoices = []
    for back in range(count - 1, -1, -1):
        due = add_months(last, -back)
        invoice = rent(lease=lease, due=due)
        pay(invoice, invoice.total_minor, on=due - timedelta(days=early))
        invoices.append(invoice)
    return invoices


@at(TODAY)
def test_grants_at_the_twelfth_month_and_not_before() -> None:
    lease = LeaseFactory()
    programme(lease.firm)
    months(lease, 11)
    assert calculate_rewards().tallies["granted"] == 0
    rent_of_2024 = rent(lease=lease, due=date(2024, 6, 1))
    pay(rent_of_2024, 150_000, on=date(2024, 6, 1))
    assert calculate_rewards().tallies["granted"] == 1
    assert calculate_rewards().tallies["granted"] == 0
    grant = RewardGrant.objects.get()
    assert (grant.covers_from, grant.covers_to) == (date(2024, 6, 1), MAY)
    lease.account.refresh_from_db()
    assert (grant.amount_minor, lease.account.credit_minor) == (5_000, 5_000)
    assert Notification.objects.get().type == "reward_granted"


@at(TODAY)
def test_counts_a_payment_on_the_due_date_and_none_after() -> None:
    lease = LeaseFactory()
    programme(lease.firm, threshold=3)
    months(lease, 2)
    march = rent(lease=lease, due=date(2025, 3, 1))
    pay(march, 100_000, on=date(2025, 3, 1))
    pay(march, 50_000, on=date(2025, 3, 2))  # the instalments end a day late
    assert calculate_rewards().tallies["granted"] == 0


@at(TODAY)
def test_can_count_the_grace_days_as_on_time() -> None:
    lease = LeaseFactory(unit=UnitFactory(property=home_with(grace_days=5)))
    programme(lease.firm, threshold=1, count_grace_as_on_time=True)
    invoice = rent(lease=lease, due=MAY)
    pay(invoice, 150_000, on=date(2025, 5, 6))
    assert calculate_rewards().tallies["granted"] == 1


@at(TODAY)
def test_counts_from_the_month_after_a_late_one() -> None:
    lease = LeaseFactory()
    programme(lease.firm, threshold=3)
    late = rent(lease=lease, due=date(2025, 1, 1))
    pay(late, 150_000, on=date(2025, 1, 20))
    months(lease, 4)
    calculate_rewards()
    grant = RewardGrant.objects.get()
    assert (grant.covers_from, grant.covers_to) == (date(2025, 2, 1), date(2025, 4, 1))


@at(TODAY)
def test_ends_a_streak_at_a_month_without_an_invoice() -> None:
    lease = LeaseFactory()
    programme(lease.firm, threshold=3)
    months(lease, 2)
    months(lease, 3, last=date(2025, 2, 1))  # nothing for March
    assert calculate_rewards().tallies["granted"] == 0


@at(TODAY)
def test_keeps_the_streak_through_a_renewal_on_a_new_unit() -> None:
    before = LeaseFactory(status=Lease.Status.ENDED, end_date=date(2025, 2, 28))
    home = before.unit.property
    after = LeaseFactory(
        unit=UnitFactory(property=home), account=before.account, start_date=date(2025, 3, 1)
    )
    LeaseParty.objects.filter(lease=after).update(contact=before.account.contact)
    programme(before.firm, threshold=5)
    months(before, 2, last=date(2025, 2, 1))
    months(after, 3)
    assert calculate_rewards().tallies["granted"] == 1


@at(TODAY)
def test_ignores_what_is_not_due_yet_and_skips_what_is_void() -> None:
    lease = LeaseFactory(due_day=15)
    programme(lease.firm, threshold=3)
    months(lease, 3, last=date(2025, 5, 15))
    rent(lease=lease, due=date(2025, 6, 15))
    void = rent(lease=LeaseFactory(account=lease.account, unit__property=lease.unit.property),
                due=date(2025, 4, 15))  # fmt: skip
    Invoice.objects.filter(pk=void.pk).update(status=Invoice.Status.VOID)
    assert calculate_rewards().tallies["granted"] == 1


@at(TODAY)
def test_repeats_every_n_months_where_the_programme_says_so() -> None:
    lease = LeaseFactory()
    programme(lease.firm, threshold=3, repeatable=True)
    months(lease, 7)
    assert calculate_rewards().tallies["granted"] == 2
    assert sorted(str(g.covers_from) for g in RewardGrant.objects.all()) == [
        "2024-11-01",
        "2025-02-01",
    ]


@at(TODAY)
def test_counts_only_months_from_the_start_of_the_programme() -> None:
    lease = LeaseFactory()
    programme(lease.firm, threshold=3, starts_on=date(2025, 4, 1))
    months(lease, 12)
    assert calculate_rewards().tallies["granted"] == 0


@pytest.mark.parametrize(("early", "granted"), [(30, 1), (29, 0)])
@at(TODAY)
def test_rewards_rent_paid_early(early: int, granted: int) -> None:
    lease = LeaseFactory()
    programme(lease.firm, kind="prepayment", threshold=30, amount_minor=1_500)
    months(lease, 1, early=early)
    assert calculate_rewards().tallies["granted"] == granted
    assert calculate_rewards().tallies["granted"] == 0


@at(TODAY)
def test_cuts_rewards_at_the_yearly_cap() -> None:
    lease = LeaseFactory()
    programme(
        lease.firm, threshold=1, repeatable=True, amount_minor=1_000, yearly_cap_minor=2_500
    )
    months(lease, 5)
    calculate_rewards()
    amounts = RewardGrant.objects.order_by("covers_from").values_list("amount_minor", flat=True)
    assert list(amounts) == [1_000, 1_000, 500]


@pytest.mark.parametrize("broken", [0, 11])
@at(TODAY)
def test_never_pays_a_month_twice_when_history_changes(broken: int) -> None:
    """A chargeback of month 1 or of month 12 flags the grant and earns no second one."""
    lease = LeaseFactory()
    programme(lease.firm)
    invoices = months(lease, 14)
    assert calculate_rewards().tallies["granted"] == 1
    now = Clock.read()
    reverse_payment(
        payment=invoices[broken].allocations.get().payment,
        now=now.now, today=date(2025, 6, 10), actor=None, reason="bounced",
    )  # fmt: skip
    assert calculate_rewards().tallies["granted"] == 0
    grant = RewardGrant.objects.get()
    assert (grant.needs_review, grant.state) == (True, "granted")


@at(TODAY)
def test_keeps_to_the_currency_and_the_property_of_a_programme() -> None:
    lease = LeaseFactory()
    elsewhere = PropertyFactory(firm=lease.firm)
    programme(lease.firm, threshold=1, currency="EUR")
    programme(lease.firm, threshold=1, property=elsewhere)
    months(lease, 3)
    assert calculate_rewards().tallies["granted"] == 0


@at(TODAY)
def test_leaves_the_neighbour_and_co_renters_alone() -> None:
    lease, neighbour = LeaseFactory(), LeaseFactory()
    LeaseParty.objects.create(
        firm=lease.firm, lease=lease, contact=ContactFactory(firm=lease.firm), role="co_renter"
    )
    programme(lease.firm, threshold=1)
    months(lease, 1)
    months(neighbour, 1)
    report = calculate_rewards()
    assert str(report) == ("Summary: Tenants checked: 2, Rewards granted: 1, Total: $50.00")
    assert [grant.contact for grant in RewardGrant.objects.all()] == [lease.account.contact]


@at(TODAY)
def test_checks_one_renter_when_asked() -> None:
    lease, other = LeaseFactory(), LeaseFactory()
    for one in (lease, other):
        programme(one.firm, threshold=1)
        months(one, 1)
    calculate_rewards(tenant=lease.account.contact_id)
    assert [grant.contact for grant in RewardGrant.objects.all()] == [lease.account.contact]
    with pytest.raises(BadOption, match=r"^Tenant with ID 9999 does not exist\.$"):
        calculate_rewards(tenant=9999)


@at(TODAY)
def test_leaves_no_trace_in_a_dry_run() -> None:
    lease = LeaseFactory()
    programme(lease.firm, threshold=1)
    months(lease, 1)
    assert calculate_rewards(dry_run=True).tallies["granted"] == 1
    lease.account.refresh_from_db()
    assert RewardGrant.objects.count() == AccountCredit.objects.count() == 0
    assert lease.account.credit_minor == Notification.objects.count() == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_credits_once_when_two_runs_meet() -> None:
    with at(TODAY):
        lease = LeaseFactory()
        programme(lease.firm, threshold=1)
        months(lease, 1)

    def run() -> None:
        try:
            calculate_rewards()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lease.account.refresh_from_db()
    assert RewardGrant.objects.count() == 1
    assert lease.account.credit_minor == 5_000
