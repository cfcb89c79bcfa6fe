"""A firm's retention policies …"""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from apps.firms.models import Firm, RetentionPolicy, Role, User
from apps.firms.rights import staff_group
from apps.firms.services.baseline import keep_for_usual
from tests.admin.visiting import filled
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


# ---- the audit trail's floor --------------------------------------------------------------


def audit(firm: Firm) -> RetentionPolicy:
    return RetentionPolicy.objects.get(firm=firm, data_type="audit_logs")


def floor(client: Client, firm: Firm, days: int) -> int:
    """Let an owner set the firm's floor; returns the answer's status."""
    settings = firm.settings
    where = reverse("admin:firms_firmsettings_change", args=[settings.pk])
    return client.post(
        where, filled(client, where) | {"audit_retention_floor_days": days}
    ).status_code


@pytest.mark.parametrize(("days", "answer"), [(30, 200), (364, 200), (365, 302)])
def test_keep_audit_logs_for_a_year_at_least(
    client: Client, firm: Firm, days: int, answer: int
) -> None:
    client.force_login(person(firm, Role.OWNER))
    assert change(client, audit(firm), retention_days=days) == answer
    assert audit(firm).retention_days == (days if answer == 302 else 2555)


def test_keep_audit_logs_as_long_as_the_firm_must(client: Client, firm: Firm) -> None:
    client.force_login(person(firm, Role.OWNER))
    assert floor(client, firm, 1000) == 302
    assert change(client, audit(firm), retention_days=999) == 200
    assert change(client, audit(firm), retention_days=1000) == 302


def test_are_not_undermined_by_a_lower_floor(client: Client, firm: Firm) -> None:
    client.force_login(person(firm, Role.OWNER))
    assert floor(client, firm, 364) == 200


def test_come_first_when_the_floor_is_raised(client: Client, firm: Firm) -> None:
    client.force_login(person(firm, Role.OWNER))
    audit_policy = audit(firm)
    change(client, audit_policy, retention_days=400)
    assert floor(client, firm, 401) == 200
    assert floor(client, firm, 400) == 302


def test_of_another_firm_do_not_matter_to_the_floor(client: Client, firm: Firm) -> None:
    neighbour = FirmFactory()
    keep_for_usual(firm=neighbour)
    RetentionPolicy.objects.filter(firm=neighbour).update(retention_days=365)
    client.force_login(person(firm, Role.OWNER))
    assert floor(client, firm, 400) == 302


def test_are_neither_added_nor_deleted(client: Client, firm: Firm) -> None:
    client.force_login(person(firm, Role.OWNER))
    assert client.get(reverse("admin:firms_retentionpolicy_add")).status_code == 403
    gone = reverse("admin:firms_retentionpolicy_delete", args=[emails(firm).pk])
    assert client.post(gone, {"post": "yes"}).status_code == 403
