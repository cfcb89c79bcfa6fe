"""Who was erased is recognised by nothing but keyed hashes, and not brought back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from apps.contacts.models import Tombstone
from apps.contacts.services import bury, find_tombstones
from apps.firms.models import Firm
from tests.factories import FirmFactory

pytestmark = pytest.mark.django_db

Kind = Tombstone.Kind
NOW = datetime(2025, 2, 10, 12, tzinfo=UTC)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory()


def bury_bob(firm_id: int | None) -> None:
    former = {Kind.EMAIL: ["bob@example.com"], Kind.PHONE: ["+15551234567"]}
    bury(firm_id=firm_id, former=former, erased_at=NOW)


def found(firm: Firm | None, *values: str, kind: Tombstone.Kind = Kind.EMAIL) -> set[str]:
    return find_tombstones(firm_id=firm and firm.pk, kind=kind, values=values)


def test_somebody_is_found_by_their_address_or_number(firm: Firm) -> None:
    bury_bob(firm.pk)
    assert found(firm, "bob@example.com", "eve@example.com") == {"bob@example.com"}
    assert found(firm, " Bob@Example.COM ") == {" Bob@Example.COM "}
    assert found(firm, "+15551234567", kind=Kind.PHONE) == {"+15551234567"}
    assert found(firm, "bob@example.com", kind=Kind.DIRECTORY) == set()


def test_one_firm_says_nothing_to_another(firm: Firm) -> None:
    bury_bob(firm.pk)
    other = FirmFactory()
    assert found(other, "bob@example.com") == found(None, "bob@example.com") == set()
    bury_bob(other.pk)
    assert len(set(Tombstone.objects.values_list("digest", flat=True))) == 4


def test_who_was_erased_everywhere_is_found_in_every_firm(firm: Firm) -> None:
    bury_bob(None)
    assert found(firm, "bob@example.com") == found(None, "bob@example.com") != set()


def test_nobody_is_buried_twice(firm: Firm) -> None:
    for _ in range(2):
        bury_bob(firm.pk)
        bury_bob(None)
    assert Tombstone.objects.count() == 4


def test_nothing_readable_is_kept(firm: Firm) -> None:
    bury_bob(firm.pk)
    assert all(
        len(digest) == 64 for digest in Tombstone.objects.values_list("digest", flat=True)
    )


def test_is_found_after_the_key_has_changed(firm: Firm, settings: Settings) -> None:
    bury_bob(firm.pk)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-" * 5
    assert found(firm, "bob@example.com") == {"bob@example.com"}
    settings.SECRET_KEY_FALLBACKS = []
    assert found(firm, "bob@example.com") == set()


def test_many_are_asked_for_at_once(firm: Firm, django_assert_num_queries: Any) -> None:
    bury_bob(firm.pk)
    many = [f"user{number}@example.com" for number in range(300)]
    with django_assert_num_queries(1):
        assert found(firm, *many, "bob@example.com") == {"bob@example.com"}
