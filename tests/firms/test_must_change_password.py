"""Whoever must change their password … (spec C-33)."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.firms.models import User
from tests.factories import PASSWORD, MembershipFactory, SubscriptionFactory, UserFactory

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
    assert client.get(page)["Location"] == f"{HERE}?next={page}"


def test_can_do_nothing_before(client: Client, owner: User) -> None:
    answer = client.post("/admin/firms/firm/add/", {"name": "x"})
    assert (answer.status_code, answer.content) == (403, b"Change your password first.")


def test_meets_the_page_right_after_signing_in(client: Client) -> None:
    user = MembershipFactory(user__is_staff=True, user__must_change_password=True).user
    data = {"username": user.username, "password": PASSWORD, "next": "/admin/"}
    answer = client.post(reverse("admin:login"), data, follow=True)
    assert [where for where, _ in answer.redirect_chain][-1] == f"{HERE}?next=/admin/"
    assert b"Old password" in answer.content


def test_meets_it_at_the_owners_door_too_and_goes_on_from_there(client: Client) -> None:
    subscription = SubscriptionFactory()
    user = MembershipFactory(
        firm=subscription.firm,
        user__is_staff=False,
        user__must_change_password=True,
        roles=["owner"],
    ).user
    page = reverse("subscriptions:page", args=[subscription.pk])
    data = {"username": user.username, "password": PASSWORD, "next": page}
    answer = client.post(reverse("subscriptions:sign-in"), data, follow=True)
    assert [where for where, _ in answer.redirect_chain] == [page, f"{HERE}?next={page}"]
    assert b"Old password" in answer.content
    assert client.post(reverse("subscriptions:pay", args=[subscription.pk])).status_code == 403
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    answer = client.post(f"{HERE}?next={page}", form, follow=True)
    assert answer.redirect_chain == [(page, 302)]
    assert b"Your subscription" in answer.content


def test_is_never_sent_on_to_another_site(client: Client, owner: User) -> None:
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    answer = client.post(f"{HERE}?next=https://elsewhere.example/", form)
    assert answer["Location"] == reverse("admin:password_change_done")


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
