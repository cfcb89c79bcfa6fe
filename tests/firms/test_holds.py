"""holds_of: what must be kept because of a dispute, and what along with it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.core.personal import Holds
from apps.firms.models import Firm, LegalHold
from apps.firms.services import holds_of
from tests.factories import (
    ContactFactory,
    DocumentFactory,
    FirmFactory,
    LeaseFactory,
    LegalHoldFactory,
)

pytestmark = pytest.mark.django_db

Subject = LegalHold.Subject


@pytest.fixture
def firm() -> Firm:
    return FirmFactory()


def hold(firm: Firm, about: Any, **how: Any) -> LegalHold:
    label = about._meta.label_lower
    held: LegalHold = LegalHoldFactory(
        firm=firm, subject_type=label, subject_id=about.pk, **how
    )
    return held


def test_finds_what_is_held_in_the_firm(
    firm: Firm, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    contact, text = ContactFactory(firm=firm), DocumentFactory(firm=firm)
    hold(firm, contact)
    hold(firm, text)
    hold(FirmFactory(), ContactFactory())
    with django_assert_num_queries(1):
        holds = holds_of(firm.pk)
    assert holds == Holds(
        keys={
            "contacts.contact": frozenset({contact.pk}),
            "documents.document": frozenset({text.pk}),
        }
    )


def test_finds_nothing_that_was_released(firm: Firm) -> None:
    hold(firm, ContactFactory(firm=firm), released_at=datetime(2025, 3, 1, tzinfo=UTC))
    assert holds_of(firm.pk) == Holds()


def test_knows_when_the_whole_firm_is_held(firm: Firm) -> None:
    hold(firm, firm)
    assert holds_of(firm.pk) == Holds(everything=True)


def test_holds_the_people_and_the_agreement_of_a_held_lease(firm: Firm) -> None:
    text, guest = DocumentFactory(firm=firm), ContactFactory(firm=firm)
    lease = LeaseFactory(unit__property__firm=firm, agreement=text, renter=guest)
    LeaseFactory(unit__property__firm=firm, agreement=DocumentFactory(firm=firm))
    hold(firm, lease)
    holds = holds_of(firm.pk)
    assert holds.of("leasing.lease") == {lease.pk}
    assert holds.of("contacts.contact") == {guest.pk, lease.account.contact_id}
    assert holds.people.contacts == {guest.pk, lease.account.contact_id}
    assert holds.of("documents.document") == {text.pk}
