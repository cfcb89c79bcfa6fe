"""Whoever must change their password … (spec C-33)."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.firms.models import User
from tests.factories import PASSWORD, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

HERE = "/admin/password_change/"
NEW = "a-longer-battery-horse"


@pytest.fixture
def owner(client: Client) -> User:
    user: User = MembershipFactory(user__is_staff=True, user__must_change_password=True).user
    client.force_login(user)
    return user


def change(client: Client, *, to: str = NEW, old: str = PASSWORD) -> int:
    data = {"old_password": old, "new_password1": to, "new_password2": to}
    return client.post(HERE, data).status_code


def must_change(user: User) -> bool:
    user.refresh_from_db()
    return user.must_change_password


@pytest.mark.parametrize("page", ["/admin/", "/admin/firms/firm/", "/admin/nowhere/", "/"])
def test_is_shown_where_to_do_it(client: Client, owner: User, page: str) -> None:
    assert client.get(page)["Location"] == HERE


def test_can_do_nothing_before(client: Client, owner: User) -> None:
    answer = client.post("/admin/firms/firm/add/", {"name": "x"})
    assert (answer.status_code, answer.content) == (403, b"Change your password first.")


def test_meets_the_page_right_after_signing_in(client: Client) -> None:
    user = MembershipFactory(user__is_staff=True, user__must_change_password=True).user
    data = {"username": user.username, "password": PASSWORD}
    answer = client.post(reverse("admin:login"), data, follow=True)
    assert [where for where, _ in answer.redirect_chain][-1] == HERE
    assert b"Old password" in answer.content


def test_is_let_in_afterwards(client: Client, owner: User) -> None:
    assert change(client) == 302
    assert not must_change(owner)
    assert owner.check_password(NEW)
    assert client.get("/admin/").status_code == 200


def test_cannot_keep_the_old_one(client: Client, owner: User) -> None:
    assert change(client, to=PASSWORD) == 200
    assert must_change(owner)


def test_must_know_the_old_one(client: Client, owner: User) -> None:
    assert change(client, old="a-guess") == 200
    assert must_change(owner)
    assert owner.check_password(PASSWORD)


def test_may_leave(client: Client, owner: User) -> None:
    assert client.post(reverse("admin:logout")).status_code == 200
    assert "_auth_user_id" not in client.session


def test_hinders_nobody_else(client: Client) -> None:
    client.force_login(UserFactory(is_staff=True))
    assert client.get("/admin/").status_code == 200
    assert change(client) == 302


def test_page_is_closed_to_strangers(client: Client) -> None:
    answer = client.get(HERE)
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))
