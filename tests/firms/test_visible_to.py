"""A firm is visible to … (spec D33)."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.firms.models import Firm, Role
from apps.firms.rights import staff_group
from tests.factories import ContactFactory, FirmFactory, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

STATUSES = {"trial": True, "active": True, "suspended": False, "closed": False}


@pytest.mark.parametrize(("status", "is_served"), STATUSES.items())
@pytest.mark.parametrize("role", Role)
def test_its_staff_while_it_is_served_and_to_its_owners_always(
    role: Role, status: str, is_served: bool
) -> None:
    FirmFactory(status=status)
    firm = FirmFactory(status=status)
    user = MembershipFactory(firm=firm, roles=[role]).user
    is_visible = is_served or role == Role.OWNER
    assert list(user.firms()) == [firm] * is_visible


@pytest.mark.parametrize("status", STATUSES)
def test_nobody_who_has_left(status: str) -> None:
    roles = [Role.OWNER]
    user = MembershipFactory(firm__status=status, is_active=False, roles=roles).user
    assert list(user.firms()) == []


def test_superusers_always() -> None:
    firms = {FirmFactory(status=status) for status in STATUSES}
    assert set(UserFactory(is_superuser=True).firms()) == firms


def test_an_owner_of_one_firm_no_longer_than_served_in_another() -> None:
    own = MembershipFactory(firm__status="suspended", roles=[Role.OWNER, Role.STAFF])
    MembershipFactory(firm__status="suspended", user=own.user, roles=[Role.ADMIN])
    served = MembershipFactory(user=own.user, roles=[Role.STAFF])
    assert list(own.user.firms().order_by("pk")) == [own.firm, served.firm]


@pytest.mark.parametrize(("role", "rows"), [(Role.OWNER, 1), (Role.ADMIN, 0)])
def test_its_owners_alone_in_the_admin_once_it_is_suspended(
    client: Client, role: Role, rows: int
) -> None:
    firm = FirmFactory()
    user = MembershipFactory(firm=firm, roles=[role]).user
    user.groups.add(staff_group())
    contact = ContactFactory(firm=firm)
    ContactFactory()
    client.force_login(user)
    page = reverse("admin:contacts_contact_changelist")
    assert list(client.get(page).context["cl"].result_list) == [contact]
    Firm.objects.filter(pk=firm.pk).update(status="suspended")
    assert client.get(page).context["cl"].result_count == rows
