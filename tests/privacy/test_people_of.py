"""people_of: which contacts are the same person as an account."""

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.core.personal import People
from apps.firms.models import Firm, User
from apps.privacy.services import people_of
from tests.factories import ContactFactory, FirmFactory, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

ADDRESS = "ada@example.com"
SHOWN = datetime(2025, 1, 2, 9, tzinfo=UTC)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory()


@pytest.fixture
def ada(firm: Firm) -> User:
    """Works at the firm; writes her address with capitals."""
    user: User = UserFactory(email="Ada@Example.com")
    MembershipFactory(firm=firm, user=user)
    return user


def contact(firm: Firm, **how: Any) -> int:
    return int(ContactFactory(firm=firm, **{"email": ADDRESS, **how}).pk)


def test_finds_the_contacts_that_are_linked_to_the_account(ada: User) -> None:
    here, there = (contact(FirmFactory(), user=ada, email="") for _ in range(2))
    assert people_of(ada) == People(frozenset({ada.pk}), frozenset({here, there}))


def test_finds_a_verified_address_within_the_same_firm(ada: User, firm: Firm) -> None:
    shown = contact(firm, email_verified_at=SHOWN)
    assert people_of(ada).contacts == {shown}


def test_leaves_out_an_address_that_nobody_has_verified(ada: User, firm: Firm) -> None:
    contact(firm)
    assert people_of(ada).contacts == set()


def test_leaves_out_a_verified_address_of_another_firm(ada: User) -> None:
    contact(FirmFactory(), email_verified_at=SHOWN)
    assert people_of(ada).contacts == set()


def test_leaves_out_a_contact_that_is_linked_to_somebody_else(ada: User, firm: Firm) -> None:
    contact(firm, email_verified_at=SHOWN, user=UserFactory())
    assert people_of(ada).contacts == set()


def test_finds_nobody_by_no_address(firm: Firm) -> None:
    nameless = UserFactory(email="")
    MembershipFactory(firm=firm, user=nameless)
    contact(firm, email="", email_verified_at=SHOWN)
    assert people_of(nameless).contacts == set()
