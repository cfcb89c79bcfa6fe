"""Retention ends sign-ins that were over long ago."""

import pytest
from django.contrib.sessions.models import Session

from apps.firms.models import Firm, LegalHold, User, UserSession
from tests.factories import FirmFactory, LegalHoldFactory, MembershipFactory
from tests.privacy.expiring import DAY, NOW, figures, is_there, policy, run, session

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    firm: Firm = FirmFactory()
    policy(firm, "sessions", 30)
    return firm


@pytest.fixture
def other() -> Firm:
    other: Firm = FirmFactory()
    policy(other, "sessions", 60)
    return other


@pytest.fixture
def alice(firm: Firm, other: Firm) -> User:
    """She works for both, and is signed in for neither."""
    user: User = MembershipFactory(firm=firm).user
    MembershipFactory(firm=other, user=user)
    return user


def test_the_session_itself_goes_with_its_record(firm: Firm) -> None:
    over = session(firm)
    recent = session(firm, NOW - 30 * DAY)
    run()
    assert not UserSession.objects.filter(pk=over.pk).exists()
    assert [row.session_key for row in Session.objects.all()] == [recent.session_key]


# ---- of people in several firms -----------------------------------------------------------


def test_waits_for_a_run_over_all_firms(firm: Firm, other: Firm, alice: User) -> None:
    shared = session(None, user=alice)
    for one in (firm, other):
        assert "Records processed: 0\n" in run(firm_id=one.pk)
    assert is_there(shared)
    assert "Records processed: 1\n" in run()
    assert not is_there(shared)


@pytest.mark.parametrize(("age", "kept"), [(45, True), (60, True), (62, False)])
def test_goes_when_the_firm_that_keeps_longest_says_so(
    other: Firm, alice: User, age: int, kept: bool
) -> None:
    shared = session(None, NOW - age * DAY, user=alice)
    run(data_type="sessions")
    assert is_there(shared) is kept
    assert figures(firm=other) == [("sessions", 1 - kept, 0, 0)]


def test_is_counted_once_in_a_dry_run(firm: Firm, alice: User) -> None:
    session(None, user=alice)
    assert "Records that would be processed: 1\n" in run(dry_run=True)


@pytest.mark.parametrize("of", ["firm", "user"])
@pytest.mark.parametrize("decides", [True, False], ids=["where_it_is_kept", "elsewhere"])
def test_is_kept_by_a_hold_in_any_of_the_firms(
    firm: Firm, other: Firm, alice: User, of: str, decides: bool
) -> None:
    shared, bobs = session(None, user=alice), session(firm)
    where = other if decides else firm
    if of == "user":
        LegalHoldFactory(firm=where, subject_type=LegalHold.Subject.USER, subject_id=alice.pk)
    else:
        LegalHoldFactory(firm=where)
    run()
    assert is_there(shared)
    assert is_there(bobs) is (of == "firm" and not decides)


def test_of_somebody_in_no_firm_stays_with_the_platform(firm: Firm) -> None:
    operators = session(None)
    run()
    assert is_there(operators)


def test_is_no_business_of_a_firm_that_is_suspended(
    firm: Firm, other: Firm, alice: User
) -> None:
    Firm.objects.filter(pk=other.pk).update(status="suspended")
    shared = session(None, NOW - 45 * DAY, user=alice)
    run()
    assert not is_there(shared)
