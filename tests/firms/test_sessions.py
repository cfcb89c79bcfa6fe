"""A sign-in …"""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.firms.models import User, UserSession
from apps.firms.services import sign_out
from tests.factories import PASSWORD, MembershipFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 9, 0, tzinfo=UTC)
A_FORTNIGHT = timedelta(days=14)
MINUTE = timedelta(minutes=1)


def at(moment: datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


@pytest.fixture
def alice() -> User:
    user: User = MembershipFactory(user__username="alice").user
    return user


def come(user: User, *, when: datetime = NOW, browser: Client | None = None) -> Client:
    """Sign somebody in at the admin's door, in a browser of their own."""
    browser = browser or Client()
    form = {"username": user.username, "password": PASSWORD}
    with at(when):
        assert browser.post(reverse("admin:login"), form).status_code == 302
    return browser


def visit(browser: Client, when: datetime) -> bool:
    """Go to the admin; returns whether one is still signed in."""
    with at(when):
        return browser.get(reverse("admin:index")).status_code == 200


def recorded(user: User) -> UserSession:
    return UserSession.objects.get(user=user)


# ---- is written down ------------------------------------------------------------------------


def test_is_written_down_with_its_firm_and_its_end(alice: User) -> None:
    browser = come(alice)
    row = recorded(alice)
    assert row.session_key == browser.session.session_key
    assert row.firm == alice.memberships.get().firm
    assert (row.last_activity_at, row.expires_at) == (NOW, NOW + A_FORTNIGHT)
    assert Session.objects.get(pk=row.session_key).expire_date == row.expires_at


def test_is_written_down_at_the_owners_door_too() -> None:
    owner = MembershipFactory(user__is_staff=False, roles=["owner"])
    form = {"username": owner.user.username, "password": PASSWORD}
    Client().post(reverse("subscriptions:sign-in"), form)
    assert recorded(owner.user).firm == owner.firm


def test_names_no_firm_where_somebody_works_for_several_or_none(alice: User) -> None:
    MembershipFactory(user=alice)
    come(alice)
    assert recorded(alice).firm is None
    alice.memberships.update(is_active=False)
    Session.objects.all().delete()
    come(alice, when=NOW + A_FORTNIGHT)
    assert recorded(alice).firm is None


def test_forgets_the_firm_that_somebody_has_left(alice: User) -> None:
    left = MembershipFactory(user=alice, is_active=False)
    come(alice)
    assert recorded(alice).firm == alice.memberships.exclude(pk=left.pk).get().firm


def test_as_somebody_else_in_the_same_browser_is_theirs(alice: User) -> None:
    bob = MembershipFactory().user
    browser = come(bob, browser=come(alice))
    assert recorded(bob).session_key == browser.session.session_key
    assert visit(browser, NOW + MINUTE)


# ---- goes on --------------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "noted"), [(0, 0), (4, 0), (5, 5), (90, 90)])
def test_is_noted_again_at_most_every_five_minutes(
    alice: User, minutes: int, noted: int
) -> None:
    browser = come(alice)
    assert visit(browser, NOW + minutes * MINUTE)
    assert recorded(alice).last_activity_at == NOW + noted * MINUTE
    with CaptureQueriesContext(connection) as captured:
        visit(browser, NOW + (minutes + 1) * MINUTE if noted else NOW)
    assert not [one["sql"] for one in captured if "usersession" in one["sql"]]


def test_ends_after_a_fortnight_however_busy_somebody_is(alice: User) -> None:
    browser = come(alice)
    for day in range(1, 14):
        assert visit(browser, NOW + timedelta(days=day))
    assert recorded(alice).expires_at == NOW + A_FORTNIGHT
    assert not visit(browser, NOW + A_FORTNIGHT)


def test_lasts_a_fortnight_anew_when_it_is_repeated(alice: User) -> None:
    browser = come(alice)
    come(alice, when=NOW + timedelta(days=10), browser=browser)
    assert recorded(alice).expires_at == NOW + timedelta(days=24)
    assert visit(browser, NOW + timedelta(days=20))


def test_stays_known_when_the_password_changes(alice: User) -> None:
    browser = come(alice)
    before = browser.session.session_key
    new = "a-longer-battery-horse"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    with at(NOW + MINUTE):
        browser.post("/admin/password_change/", form)
    assert recorded(alice).session_key == browser.session.session_key != before


def test_that_nobody_has_written_down_is_with_the_next_visit(alice: User) -> None:
    browser = come(alice)
    UserSession.objects.all().delete()
    assert visit(browser, NOW + 5 * MINUTE)
    assert recorded(alice).session_key == browser.session.session_key


# ---- ends -----------------------------------------------------------------------------------


def test_is_forgotten_when_its_owner_leaves(alice: User) -> None:
    bob = MembershipFactory().user
    browser, _ = come(alice), come(bob)
    with at(NOW):
        browser.post(reverse("admin:logout"))
    assert [row.user for row in UserSession.objects.all()] == [bob]


def test_that_is_ended_really_is(alice: User) -> None:
    bob = MembershipFactory().user
    browser, second, neighbour = come(alice), come(alice), come(bob)
    sign_out(sessions=alice.sign_ins.all())
    assert [visit(one, NOW + MINUTE) for one in (browser, second, neighbour)] == [
        False,
        False,
        True,
    ]
    assert [row.user for row in UserSession.objects.all()] == [bob]


def test_clears_away_ones_own_that_are_over(alice: User) -> None:
    bob = MembershipFactory().user
    come(alice)
    come(bob)
    late = come(alice, when=NOW + timedelta(days=1))
    new = come(alice, when=NOW + A_FORTNIGHT)
    assert set(alice.sign_ins.values_list("session_key", flat=True)) == {
        late.session.session_key,
        new.session.session_key,
    }
    assert recorded(bob).expires_at == NOW + A_FORTNIGHT
    assert Session.objects.count() == 3
