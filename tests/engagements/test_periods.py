"""An engagement's periods … (spec A4, D1)."""

from datetime import date
from typing import Any

import pytest

from apps.engagements.models import Engagement, EngagementRate
from apps.engagements.services.periods import Claim, fee_on, paused_days, unbilled

D = date.fromisoformat


def engagement(start: str, **how: Any) -> Engagement:
    how = {name: D(value) if name in DATES else value for name, value in how.items()}
    how = {"bill_from": D(start), "package_fee_minor": 100_000} | how
    return Engagement(start_date=D(start), **how)


DATES = {"end_date", "billing_anchor", "bill_from"}


def claim(start: str, end: str, paused: bool = False) -> Claim:
    return Claim(D(start), D(end), paused)


def periods(one: Engagement, *claims: Claim, today: str) -> list[tuple[str, str, int]]:
    """Return (start, last day, price of $1000.00) for each period that is to be billed."""
    return [
        (str(period.start), str(period.last), period.price(100_000))
        for period in unbilled(one, claims, today=D(today))
    ]


@pytest.mark.parametrize(
    ("start", "interval", "today", "starts"),
    [
        ("2025-01-31", "monthly", "2025-05-30", ["01-31", "02-28", "03-31", "04-30"]),
        ("2024-01-30", "monthly", "2024-03-30", ["01-30", "02-29", "03-30"]),
        ("2025-08-31", "quarterly", "2026-05-30", ["08-31", "11-30", "02-28"]),
        ("2025-08-31", "quarterly", "2026-05-31", ["08-31", "11-30", "02-28", "05-31"]),
        ("2024-02-29", "annual", "2028-02-28", ["02-29", "02-28", "02-28", "02-28"]),
        ("2024-12-10", "quarterly", "2025-06-09", ["12-10", "03-10"]),
        ("2025-06-11", "monthly", "2025-06-10", []),
    ],
)
def test_are_counted_from_the_anchor(
    start: str, interval: str, today: str, starts: list[str]
) -> None:
    one = engagement(start, billing_interval=interval)
    assert [begin[5:] for begin, _, _ in periods(one, today=today)] == starts


@pytest.mark.parametrize(
    ("how", "today", "expected"),
    [
        # in advance: from its first day
        ({}, "2025-01-31", [("2025-01-01", "2025-01-31", 100_000)]),
        # in arrears: from the day after its last
        ({"billing_timing": "arrears"}, "2025-01-31", []),
        (
            {"billing_timing": "arrears"},
            "2025-02-01",
            [("2025-01-01", "2025-01-31", 100_000)],
        ),
        # in arrears, and ended inside the period
        (
            {"billing_timing": "arrears", "end_date": "2025-01-10"},
            "2025-01-10",
            [],
        ),
        (
            {"billing_timing": "arrears", "end_date": "2025-01-10"},
            "2025-01-11",
            [("2025-01-01", "2025-01-10", 32_258)],
        ),
    ],
)
def test_are_due(how: dict[str, Any], today: str, expected: list[Any]) -> None:
    assert periods(engagement("2025-01-01", **how), today=today) == expected


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"end_date": "2025-02-10"}, ("2025-02-01", "2025-02-10", 35_714)),
        ({"end_date": "2025-02-01"}, ("2025-02-01", "2025-02-01", 3_571)),
        ({"end_date": "2025-02-28"}, ("2025-02-01", "2025-02-28", 100_000)),
        (
            {"end_date": "2025-02-10", "proration": "none"},
            ("2025-02-01", "2025-02-10", 100_000),
        ),
        (
            {"end_date": "2025-04-10", "billing_interval": "quarterly"},
            ("2025-02-01", "2025-04-10", 77_528),  # 69 of 89 days
        ),
    ],
)
def test_end_with_the_engagement(how: dict[str, Any], expected: Any) -> None:
    assert periods(engagement("2025-02-01", **how), today="2025-04-30")[0] == expected
    assert periods(engagement("2025-02-01", **how), today="2030-04-30")[1:] == []


@pytest.mark.parametrize(
    ("anchor", "proration", "expected"),
    [
        # billed from the 1st: the days until then are a period of their own
        ("2025-02-01", "daily", [("2025-01-21", "2025-01-31", 35_484)]),
        ("2025-02-01", "none", [("2025-01-21", "2025-01-31", 35_484)]),
        # an anchor before the start: the first period is cut short
        ("2025-01-01", "daily", [("2025-01-21", "2025-01-31", 35_484)]),
        # an anchor far ahead: whole periods, and what is left before them
        (
            "2025-04-01",
            "daily",
            [
                ("2025-01-21", "2025-01-31", 35_484),
                ("2025-02-01", "2025-02-28", 100_000),
            ],
        ),
    ],
)
def test_begin_with_the_engagement(anchor: str, proration: str, expected: list[Any]) -> None:
    one = engagement("2025-01-21", billing_anchor=anchor, proration=proration)
    found = periods(one, today="2025-02-20")
    assert found[: len(expected)] == expected
    assert found[-1] == ("2025-02-01", "2025-02-28", 100_000)


def test_are_left_alone_when_any_day_of_them_is_claimed() -> None:
    one = engagement("2025-01-01")
    claims = [claim("2025-01-01", "2025-02-01"), claim("2025-03-15", "2025-03-16")]
    assert [start for start, _, _ in periods(one, *claims, today="2025-04-30")] == [
        "2025-02-01",
        "2025-04-01",
    ]


@pytest.mark.parametrize(
    ("bill_from", "starts"),
    [
        ("2025-03-01", ["2025-03-01", "2025-04-01"]),
        ("2025-03-02", ["2025-04-01"]),
        ("2025-04-02", []),
    ],
)
def test_begin_no_earlier_than_billing(bill_from: str, starts: list[str]) -> None:
    one = engagement("2019-01-01", bill_from=bill_from)
    assert [start for start, _, _ in periods(one, today="2025-04-30")] == starts


def test_after_a_pause_cost_the_days_that_are_left() -> None:
    one = engagement("2025-01-01")
    claims = [claim("2025-01-01", "2025-02-01"), claim("2025-02-01", "2025-02-15", True)]
    assert periods(one, *claims, today="2025-02-20") == [("2025-02-15", "2025-02-28", 50_000)]


def test_in_arrears_are_billed_before_and_after_a_pause() -> None:
    one = engagement("2025-06-01", billing_timing="arrears")
    pause = claim("2025-06-10", "2025-06-20", True)
    assert periods(one, pause, today="2025-07-01") == [
        ("2025-06-01", "2025-06-09", 30_000),
        ("2025-06-20", "2025-06-30", 36_667),
    ]


def test_are_not_billed_while_the_whole_of_them_was_paused() -> None:
    one = engagement("2025-01-01")
    assert periods(one, claim("2025-01-01", "2025-03-01", True), today="2025-02-28") == []


@pytest.mark.parametrize(
    ("claims", "since", "until", "expected"),
    [
        # in advance: what was billed stays billed
        (
            [claim("2025-05-10", "2025-06-10")],
            "2025-05-20",
            "2025-08-20",
            ["06-10 07-10", "07-10 08-10", "08-10 08-20"],
        ),
        ([claim("2025-05-10", "2025-06-10")], "2025-05-20", "2025-06-10", []),
        # in arrears: from its first day
        ([], "2025-05-20", "2025-06-20", ["05-20 06-10", "06-10 06-20"]),
        # on one day
        ([], "2025-05-20", "2025-05-20", []),
    ],
)
def test_are_taken_away_by_a_pause(
    claims: list[Claim], since: str, until: str, expected: list[str]
) -> None:
    one = engagement("2025-01-10")
    found = paused_days(one, claims, since=D(since), until=D(until))
    assert [f"{start:%m-%d} {end:%m-%d}" for start, end in found] == expected


@pytest.mark.parametrize(
    ("day", "fee"),
    [("2025-02-28", 100_000), ("2025-03-01", 120_000), ("2025-03-31", 120_000),
     ("2025-04-01", 0)],
)  # fmt: skip
def test_cost_the_fee_in_force(day: str, fee: int) -> None:
    rates = [
        EngagementRate(effective_from=D("2025-03-01"), fee_minor=120_000),
        EngagementRate(effective_from=D("2025-04-01"), fee_minor=0),
    ]
    assert fee_on(engagement("2025-01-01"), rates, D(day)) == fee
