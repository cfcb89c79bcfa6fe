"""The seam: what becomes of each item, one by one and in batches."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection, transaction

from apps.contacts.models import Contact
from apps.core import money
from apps.core.later import after_commit
from apps.core.reports import Item, Outcome, Report, Skip, Subject, block
from apps.core.watching import Stop, Watcher, watched_by
from tests.factories import FirmFactory
from tests.jobs.work import (
    SECRET,
    Reason,
    contacts,
    greet_contacts,
    greet_crowds,
    greeted,
)

pytestmark = pytest.mark.django_db

Job = Callable[..., Report]
both_ways = pytest.mark.parametrize("job", [greet_contacts, greet_crowds])


class Listener(Watcher):
    """Keeps what a report tells."""

    def __init__(self) -> None:
        self.items: list[Item[Any]] = []
        self.lines: list[str] = []

    def told(self, items: Sequence[Item[Any]]) -> None:
        self.items += items

    def wrote(self, text: str, level: int) -> None:
        self.lines.append(text)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(item.outcome.sign, item.line) for item in self.items]


def listen(job: Job, **arguments: Any) -> tuple[Report, Listener]:
    listener = Listener()
    with watched_by(listener):
        return job(**arguments), listener


# ---- isolation ------------------------------------------------------------------------------


@both_ways
def test_does_every_item(job: Job) -> None:
    contacts("", "", "")
    report = job()
    assert greeted() == ["A", "B", "C"]
    assert (report.done, report.skipped, report.failed) == (3, 0, 0)


@both_ways
@pytest.mark.parametrize("trouble", ["raises", "explains", "doubles", "swallows"])
def test_one_bad_item_spares_the_rest(job: Job, trouble: str) -> None:
    contacts("", trouble, "")
    report = job()
    assert greeted() == ["A", "C"]
    assert (report.done, report.skipped, report.failed) == (2, 0, 1)


@pytest.mark.django_db(transaction=True)
@both_ways
@pytest.mark.parametrize("trouble", ["doubles", "swallows"])
def test_a_database_error_spares_the_rest_in_real_transactions(job: Job, trouble: str) -> None:
    contacts("", trouble, "")
    assert job().failed == 1
    assert greeted() == ["A", "C"]


def test_a_swallowed_database_error_never_counts_as_done() -> None:
    contacts("swallows")
    _, listener = listen(greet_contacts)
    assert listener.said == [("✗", "A: TransactionManagementError")]


@both_ways
def test_an_unknown_error_shows_its_class_only(job: Job) -> None:
    contacts("raises")
    _, listener = listen(job)
    assert listener.said == [("✗", "A: ValueError")]
    assert SECRET not in repr(listener.items)


@both_ways
def test_a_problem_shows_its_sentence(job: Job) -> None:
    contacts("explains")
    _, listener = listen(job)
    assert listener.said == [("✗", "A: the greeter is hoarse")]


@both_ways
def test_a_failure_is_logged_with_its_traceback(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    (bad,) = contacts("raises")
    job()
    assert caplog.messages == [f"contacts.contact {bad.pk} failed"]
    assert caplog.records[0].exc_info is not None


def test_a_batch_that_falls_back_is_logged_without_the_error_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    contacts("", "raises")
    greet_crowds()
    assert caplog.messages[0] == "A batch of 2 is done again one by one after ValueError"


# ---- skips ----------------------------------------------------------------------------------


@both_ways
def test_a_skip_rolls_its_item_back_and_says_why(job: Job) -> None:
    contacts("", "skips")
    report, listener = listen(job)
    assert greeted() == ["A"]
    assert listener.said == [("✓", "A: greeted"), ("-", "B: not at home")]
    assert (listener.items[1].reason, listener.items[1].detail) == (Reason.AWAY, "is away")
    assert report.tallies == {"greetings": 1}


@both_ways
def test_a_skip_without_words_has_a_detail_but_no_line(job: Job) -> None:
    contacts("is silent")
    _, listener = listen(job)
    assert (listener.items[0].line, listener.items[0].detail) == ("", "does not talk")


def test_an_item_skipped_in_a_batch_does_not_break_it(django_assert_num_queries: Any) -> None:
    contacts("", "is left alone", "")
    with django_assert_num_queries(5):  # the page, a savepoint around two updates
        report, listener = listen(greet_crowds)
    assert greeted() == ["A", "C"]
    assert (report.done, report.skipped) == (2, 1)
    assert listener.said[1] == ("-", "B: left alone")


def test_a_skip_without_a_declared_reason_is_a_failure() -> None:
    (contact,) = contacts("")
    report = Report()
    with report.attempt(contact):
        raise Skip("because")  # type: ignore[arg-type]
    assert (report.skipped, report.failed) == (0, 1)


def test_a_decision_not_to_act_is_recorded() -> None:
    (contact,) = contacts("")
    listener = Listener()
    with watched_by(listener):
        report = Report()
        report.skip(contact, Reason.AWAY, "A: on holiday", part="2025-03")
    assert listener.said == [("-", "A: on holiday")]
    assert listener.items[0].subject.part == "2025-03"
    assert report.skipped == 1


def test_a_decision_inside_an_open_item_fails_it() -> None:
    one, other = contacts("", "")
    report = Report()
    with report.attempt(one):
        report.skip(other, Reason.AWAY)
    assert report.counts == {Outcome.FAILED: 1}


def test_a_decline_stands_and_is_no_failure() -> None:
    contacts("declines", first_name="500")
    report, listener = listen(greet_contacts)
    assert greeted() == ["A"]
    assert listener.said == [("⚠", "A: does not want to")]
    assert (report.done, report.failed, report.counts[Outcome.DECLINED]) == (0, 0, 1)
    assert report.money == {}


def test_a_failure_of_a_whole_firm_is_recorded() -> None:
    firm = FirmFactory(name="Acme")
    listener = Listener()
    with watched_by(listener):
        Report().fail(firm, ConnectionError(SECRET))
    assert listener.said == [("✗", "Acme: ConnectionError")]
    assert listener.items[0].subject.firm_id == firm.pk


def test_a_stop_is_not_recorded_as_a_failure() -> None:
    report = Report()
    with pytest.raises(Stop, match="Enough"):
        report.fail(FirmFactory(), Stop("Enough"))
    assert report.failed == 0


# ---- dry runs -------------------------------------------------------------------------------


@both_ways
def test_a_dry_run_leaves_no_trace(job: Job) -> None:
    contacts("", "raises", "skips", "doubles", "declines")
    before = list(Contact.objects.order_by("pk").values())
    job(dry_run=True)
    assert list(Contact.objects.order_by("pk").values()) == before


@both_ways
def test_a_dry_run_counts_what_the_run_will_do(job: Job) -> None:
    contacts("", "raises", "skips", "declines", "", first_name="1250")
    dry, dry_listener = listen(job, dry_run=True)
    real, listener = listen(job)
    assert dry.counts == real.counts
    assert dry.money == real.money == {"USD": money.from_minor(2500, "USD")}
    assert dry_listener.said[0] == ("✓", "A: would be greeted")
    assert listener.said[0] == ("✓", "A: greeted")
    assert dry_listener.said[1:4] == listener.said[1:4]


def test_a_dry_run_words_its_summary() -> None:
    contacts("")
    assert greet_contacts(dry_run=True).summary() == [
        "",
        "Summary:",
        "  Would greet: 1",
        "  Cost: $0.00",
        "  Skipped: 0",
        "  Errors: 0",
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("dry_run", "left"), [(True, []), (False, ["letter"])])
def test_nothing_leaves_the_building_in_a_dry_run(dry_run: bool, left: list[str]) -> None:
    (contact,) = contacts("")
    gone: list[str] = []
    report = Report(dry_run=dry_run)
    with report.attempt(contact) as item:
        after_commit(lambda: gone.append("letter"))
    assert gone == left
    assert item.committed is not dry_run


@pytest.mark.django_db(transaction=True)
def test_nothing_leaves_the_building_for_a_failed_item() -> None:
    (contact,) = contacts("")
    gone: list[str] = []
    with Report().attempt(contact) as item:
        after_commit(lambda: gone.append("letter"))
        raise ValueError
    assert gone == []
    assert item.committed is False


@pytest.mark.django_db(transaction=True)
def test_what_fails_after_the_commit_does_not_undo_it() -> None:
    (contact,) = contacts("")
    report = Report()
    with report.attempt(contact) as item:
        Contact.objects.update(locale="en")
        after_commit(lambda: 1 / 0)
    assert greeted() == ["A"]
    assert item.committed
    assert report.failed == 0


# ---- what stops a run -----------------------------------------------------------------------


@both_ways
def test_a_time_out_rolls_its_item_back_and_goes_through(job: Job) -> None:
    contacts("", "times out", "")
    with pytest.raises(SystemExit):
        job()
    assert greeted() == ([] if job is greet_crowds else ["A"])
    assert not connection.needs_rollback


@both_ways
def test_a_stop_inside_an_item_rolls_it_back_and_goes_through(job: Job) -> None:
    contacts("", "stops", "")
    with pytest.raises(Stop, match="Enough"):
        job()
    assert greeted() == ([] if job is greet_crowds else ["A"])


class Impatient(Watcher):
    """Stops the run before its second item."""

    def __init__(self) -> None:
        self.turns = 0

    def between(self) -> None:
        assert not any(not b._from_testcase for b in connection.atomic_blocks)  # type: ignore[attr-defined]
        self.turns += 1
        if self.turns == 2:
            raise Stop("Enough")


def test_a_stop_comes_between_items() -> None:
    contacts("", "", "")
    with watched_by(Impatient()), pytest.raises(Stop):
        greet_contacts()
    assert greeted() == ["A"]


# ---- subjects, lines, figures ---------------------------------------------------------------


def test_a_subject_knows_its_row_and_firm() -> None:
    (contact,) = contacts("")
    assert Subject.of(contact, part="2025-03") == Subject(
        "contacts.contact", str(contact.pk), "A", "2025-03", contact.firm_id
    )


def test_a_subject_is_known_by_what_the_record_can_hold() -> None:
    assert Subject("k" * 70, "1", "One", "p" * 70).identity == ("k" * 60, "1", "p" * 60)


def test_amounts_are_added_per_currency() -> None:
    report = Report()
    for amount in (
        money.from_minor(100, "USD"),
        money.from_minor(5, "JPY"),
        money.from_minor(1, "USD"),
    ):
        with report.attempt(Subject("thing", "1", "One")) as item:
            item.does("pay", amount)
    assert report.money == {
        "USD": money.from_minor(101, "USD"),
        "JPY": money.from_minor(5, "JPY"),
    }


def test_an_item_may_have_a_bullet_of_its_own() -> None:
    listener = Listener()
    with watched_by(listener):
        report = Report()
        with report.attempt(Subject("thing", "1", "One")) as item:
            item.says("One: listed", bullet="•")
    assert listener.items[0].bullet == "•"


def test_a_plain_call_is_not_watched() -> None:
    contacts("")
    assert str(greet_contacts()).startswith("\nSummary:")


@both_ways
@pytest.mark.parametrize("names", [[""], ["", ""]], ids=len)
def test_a_transaction_that_cannot_begin_ends_the_run(job: Job, names: list[str]) -> None:
    contacts(*names)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        job()


def test_the_closing_block_reads_as_specified() -> None:
    assert block(("Late fees applied", 4), ("Total late fees", "$259.00")) == [
        "",
        "Summary:",
        "  Late fees applied: 4",
        "  Total late fees: $259.00",
    ]
