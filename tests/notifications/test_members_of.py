"""Whom a group means (spec D21)."""

from datetime import date

import pytest

from apps.core.problems import Problem
from apps.notifications.models import NotificationGroup
from apps.notifications.services import members_of
from tests.factories import ContactFactory, FirmFactory

pytestmark = pytest.mark.django_db

TODAY = date(2025, 3, 3)
Kind = NotificationGroup.Kind


def test_are_those_put_into_it_by_hand() -> None:
    ada, _ = ContactFactory.create_batch(2, firm=(firm := FirmFactory()))
    group = NotificationGroup.objects.create(firm=firm, name="Board")
    group.members.add(ada)

    assert list(members_of(group, today=TODAY)) == [ada]


def test_are_never_another_firms_contacts() -> None:
    firm, stranger = FirmFactory(), ContactFactory(phone="+15550101")
    ada = ContactFactory(firm=firm, phone="+15550100")
    by_hand = NotificationGroup.objects.create(firm=firm, name="Board")
    by_hand.members.add(ada, stranger)
    by_rule = NotificationGroup.objects.create(
        firm=firm, name="Phones", kind=Kind.DYNAMIC, rule="with_phone"
    )

    assert list(members_of(by_hand, today=TODAY)) == [ada]
    assert list(members_of(by_rule, today=TODAY)) == [ada]


def test_are_asked_of_the_rule_each_time() -> None:
    firm = FirmFactory()
    group = NotificationGroup.objects.create(
        firm=firm, name="Phones", kind=Kind.DYNAMIC, rule="with_phone"
    )
    assert not members_of(group, today=TODAY).exists()

    ada = ContactFactory(firm=firm, phone="+15550100")

    assert list(members_of(group, today=TODAY)) == [ada]


def test_are_nobody_who_was_erased() -> None:
    firm = FirmFactory()
    gone = ContactFactory(firm=firm, erased_at="2025-01-01T00:00Z")
    group = NotificationGroup.objects.create(firm=firm, name="Board")
    group.members.add(gone)

    assert not members_of(group, today=TODAY).exists()


def test_are_unknown_for_an_unknown_rule() -> None:
    group = NotificationGroup.objects.create(
        firm=FirmFactory(), name="Moon", kind=Kind.DYNAMIC, rule="on_the_moon"
    )

    with pytest.raises(Problem, match=r"^group 'Moon' has an unknown rule 'on_the_moon'$"):
        members_of(group, today=TODAY)
