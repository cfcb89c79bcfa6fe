"""Two runs compared: new, changed and gone items."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.console.comparing import Difference, comparable_to, compare
from apps.core.problems import BadOption
from apps.firms.models import Firm
from apps.jobs.models import JobRun
from tests.console.browsing import browser_of, content, rows_of, text_of, visit
from tests.console.test_run_page import many
from tests.console.world import NOW, a_run, an_item, someone, superuser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]

DAY = timedelta(days=1)


def with_items(run: JobRun, firm: Firm, **items: dict[str, Any]) -> JobRun:
    """Put items on a run's record, by the keys of their subjects."""
    for key, fields in items.items():
        said = {"subject_key": key, "subject_label": key, "recorded_at": run.started_at}
        an_item(run, firm, **said | {"action": "greet"} | fields)
    return run


def usd(minor: int) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": "USD"}


@pytest.fixture
def pair(ours: Firm) -> tuple[JobRun, JobRun]:
    before = with_items(
        a_run(NOW - DAY),
        ours,
        same=usd(100),
        bare={},
        dearer=usd(100),
        failing={},
        acting={},
        parted={"subject_part": "1"},
        gone={},
    )
    after = with_items(
        a_run(NOW),
        ours,
        same=usd(100),
        bare={},
        dearer=usd(150),
        failing={"outcome": "failed", "action": ""},
        acting={"action": "wave"},
        parted={"subject_part": "2"},
        fresh={},
    )
    return before, after


def test_finds_what_is_new_changed_and_gone(pair: tuple[JobRun, JobRun]) -> None:
    before, after = pair
    compared = compare(after, before)

    def named(kind: Difference) -> list[str]:
        return [item.subject_label for item in compared.page(kind).items]

    assert named(Difference.NEW) == ["parted", "fresh"]
    assert named(Difference.CHANGED) == ["dearer", "failing", "acting"]
    assert named(Difference.GONE) == ["parted", "gone"]


def test_shows_what_was_beside_what_is(pair: tuple[JobRun, JobRun]) -> None:
    before, after = pair
    browser = browser_of(superuser())
    page = visit(browser, "run-compare", after.pk, kind="changed")
    assert rows_of(page, 1) == [
        ["dearer contact", "✓ done $1.00 greet", "✓ done $1.50 greet", "Ours"],
        ["failing contact", "✓ done greet", "✗ failed", "Ours"],
        ["acting contact", "✓ done greet", "✓ done wave", "Ours"],
    ]
    assert rows_of(page, 0)[0][0] == f"before: {before}"
    tabs = content(page).select(".tabs a")
    assert [tab.get_text() for tab in tabs] == ["new", "changed", "gone"]
    page = visit(browser, "run-compare", after.pk, kind="gone")
    assert [row[0] for row in rows_of(page, 1)] == ["parted contact · 1", "gone contact"]


def test_leaves_other_runs_of_the_same_things_aside(pair: tuple[JobRun, JobRun]) -> None:
    before, after = pair
    ours = before.items.get(subject_key="gone").firm
    assert ours
    with_items(a_run(NOW - DAY / 2), ours, fresh={}, gone={})
    names = [i.subject_label for i in compare(after, before).page(Difference.NEW).items]
    assert names == ["parted", "fresh"]


def test_takes_the_last_run_of_the_same_kind() -> None:
    runs = JobRun.objects.all()
    first = a_run(NOW - 9 * DAY, arguments={"days_ago": 1})
    a_run(NOW - 8 * DAY, arguments={"firm_id": 3})
    a_run(NOW - 7 * DAY, dry_run=True)
    a_run(NOW - 6 * DAY, job="greet_crowds")
    a_run(NOW - 5 * DAY, state="busy")
    retry = a_run(NOW - 4 * DAY, retry_of=first)
    preview = a_run(NOW - 3 * DAY, dry_run=True)
    applied = a_run(NOW - 2 * DAY, preview=preview)
    run = a_run(NOW)
    assert comparable_to(run, runs) == first
    assert comparable_to(first, runs) is None
    assert comparable_to(retry, runs) == first
    assert comparable_to(applied, runs) == preview
    text = text_of(visit(browser_of(superuser()), "run-compare", first.pk))
    assert "There is no earlier run of greet_contacts like it to compare with." in text


def test_refuses_runs_of_different_jobs() -> None:
    one, other = a_run(), a_run(job="greet_crowds")
    with pytest.raises(BadOption, match="are runs of different jobs"):
        compare(one, other)
    page = visit(browser_of(superuser()), "run-compare", one.pk, **{"with": str(other.pk)})
    assert page.status_code == 404


def test_says_that_a_real_run_keeps_a_sample_only() -> None:
    a_run(NOW - DAY, done=1_001)
    after = a_run(NOW, done=1_000)
    text = text_of(visit(browser_of(superuser()), "run-compare", after.pk))
    assert "kept only the first 1,000 of its routine items" in text


def test_compares_for_a_firm_its_own_items_alone(ours: Firm, theirs: Firm) -> None:
    before = with_items(a_run(NOW - DAY), ours, ada={})
    after = with_items(a_run(NOW), ours, ada={}, eve={})
    with_items(after, theirs, bob={})
    page = visit(browser_of(someone("alice", firm=ours)), "run-compare", after.pk)
    assert [row[0] for row in rows_of(page, 1)] == ["eve contact"]
    assert str(before) in text_of(page)


def test_in_pages_and_in_as_many_queries_for_many(ours: Firm) -> None:
    before, after = a_run(NOW - DAY), a_run(NOW)
    many(after, ours, 250)
    browser = browser_of(superuser())
    address, seen = "", 0
    visit(browser, "run-compare", after.pk)
    while True:
        query = {"kind": "new"} | ({"after": address} if address else {})
        with CaptureQueriesContext(connection) as queries:
            page = visit(browser, "run-compare", after.pk, **query)
        assert len(queries) <= 12
        seen += len(rows_of(page, 1))
        link = content(page).select_one("a[rel=next]")
        if not link:
            break
        address = str(link["href"]).rpartition("after=")[2]
    assert seen == 250
    assert before.items.count() == 0
