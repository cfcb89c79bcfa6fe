"""Somebody is reminded of files … (spec D10)."""

from datetime import date, timedelta

import pytest

from apps.documents.models import FileRequest
from apps.documents.services.requests.steps import Cadence

USUAL = Cadence(frozenset({3, 1, 0}), 3, frozenset({3, 7, 14}))
QUIET = Cadence(frozenset(), 0, frozenset())


def day(text: str) -> date:
    return date.fromisoformat(f"2025-{text}")


def reminders(
    cadence: Cadence, *, asked: str, due: str = "", every: int | None = None
) -> list[str]:
    """Return on which days somebody hears of a request that they never answer.

    The last, in brackets, is when whoever asked is told.
    """
    request = FileRequest(
        asked_on=day(asked), due_date=day(due) if due else None, remind_every_days=every
    )
    days = []
    today = request.asked_on
    next_on = cadence.plan(request, after=today)
    while next_on:
        today = next_on
        if cadence.is_over(request):
            return [*days, f"({today:%m-%d})"]
        days.append(f"{today:%m-%d}")
        request.reminder_count += 1
        request.last_reminder_on = today
        next_on = cadence.plan(request, after=today)
    return days


@pytest.mark.parametrize(
    ("asked", "due", "every", "heard"),
    [
        # with a due date: 3 and 1 days before, on the day, then every 3 days, never over five
        ("06-01", "06-10", None, ["06-07", "06-09", "06-10", "06-13", "06-16", "(06-19)"]),
        # asked late: nobody is reminded on the day of asking
        ("06-09", "06-10", None, ["06-10", "06-13", "06-16", "06-19", "06-22", "(06-25)"]),
        ("06-10", "06-10", None, ["06-13", "06-16", "06-19", "06-22", "06-25", "(06-28)"]),
        # over the end of a month
        ("02-01", "03-01", None, ["02-26", "02-28", "03-01", "03-04", "03-07", "(03-10)"]),
        # without one: 3, 7 and 14 days after the asking
        ("06-01", "", None, ["06-04", "06-08", "06-15", "(06-18)"]),
        # as the request says
        ("06-01", "06-10", 2, ["06-03", "06-05", "06-07", "06-09", "06-11", "(06-14)"]),
        ("06-01", "", 30, ["07-01", "07-31", "08-30", "09-29", "10-29", "(11-01)"]),
        ("06-01", "06-10", 0, []),
    ],
)
def test_on_these_days(asked: str, due: str, every: int | None, heard: list[str]) -> None:
    assert reminders(USUAL, asked=asked, due=due, every=every) == heard


@pytest.mark.parametrize(
    ("cadence", "due", "heard"),
    [
        (QUIET, "06-10", []),
        (QUIET, "", []),
        (Cadence(frozenset({5}), 0, frozenset()), "06-10", ["06-05", "(06-08)"]),
        (Cadence(frozenset({0}), 7, frozenset()), "06-10", [
            "06-10", "06-17", "06-24", "07-01", "07-08", "(07-15)",
        ]),
        (Cadence(frozenset(), 10, frozenset({1})), "", ["06-02", "(06-12)"]),
    ],
)  # fmt: skip
def test_as_the_firm_wants_it(cadence: Cadence, due: str, heard: list[str]) -> None:
    assert reminders(cadence, asked="06-01", due=due) == heard


@pytest.mark.parametrize(
    ("due", "missed_until", "then"),
    [
        ("06-10", "06-09", "06-10"),  # the days 7 and 9 were missed: one reminder
        ("06-10", "06-12", "06-13"),
        ("06-10", "06-30", "07-01"),
        ("", "06-14", "06-15"),
        ("", "06-20", None),
    ],
)
def test_once_for_days_that_were_missed(due: str, missed_until: str, then: str | None) -> None:
    request = FileRequest(asked_on=day("06-01"), due_date=day(due) if due else None)
    step = USUAL.next_step(request, after=day(missed_until))
    assert step == (day(then) if then else None)


def test_never_more_than_five_times_whatever_else_is_said() -> None:
    request = FileRequest(asked_on=day("06-01"), remind_every_days=1, reminder_count=5)
    assert USUAL.is_over(request)
    assert USUAL.plan(request, after=day("06-06")) == day("06-06") + timedelta(days=3)
