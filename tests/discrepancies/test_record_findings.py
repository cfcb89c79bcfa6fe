"""Recording findings …"""

import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from apps.discrepancies.models import Discrepancy, ReconciliationRun, Source
from apps.discrepancies.services import (
    Sighting,
    ignore_discrepancy,
    mark_repaired,
    open_subjects,
    record_findings,
)
from apps.firms.models import Firm
from tests.discrepancies.findings import NIGHT, NOW, close, finding, rows, see
from tests.factories import FirmFactory, UserFactory

pytestmark = pytest.mark.django_db

NEW, KNOWN, IGNORED = Sighting.NEW, Sighting.KNOWN, Sighting.IGNORED


@pytest.fixture
def firm() -> Firm:
    return FirmFactory()


@pytest.fixture
def neighbour() -> Any:
    """A firm with the same issue, which nothing may touch."""
    other = FirmFactory()
    see(other, finding(), at=NOW - NIGHT)
    before = list(Discrepancy.objects.filter(firm=other).values())
    yield other
    assert list(Discrepancy.objects.filter(firm=other).values()) == before


@pytest.mark.usefixtures("neighbour")
def test_opens_an_issue_that_nobody_has_seen(firm: Firm) -> None:
    assert see(firm, finding(severity="critical")) == [NEW]
    [issue] = Discrepancy.objects.filter(firm=firm)
    assert (issue.kind, issue.status, issue.severity) == (
        "remote_paid_local_unpaid",
        "open",
        "critical",
    )
    assert issue.first_seen_at == issue.last_seen_at == NOW
    assert issue.sentence == (
        "INV-2025-003: paid in Stripe ($2500.00, pi_1) but local status is overdue"
    )


@pytest.mark.usefixtures("neighbour")
def test_counts_an_issue_that_is_seen_again(firm: Firm) -> None:
    see(firm, finding())
    assert see(firm, finding(), at=NOW + NIGHT) == [KNOWN]
    [issue] = Discrepancy.objects.filter(firm=firm)
    assert (issue.occurrences, issue.first_seen_at, issue.last_seen_at) == (
        2,
        NOW,
        NOW + NIGHT,
    )


def test_counts_one_instant_once(firm: Firm) -> None:
    see(firm, finding())
    before = list(Discrepancy.objects.values())
    assert see(firm, finding()) == [KNOWN]
    assert list(Discrepancy.objects.values()) == before


def test_says_how_an_issue_stands_now(firm: Firm) -> None:
    see(firm, finding())
    see(firm, finding(local_state="local status is void", severity="warning"), at=NOW + NIGHT)
    [issue] = Discrepancy.objects.all()
    assert (issue.local_state, issue.severity) == ("local status is void", "warning")


def test_keeps_kinds_of_one_subject_apart(firm: Firm) -> None:
    findings = [finding(), finding(kind="dispute_not_recorded")]
    assert see(firm, *findings) == [NEW, NEW]
    assert see(firm, findings[1], at=NOW + NIGHT) == [KNOWN]


def test_keeps_sources_apart(firm: Firm) -> None:
    see(firm, finding())
    with transaction.atomic():
        assert record_findings(firm=firm, source=Source.S3, findings=[finding()], now=NOW) == [
            NEW
        ]


def test_cuts_what_is_too_long_for_its_column(firm: Firm) -> None:
    see(firm, finding(label="x" * 300, remote_state="y" * 300, local_state="z" * 300))
    assert len(Discrepancy.objects.get().sentence) > 600
    assert see(firm, finding(label="x" * 300, remote_state="y" * 300), at=NOW + NIGHT) == [
        KNOWN
    ]


# ---- the end of a look --------------------------------------------------------------------


@pytest.mark.usefixtures("neighbour")
def test_resolves_what_a_complete_look_sees_no_more(firm: Firm) -> None:
    see(firm, finding("pi_1"), finding("pi_2"))
    see(firm, finding("pi_2"), at=NOW + NIGHT)
    run = close(firm, at=NOW + NIGHT)
    assert rows(firm) == [("pi_1", "resolved", 1), ("pi_2", "open", 2)]
    assert run.resolved == 1
    assert Discrepancy.objects.get(status="resolved").closed_at == NOW + NIGHT


def test_resolves_nothing_after_a_look_that_broke_off(firm: Firm) -> None:
    see(firm, finding())
    run = close(firm, at=NOW + NIGHT, complete=False)
    assert rows(firm) == [("pi_1", "open", 1)]
    assert (run.complete, run.resolved) == (False, 0)


def test_opens_a_new_issue_for_one_that_comes_back(firm: Firm) -> None:
    see(firm, finding())
    close(firm, at=NOW + NIGHT)
    assert see(firm, finding(), at=NOW + 2 * NIGHT) == [NEW]
    assert rows(firm) == [("pi_1", "resolved", 1), ("pi_1", "open", 1)]


def test_leaves_an_ignored_issue_ignored(firm: Firm) -> None:
    see(firm, finding())
    _ignore(Discrepancy.objects.get())
    assert see(firm, finding(local_state="local status is void"), at=NOW + NIGHT) == [IGNORED]
    close(firm, at=NOW + NIGHT)
    assert rows(firm) == [("pi_1", "ignored", 1)]


def test_opens_a_new_issue_when_the_other_side_says_something_else(firm: Firm) -> None:
    see(firm, finding(remote_state="$10.00 refunded in Stripe (pi_1)"))
    _ignore(Discrepancy.objects.get())
    assert see(firm, finding(remote_state="$50.00 refunded in Stripe (pi_1)")) == [NEW]
    assert rows(firm) == [("pi_1", "ignored", 1), ("pi_1", "open", 1)]


def test_closes_repaired_issues_of_one_subject_and_kind(firm: Firm) -> None:
    see(firm, finding("pi_1"), finding("pi_1", kind="stuck"), finding("pi_2"))
    marked = mark_repaired(
        firm=firm,
        source=Source.STRIPE,
        subject_keys=["pi_1"],
        kinds=["remote_paid_local_unpaid"],
        now=NOW,
    )
    assert marked == 1
    assert rows(firm) == [("pi_1", "repaired", 1), ("pi_1", "open", 1), ("pi_2", "open", 1)]


@pytest.mark.usefixtures("neighbour")
def test_names_what_open_issues_are_about(firm: Firm) -> None:
    see(firm, finding("pi_1"), finding("pi_2"))
    close(firm, at=NOW + NIGHT)
    see(firm, finding("pi_3"), at=NOW + NIGHT)
    assert list(open_subjects(firm=firm, source=Source.STRIPE)) == [["pi_3"]]


def test_leaves_a_run_on_the_record(firm: Firm) -> None:
    close(firm)
    run = ReconciliationRun.objects.get(firm=firm, source="stripe")
    assert (run.started_at, run.since, run.complete) == (NOW, NOW - 35 * NIGHT, True)
    assert str(run) == "Stripe 2025-06-10 02:30"


# ---- cost, and several at once ------------------------------------------------------------


def test_costs_the_same_statements_for_few_and_for_many(firm: Firm) -> None:
    costs = []
    for many in (2, 200):
        findings = [finding(f"pi_{many}_{number}") for number in range(many)]
        for at in (NOW, NOW + NIGHT):
            with CaptureQueriesContext(connection) as queries:
                see(firm, *findings, at=at)
            costs.append(len(queries))
    assert costs[2:] == costs[:2]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_opens_one_issue_when_two_looks_meet() -> None:
    firm = FirmFactory()
    both = threading.Barrier(2, timeout=10)
    seen: list[Sighting] = []

    def look() -> None:
        try:
            both.wait()
            seen.extend(see(firm, *(finding(f"pi_{number}") for number in range(20))))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [KNOWN] * 20 + [NEW] * 20
    assert Discrepancy.objects.count() == 20


def _ignore(issue: Discrepancy) -> None:
    ignore_discrepancy(
        discrepancy=issue, actor=UserFactory(), reason="We know about it.", now=NOW
    )
