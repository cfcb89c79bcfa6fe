"""Batches: bulk statements for many items, and only the bad one is left out."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from apps.contacts.models import Contact
from apps.core.reports import Item, Outcome, Report, Subject
from apps.core.watching import Stop
from tests.jobs.work import (
    SECRET,
    Reason,
    contacts,
    greet,
    greeted,
)

pytestmark = pytest.mark.django_db


def in_batches(
    things: Sequence[Contact], size: int, act: Callable[..., None], **how: Any
) -> Report:
    report = Report(dry_run=how.pop("dry_run", False))
    report.attempt_each(things, act, subject=Subject.of, size=size, **how)
    return report


def test_a_bad_item_sends_only_its_own_batch_back() -> None:
    people = contacts("", "", "raises", "", "", "")
    sizes: list[int] = []

    def act(items: Sequence[Item[Contact]]) -> None:
        sizes.append(len(items))
        for item in items:
            greet(item)

    report = in_batches(people, 2, act)
    assert sizes == [2, 2, 1, 1, 2]
    assert (report.done, report.failed) == (5, 1)


def test_a_batch_of_one_is_done_once() -> None:
    calls: list[int] = []
    in_batches(contacts("raises"), 2, lambda items: calls.append(len(items)))
    assert calls == [1]


def test_what_was_committed_goes_on_to_its_call() -> None:
    people = contacts("", "skips", "raises", "")
    called: list[str] = []

    def then(items: Sequence[Item[Contact]]) -> None:
        assert all(item.committed for item in items)
        called.extend(item.subject.label for item in items)

    in_batches(people, 2, lambda items: [greet(i) for i in items], then=then)  # type: ignore[arg-type, return-value]
    assert called == ["A", "D"]


def test_a_dry_run_makes_no_call() -> None:
    called: list[int] = []
    in_batches(
        contacts("", ""), 2, lambda items: None, then=lambda i: called.append(1), dry_run=True
    )
    assert called == []


def test_a_failed_call_fails_its_items_but_not_the_run() -> None:
    people = contacts("", "", "")

    def then(items: Sequence[Item[Contact]]) -> None:
        if items[0].subject.label == "A":
            items[1].decline(Reason.AWAY, "B: does not want to")
            raise ConnectionError(SECRET)

    report = in_batches(people, 2, lambda items: [greet(i) for i in items], then=then)  # type: ignore[arg-type, return-value]
    assert report.counts == {Outcome.FAILED: 2, Outcome.DONE: 1}
    assert greeted() == ["A", "B", "C"]


def test_a_stop_during_a_call_still_counts_what_was_committed() -> None:
    people = contacts("", "")
    report = Report()

    def then(items: Sequence[Item[Contact]]) -> None:
        raise Stop("Enough")

    with pytest.raises(Stop):
        report.attempt_each(
            people,
            lambda items: [greet(i) for i in items],  # type: ignore[arg-type, return-value]
            subject=Subject.of,
            then=then,
        )
    assert report.done == 2
