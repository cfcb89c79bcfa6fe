"""A firm's retention policies …"""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from apps.firms.models import Firm, RetentionPolicy, Role, User
from apps.firms.rights import staff_group
from apps.firms.services.baseline import keep_for_usual
from tests.factories import FirmFactory, MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    firm: Firm = FirmFactory()
    keep_for_usual(firm=firm)
    return firm


def person(firm: Firm, *roles: Role) -> User:
    user: User = MembershipFactory(firm=firm, roles=roles).user
    user.groups.add(staff_group())
    return user


def emails(firm: Firm) -> RetentionPolicy:
    return RetentionPolicy.objects.get(firm=firm, data_type="emails")


def change(client: Client, policy: RetentionPolicy, **data: Any) -> int:
    where = reverse("admin:firms_retentionpolicy_change", args=[policy.pk])
    typed = {"retention_days": 100, "action": "anonymise", "is_active": "on", **data}
    return client.post(where, typed).status_code


def test_are_changed_by_an_owner(client: Client, firm: Firm) -> None:
    client.force_login(person(firm, Role.OWNER))
    assert change(client, emails(firm)) == 302
    policy = emails(firm)
    assert (policy.retention_days, policy.action) == (100, "anonymise")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.STAFF])
def test_are_read_by_others(client: Client, firm: Firm, role: Role) -> None:
    client.force_login(person(firm, role))
    page = client.get(reverse("admin:firms_retentionpolicy_changelist"))
    cells = BeautifulSoup(page.content, "html.parser").select("td.field-retention_days")
    assert [cell.get_text() for cell in cells] == ["2555", "2555", "730", "30", "90"]
    assert change(client, emails(firm)) == 403
    assert emails(firm).retention_days == 730


def test_are_none_of_another_owners_business(client: Client, firm: Firm) -> None:
    client.force_login(person(FirmFactory(), Role.OWNER))
    assert change(client, emails(firm)) in {302, 403}
    assert emails(firm).retention_days == 730


def test_are_not_changed_by_an_owner_elsewhere_who_is_staff_here(
    client: Client, firm: Firm
) -> None:
    user = person(firm, Role.STAFF)
    MembershipFactory(user=user, roles=[Role.OWNER])
    client.force_login(user)
    assert change(client, emails(firm)) == 403


def test_keep_for_a_day_at_least(client: Client, firm: Firm) -> None:
    client.force_login(person(firm, Role.OWNER))
    assert change(client, emails(firm), retention_days=0) == 200
    assert emails(firm).retention_days == 730


def test_are_neither_added_nor_deleted(client: Client, firm: Firm) -> None:
    client.force_login(person(firm, Role.OWNER))
    assert client.get(reverse("admin:firms_retentionpolicy_add")).status_code == 403
    gone = reverse("admin:firms_retentionpolicy_delete", args=[emails(firm).pk])
    assert client.post(gone, {"post": "yes"}).status_code == 403
