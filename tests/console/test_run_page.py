"""The page of a run: it shows …"""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.console.items import WINDOW, Cursor, Filter, page_of
from apps.core import bulk
from apps.firms.models import Firm
from apps.jobs.models import JobRun, JobRunItem, JobRunLog
from apps.jobs.recorder import _COLUMNS
from tests import factories as make
from tests.console.browsing import (
    browser_of,
    content,
    last_run,
    messages_of,
    press,
    rows_of,
    text_of,
    visit,
    work_off,
)
from tests.console.world import NOW, a_run, an_item, granted, someone, superuser
from tests.jobs.work import GREET, contacts, run_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


def many(run: JobRun, firm: Firm, count: int, *, begin: int = 0, **fields: Any) -> None:
    said = {"subject_kind": "contacts.contact", "subject_part": "", "outcome": "done"}
    said |= {"action": "greet", "reason": "", "detail": "", "amount_minor": None}
    said |= {"currency": "", "run": run.pk, "firm": firm.pk} | fields
    bulk.insert(
        JobRunItem,
        _COLUMNS,
        [
            [
                (said | {"position": n, "subject_key": str(n), "subject_label": f"No. {n}"})[c]
                for c in _COLUMNS
            ]
            for n in range(begin, begin + count)
        ],
    )


# ---- what it shows --------------------------------------------------------------------------


def test_who_started_it_what_it_did_and_why_not_all(ours: Firm, theirs: Firm) -> None:
    contact = make.ContactFactory(firm=ours)
    run = a_run(
        state="partial",
        took=67,
        queued_at=NOW - timedelta(seconds=3),
        done=1,
        skipped=1,
        failed=1,
        money={"USD": 149_900, "EUR": 2_000},
        arguments={"days_ago": 3},
        problem="1 item(s) failed; see the log.",
        summary="Greeted: 1",
    )
    an_item(
        run, ours, subject_key=str(contact.pk), action="greet", amount_minor=500, currency="USD"
    )
    an_item(run, theirs, outcome="skipped", reason="away", detail="is away")
    an_item(run, theirs, outcome="failed", detail="the greeter is hoarse", subject_part="1")
    JobRunLog.objects.create(run=run, text="first line\nlast line")
    page = visit(browser_of(superuser()), "run", run.pk)
    text = text_of(page)
    for words in (
        "! partly failed 1 item(s) failed; see the log.",
        "1 ✓ done 1 - skipped 1 ✗ failed €20.00 moved $1,499.00 moved",
        "moved 1 min 7 s took 3.0 s waited",
        "Started 31 Mar 2025, 12:30 UTC (just now) Ended 31 Mar 2025, 12:31 UTC",
        "Started by schedule “greet_contacts”",
        "Arguments days_ago=3",
        "Greeted: 1",
        "first line\nlast line",
        "Retry 1 failed item",
    ):
        assert words.lower() in text.lower()
    assert rows_of(page) == [
        ["Contact of Ours contact", "✓ done", "greet", "$5.00", "Ours"],
        ["Contact of Theirs contact", "- skipped", "is away", "–", "Theirs"],
        ["Contact of Theirs contact · 1", "✗ failed", "the greeter is hoarse", "–", "Theirs"],
    ]
    link = content(page).select_one("table td a")
    assert link
    assert link["href"] == reverse("admin:contacts_contact_change", args=[contact.pk])


def test_progress_and_time_left_while_it_goes_on(ours: Firm) -> None:
    run = a_run(NOW - timedelta(minutes=2), state="running", done=30, skipped=10, expected=120)
    JobRun.objects.update(heartbeat_at=NOW)
    browser = browser_of(superuser())
    page = visit(browser, "run", run.pk)
    assert "40 of 120 items · about 4 min 0 s left" in text_of(page)
    bar = content(page).select_one("progress")
    assert bar
    assert (bar["max"], bar["value"]) == ("120", "40")
    head = content(page).select_one("#head")
    assert head
    assert head["hx-trigger"] == "every 3s"
    assert "Refresh" in text_of(page)
    JobRun.objects.update(state="done", ended_at=NOW)
    part = browser.get(reverse("console:run", args=[run.pk]), HTTP_HX_REQUEST="true")
    assert b"hx-trigger" not in part.content
    assert b"It has ended." in part.content
    assert b"<html" not in part.content


def test_a_run_that_waits_or_does_not_know_how_much_is_coming() -> None:
    browser = browser_of(superuser())
    waits = a_run(state="queued", queued_at=NOW)
    assert "… waiting" in text_of(visit(browser, "run", waits.pk))
    going = a_run(state="running", done=7)
    assert "7 items so far" in text_of(visit(browser, "run", going.pk))


# ---- filters, pages, files ------------------------------------------------------------------


def test_items_by_outcome_reason_firm_and_beginning(ours: Firm, theirs: Firm) -> None:
    run = a_run(done=1, skipped=2)
    an_item(run, ours, subject_label="Ada")
    an_item(run, theirs, subject_label="Bob", outcome="skipped", reason="away")
    an_item(run, theirs, subject_label="Carol", outcome="skipped", reason="mute")
    browser = browser_of(superuser())

    def named(**query: str) -> list[str]:
        items = content(visit(browser, "run", run.pk, **query)).select(
            "tbody tr td:first-child"
        )
        return [item.get_text(" ", strip=True).split()[0] for item in items]

    assert named() == ["Ada", "Bob", "Carol"]
    assert named(outcome="skipped") == ["Bob", "Carol"]
    assert named(reason="mute") == ["Carol"]
    assert named(firm=str(ours.pk)) == ["Ada"]
    assert named(label="bO") == ["Bob"]
    assert named(outcome="skipped", label="A") == []
    assert named(outcome="nonsense", firm="x") == ["Ada", "Bob", "Carol"]
    page = content(visit(browser, "run", run.pk, reason="mute"))
    options = [o.get_text() for o in page.select("#f-reason option")]
    assert options == ["all", "is away", "does not talk"]
    assert [o["value"] for o in page.select("option[selected]")] == ["mute"]


def test_a_hundred_items_and_the_way_to_the_next(ours: Firm) -> None:
    run = a_run(done=205)
    many(run, ours, 205)
    browser = browser_of(superuser())
    address, seen = reverse("console:run", args=[run.pk]) + "?outcome=done", []
    while address:
        page = browser.get(address)
        seen += [row[0].split(" contact")[0] for row in rows_of(page)]
        link = content(page).select_one("a[rel=next]")
        here = reverse("console:run", args=[run.pk])
        address = str(link["href"]) if link else ""
        assert not address or address.startswith(f"{here}?outcome=done&after=")
    assert seen == [f"No. {n}" for n in range(205)]


def test_where_a_filter_that_finds_little_has_got_to(ours: Firm) -> None:
    run = a_run(done=WINDOW + 5, dry_run=True)
    many(run, ours, WINDOW + 5)
    an_item(run, ours, position=WINDOW + 9, subject_label="Needle")
    items = run.items.all()
    wanted = Filter(label="Needle").on(items)
    first = page_of(items, wanted)
    assert (first.items, first.searched) == ([], WINDOW)
    found = page_of(items, wanted, after=first.after)
    assert ([i.subject_label for i in found.items], found.after) == (["Needle"], None)


@pytest.mark.parametrize("text", ["", "x", "1-", "-1-2", "1-2-3", "9" * 40])
def test_the_first_page_for_a_cursor_that_is_none(text: str) -> None:
    assert Cursor.read(text) is None


def test_items_as_files_without_formulas(ours: Firm) -> None:
    run = a_run(done=1, skipped=1)
    an_item(
        run, ours, subject_label="=1+1", action="\tgreet", amount_minor=-500, currency="USD"
    )
    an_item(run, ours, subject_label="Bob", outcome="skipped", reason="away", detail="is away")
    browser = browser_of(superuser())

    def file(kind: str, **query: str) -> str:
        answer = visit(browser, "run-items", run.pk, kind, **query)
        assert answer["Content-Disposition"] == (
            f'attachment; filename="greet_contacts-{run.pk}.{kind}"'
        )
        return b"".join(answer.streaming_content).decode()

    rows = list(csv.DictReader(io.StringIO(file("csv").lstrip("\ufeff"))))
    assert [row["label"] for row in rows] == ["'=1+1", "Bob"]
    assert (rows[0]["action"], rows[0]["amount"], rows[0]["currency"]) == (
        *("'\tgreet", "-5.00", "USD"),
    )
    assert (rows[1]["reason"], rows[1]["reason_words"]) == ("away", "is away")
    document = json.loads(file("json", outcome="skipped"))
    assert (document["run"], [i["label"] for i in document["items"]]) == (run.pk, ["Bob"])
    assert json.loads(file("json", label="nobody"))["items"] == []
    assert visit(browser, "run-items", run.pk, "xml").status_code == 404


# ---- verbs ----------------------------------------------------------------------------------


def test_a_way_to_stop_it_and_who_asked() -> None:
    root = superuser()
    browser, run = browser_of(root), a_run(state="running")
    page = press(browser, "run-cancel", run.pk)
    assert messages_of(page) == [f"Run {run.pk} was asked to stop after its current item."]
    assert "root asked it to stop; it does so after its current item." in text_of(page)
    assert messages_of(press(browser, "run-cancel", run.pk)) == [
        f"Run {run.pk} is over, or was asked to stop already."
    ]


def test_a_way_to_retry_what_failed_and_links_both_ways() -> None:
    contacts("", "raises")
    browser = browser_of(superuser())
    run = run_job(GREET)
    page = press(browser, "run-retry", run.pk)
    again = last_run()
    assert page.redirect_chain == [(reverse("console:run", args=[again.pk]), 302)]
    assert messages_of(page) == [f"Run {again.pk} waits to take up what failed here."]
    assert f"Retries what failed in run {run.pk}" in text_of(page)
    assert messages_of(press(browser, "run-retry", run.pk)) == [
        f"Run {run.pk} is being retried already (run {again.pk})."
    ]
    work_off()
    text = text_of(visit(browser, "run", run.pk))
    assert f"Retried by run {again.pk} ✗ failed" in text
    assert "Retry 1 failed item" in text


# ---- who sees what --------------------------------------------------------------------------


def test_their_items_and_no_totals_to_the_staff_of_one_firm(ours: Firm, theirs: Firm) -> None:
    run = a_run(
        state="partial", done=4_711, failed=1, money={"USD": 1}, problem="P", summary="Sum"
    )
    an_item(run, ours, subject_label="Ada")
    an_item(run, theirs, subject_label="Bob", outcome="failed")
    JobRunLog.objects.create(run=run, text="secret")
    browser = browser_of(someone("alice", firm=ours))
    page = visit(browser, "run", run.pk)
    assert [row[0] for row in rows_of(page)] == ["Ada contact"]
    text = text_of(page)
    for hidden in ("4,711", "4711", "Bob", "Theirs", "$0.01", "Sum", "secret", "Retry"):
        assert hidden not in text
    assert "You see the items of your own firms." in text
    assert visit(browser, "run-log", run.pk).status_code == 404
    answer = visit(browser, "run-items", run.pk, "csv")
    assert b"Bob" not in b"".join(answer.streaming_content)
    for verb in ("run-cancel", "run-retry", "run-apply", "run-again"):
        assert press(browser, verb, run.pk).status_code == 403
    assert JobRun.objects.count() == 1


def test_nothing_to_strangers(ours: Firm, theirs: Firm) -> None:
    run = a_run()
    an_item(run, theirs)
    pages = [("run",), ("run-log",), ("run-compare",), ("run-apply-confirm",)]
    for person, status in (
        (someone("alice", firm=ours), 404),
        (someone("bob", firm=ours, rights=False), 403),
        (granted("carol", job="greet_crowds"), 404),
    ):
        browser = browser_of(person)
        for (name,) in pages:
            assert visit(browser, name, run.pk).status_code == status
        for kind in ("csv", "json"):
            assert visit(browser, "run-items", run.pk, kind).status_code == status
        for verb in ("run-cancel", "run-retry", "run-apply", "run-again"):
            assert press(browser, verb, run.pk).status_code == status


def test_all_of_it_to_a_viewer_but_no_button() -> None:
    run = a_run(state="partial", failed=1)
    text = text_of(visit(browser_of(granted("vera")), "run", run.pk))
    assert "1 ✗ failed" in text
    assert "Retry" not in text
    going = a_run(state="running")
    assert "Cancel" not in text_of(visit(browser_of(granted("viv")), "run", going.pk))


def test_in_as_many_queries_for_many_items(ours: Firm, theirs: Firm) -> None:
    def asked(run: JobRun, browser: Any) -> int:
        visit(browser, "run", run.pk)
        with CaptureQueriesContext(connection) as queries:
            assert visit(browser, "run", run.pk, outcome="done").status_code == 200
        return len(queries)

    few, lots = a_run(state="partial", failed=1), a_run(state="partial", failed=1)
    for run, count in ((few, 2), (lots, 90)):
        many(run, ours, count)
        many(run, theirs, count, begin=count, subject_kind="leasing.lease")
    preview = a_run(dry_run=True, done=1)
    for person in (superuser(), granted("vera", "run"), someone("alice", firm=ours)):
        browser = browser_of(person)
        assert asked(few, browser) == asked(lots, browser) <= 12
        if person.username != "alice":
            assert asked(preview, browser) <= 12
