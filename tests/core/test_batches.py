"""Pages by key: every row once, whatever the loop does to the rows meanwhile."""

from typing import Any

import pytest

from apps.contacts.models import Contact
from apps.core.batches import batched, by_key
from tests.factories import ContactFactory, FirmFactory

pytestmark = pytest.mark.django_db


def make(count: int) -> list[int]:
    firm = FirmFactory()
    return [ContactFactory(firm=firm).pk for _ in range(count)]


@pytest.mark.parametrize(("rows", "queries"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_asks_once_per_page(rows: int, queries: int, django_assert_num_queries: Any) -> None:
    keys = make(rows)
    with django_assert_num_queries(queries):
        assert [row.pk for row in by_key(Contact.objects.all(), size=2)] == keys


def test_goes_by_key_whatever_the_order_was() -> None:
    keys = make(3)
    rows = Contact.objects.order_by("-pk")
    assert [row.pk for row in by_key(rows, size=2)] == keys


def test_misses_no_row_when_the_loop_empties_the_filter() -> None:
    keys = make(7)
    seen = []
    for row in by_key(Contact.objects.filter(locale=""), size=2):
        seen.append(row.pk)
        Contact.objects.filter(pk=row.pk).update(locale="en")
    assert seen == keys


def test_goes_on_when_the_loop_deletes_the_rows() -> None:
    keys = make(5)
    seen = []
    for row in by_key(Contact.objects.all(), size=2):
        seen.append(row.pk)
        row.delete()  # and forgets its key
    assert seen == keys


def test_meets_rows_that_are_added_behind_it_once() -> None:
    first, *_ = make(2)
    seen = []
    for row in by_key(Contact.objects.all(), size=2):
        seen.append(row.pk)
        if row.pk == first:
            late = ContactFactory(firm=row.firm).pk
    assert seen == [first, first + 1, late]


def test_leaves_out_rows_that_no_longer_match_when_their_page_comes() -> None:
    keys = make(4)
    seen = []
    for row in by_key(Contact.objects.filter(locale=""), size=2):
        seen.append(row.pk)
        Contact.objects.filter(pk=keys[-1]).update(locale="en")
    assert seen == keys[:3]


@pytest.mark.django_db(transaction=True)
def test_lets_the_loop_commit_between_rows() -> None:
    make(5)
    for row in by_key(Contact.objects.all(), size=2):
        Contact.objects.filter(pk=row.pk).update(locale="en")
    assert Contact.objects.filter(locale="en").count() == 5


def test_cuts_things_into_lists() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []
