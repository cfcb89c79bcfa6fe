"""In the outbox, a firm's staff see …"""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.firms.models import Firm, User
from apps.firms.rights import staff_group
from apps.notifications.models import (
    Notification,
    NotificationGroup,
    NotificationPreference,
)
from tests.factories import ContactFactory, FirmFactory, MembershipFactory, UserFactory
from tests.notifications import messages
from tests.notifications.outbox import say

pytestmark = pytest.mark.django_db

OUTBOX = reverse("admin:notifications_notification_changelist")


@pytest.fixture
def firm() -> Firm:
    return FirmFactory()


@pytest.fixture
def desk(client: Client, firm: Firm) -> Client:
    """The browser of somebody who works for the firm."""
    clerk = MembershipFactory(firm=firm).user
    clerk.groups.add(staff_group())
    client.force_login(clerk)
    return client


def operator(**how: Any) -> User:
    who: User = UserFactory(username="operator", is_staff=True, is_superuser=True, **how)
    return who


def tell(firm: Firm, who: User, type: messages.NotificationType = messages.RECEIPT) -> int:
    return say(who, type, firm_id=firm.pk).notification_id


def shown(desk: Client) -> set[int]:
    return {row.pk for row in desk.get(OUTBOX).context["cl"].result_list}


def test_what_is_said_to_contacts_and_to_colleagues(desk: Client, firm: Firm) -> None:
    contact, colleague = ContactFactory(firm=firm), MembershipFactory(firm=firm).user
    said = {say(contact).notification_id, tell(firm, colleague)}
    said.add(tell(firm, colleague, messages.FROM_US))
    neighbour = MembershipFactory()
    tell(neighbour.firm, neighbour.user)
    assert shown(desk) == said


def test_nothing_of_what_the_platform_tells_its_operators(desk: Client, firm: Firm) -> None:
    told = tell(firm, operator())
    answer = desk.get(OUTBOX, {"q": "operator"})
    assert answer.context["cl"].result_count == 0
    assert b"operator@" not in answer.content
    assert shown(desk) == set()
    for what in ("change", "history"):
        page = reverse(f"admin:notifications_notification_{what}", args=[told])
        assert desk.get(page).status_code == 302


def test_nothing_the_platform_tells_an_operator_who_works_there_too(
    desk: Client, firm: Firm
) -> None:
    who = operator()
    MembershipFactory(firm=firm, user=who)
    tell(firm, who, messages.FROM_US)
    by_the_firm = tell(firm, who, messages.RECEIPT)
    assert shown(desk) == {by_the_firm}


def test_nothing_to_somebody_of_another_firm(desk: Client, firm: Firm) -> None:
    left = MembershipFactory(firm=firm, is_active=False)
    tell(firm, left.user)
    tell(firm, MembershipFactory().user)
    assert shown(desk) == set()


def test_less_than_the_platforms_own_people(client: Client, firm: Firm) -> None:
    who = operator()
    tell(firm, who)
    tell(firm, who, messages.FROM_US)
    tell(FirmFactory(), who)
    client.force_login(who)
    assert shown(client) == set(Notification.objects.values_list("pk", flat=True))
    assert len(shown(client)) == 3


# ---- what staff write down ----------------------------------------------------------------

WISH = reverse("admin:notifications_notificationpreference_add")


def wish(contact: Contact, **changed: str) -> dict[str, str]:
    told = {"contact": str(contact.pk), "channel": "sms", "category": "", "wanted": "on"}
    return {**told, "how": "signed the form on 3 March", **changed}


def test_a_consent_that_they_were_given_and_how(desk: Client, firm: Firm) -> None:
    ada = ContactFactory(firm=firm)

    assert desk.get(WISH).status_code == 200
    assert desk.post(WISH, wish(ada)).status_code == 302
    assert desk.post(WISH, wish(ada, wanted="")).status_code == 302  # and taken back

    row = NotificationPreference.objects.get()
    page = reverse("admin:notifications_notificationpreference_change", args=[row.pk])
    assert desk.get(page).status_code == 200
    assert desk.post(page, wish(ada)).status_code == 403
    assert (row.firm, row.recipient_key) == (firm, f"contact:{ada.pk}")
    assert (row.channel, row.category, row.wanted) == ("sms", "", False)
    events = AuditEvent.objects.filter(action="notification_wish").order_by("pk")
    assert [one.changes["wanted"] for one in events] == [True, False]
    assert {(one.object_id, one.reason) for one in events} == {
        (str(ada.pk), "signed the form on 3 March")
    }


def test_no_consent_of_another_firms_contact_or_without_saying_how(
    desk: Client, firm: Firm
) -> None:
    assert desk.post(WISH, wish(ContactFactory())).status_code == 200
    assert desk.post(WISH, wish(ContactFactory(firm=firm), how="")).status_code == 200
    assert not NotificationPreference.objects.exists()


def test_a_group_by_a_rule_there_is(desk: Client, firm: Firm) -> None:
    add = reverse("admin:notifications_notificationgroup_add")
    told = {"firm": firm.pk, "name": "Phones", "kind": "dynamic"}

    assert desk.post(add, {**told, "rule": "made_up"}).status_code == 200
    assert desk.post(add, {**told, "kind": "static", "rule": "with_phone"}).status_code == 200
    assert desk.post(add, {**told, "rule": "with_phone"}).status_code == 302
    assert NotificationGroup.objects.get().rule == "with_phone"
