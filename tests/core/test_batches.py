"""Pages by key: every row once, whatever the loop does to the rows meanwhile."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.contacts.models import Contact
from apps.core.batches import EACH, batched, by_key, for_each, pages
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


@pytest.mark.parametrize(
    ("rows", "queries"),
    [(0, 1), (1, 1 + 1), (3, 1 + 2), (4, 1 + 2 + 1), (5, 1 + 2 + 1 + 1), (9, 3 + 5)],
)
def test_reads_keys_ahead_and_rows_page_by_page(
    rows: int, queries: int, django_assert_num_queries: Any
) -> None:
    keys = make(rows)
    with django_assert_num_queries(queries):
        found = list(pages(Contact.objects.order_by("-pk"), size=2, ahead=4))
    assert [row.pk for page in found for row in page] == keys
    assert all(len(page) <= 2 for page in found)


def test_leaves_rows_out_of_a_page_that_no_longer_match() -> None:
    keys = make(5)
    seen = []
    for page in pages(Contact.objects.filter(locale=""), size=2, ahead=4):
        seen += [row.pk for row in page]
        Contact.objects.filter(pk__in=keys[2:4]).update(locale="en")
    assert seen == [keys[0], keys[1], keys[4]]


def test_cuts_things_into_lists() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []


def test_asks_the_same_of_each_in_one_statement() -> None:
    for slug, names in (("alder", "abcd"), ("birch", "xy"), ("cedar", "z")):
        firm = FirmFactory(slug=slug)
        for name in names:
            ContactFactory(firm=firm, display_name=name)
    of_firm = Contact.objects.filter(firm__slug=EACH).only("display_name")
    last_two = of_firm.order_by("-display_name")[:2]
    with CaptureQueriesContext(connection) as asked:
        found = for_each(["alder", "birch", "nobody's"], last_two)
        assert sorted(one.display_name for one in found) == ["c", "d", "x", "y"]
    assert len(asked) == 1
    first = of_firm.order_by("display_name")[:1]
    once = Contact.objects.filter(display_name="y").only("display_name")
    told = for_each(["alder", "cedar"], first, last_two, once)
    assert sorted(one.display_name for one in told) == ["a", "c", "d", "y", "z", "z"]


def test_asks_nothing_for_nobody() -> None:
    with CaptureQueriesContext(connection) as asked:
        assert list(for_each([], Contact.objects.all())) == []
    assert len(asked) == 0
