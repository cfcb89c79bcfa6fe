"""Days: months from an anchor, whose today it is, and hours that do not exist."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine

from apps.core import days
from apps.core.problems import BadOption, Problem


def day(text: str) -> date:
    return date.fromisoformat(text)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ---- months ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("anchor", "months", "result"),
    [
        ("2025-01-31", 0, "2025-01-31"),
        ("2025-01-31", 1, "2025-02-28"),
        ("2025-01-31", 2, "2025-03-31"),
        ("2025-01-31", 3, "2025-04-30"),
        ("2025-01-31", 12, "2026-01-31"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2025-01-30", 1, "2025-02-28"),
        ("2025-01-29", 1, "2025-02-28"),
        ("2025-11-30", 3, "2026-02-28"),
        ("2025-12-15", 1, "2026-01-15"),
        ("2025-03-31", -1, "2025-02-28"),
        ("2024-02-29", 12, "2025-02-28"),  # spec A4.2
        ("2024-02-29", 24, "2026-02-28"),
        ("2024-02-29", 36, "2027-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
    ],
)
def test_months_are_counted_from_the_anchor(anchor: str, months: int, result: str) -> None:
    assert days.add_months(day(anchor), months) == day(result)


def test_a_year_from_the_31st_never_drifts() -> None:
    months = [days.add_months(day("2025-01-31"), n) for n in range(13)]
    assert [m.day for m in months] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31]


@pytest.mark.parametrize(
    ("month", "due_day", "result"),
    [  # spec A4.4 and D17, acceptance 2
        ("2025-02-01", 31, "2025-02-28"),
        ("2024-02-01", 31, "2024-02-29"),
        ("2025-04-01", 31, "2025-04-30"),
        ("2025-02-01", 29, "2025-02-28"),
        ("2025-02-01", 30, "2025-02-28"),
        ("2025-02-01", 28, "2025-02-28"),
        ("2025-03-17", 1, "2025-03-01"),
        ("2025-03-01", 31, "2025-03-31"),
    ],
)
def test_late_days_mean_the_last_of_shorter_months(
    month: str, due_day: int, result: str
) -> None:
    assert days.day_of_month(day(month), due_day) == day(result)


@pytest.mark.parametrize(
    ("of", "first", "last", "length"),
    [
        ("2025-02-14", "2025-02-01", "2025-02-28", 28),
        ("2024-02-29", "2024-02-01", "2024-02-29", 29),
        ("2000-02-01", "2000-02-01", "2000-02-29", 29),
        ("2100-02-28", "2100-02-01", "2100-02-28", 28),
        ("2025-12-31", "2025-12-01", "2025-12-31", 31),
    ],
)
def test_a_month_has_its_ends(of: str, first: str, last: str, length: int) -> None:
    assert days.first_of_month(day(of)) == day(first)
    assert days.last_of_month(day(of)) == day(last)
    assert days.days_in_month(day(of)) == length


@pytest.mark.parametrize(
    ("earlier", "later", "months"),
    [
        ("2025-01-31", "2025-02-01", 1),
        ("2025-01-01", "2025-01-31", 0),
        ("2024-12-31", "2025-12-01", 12),
        ("2025-03-01", "2025-01-31", -2),
    ],
)
def test_months_between_count_month_names(earlier: str, later: str, months: int) -> None:
    assert days.months_between(day(earlier), day(later)) == months


# ---- instants -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "at", "zone", "utc"),
    [
        # An ordinary day, in winter and in summer.
        ("2025-01-15", "09:00", "America/New_York", "2025-01-15T14:00"),
        ("2025-07-15", "09:00", "America/New_York", "2025-07-15T13:00"),
        # New York skips 02:00-03:00: the first valid instant is 03:00 EDT.
        ("2025-03-09", "01:59", "America/New_York", "2025-03-09T06:59"),
        ("2025-03-09", "02:00", "America/New_York", "2025-03-09T07:00"),
        ("2025-03-09", "02:30", "America/New_York", "2025-03-09T07:00"),
        ("2025-03-09", "02:59", "America/New_York", "2025-03-09T07:00"),
        ("2025-03-09", "03:00", "America/New_York", "2025-03-09T07:00"),
        # New York has 01:00-02:00 twice: the first is still summer time.
        ("2025-11-02", "01:30", "America/New_York", "2025-11-02T05:30"),
        ("2025-11-02", "02:00", "America/New_York", "2025-11-02T07:00"),
        # Lord Howe moves by half an hour.
        ("2025-10-05", "02:15", "Australia/Lord_Howe", "2025-10-04T15:30"),
        # Midnight itself is skipped.
        ("2018-11-04", "00:00", "America/Sao_Paulo", "2018-11-04T03:00"),
        # A whole day is skipped: Samoa had no 30 December 2011.
        ("2011-12-30", "12:00", "Pacific/Apia", "2011-12-30T10:00"),
        ("2025-06-01", "09:00", "Asia/Kathmandu", "2025-06-01T03:15"),
    ],
)
def test_a_local_time_is_one_instant(on: str, at: str, zone: str, utc: str) -> None:
    assert days.local_instant(day(on), time.fromisoformat(at), zone) == instant(utc)


@pytest.mark.parametrize(
    ("on", "hours"), [("2025-03-08", 24), ("2025-03-09", 23), ("2025-11-02", 25)]
)
def test_a_local_day_may_last_23_or_25_hours(on: str, hours: int) -> None:
    begin = days.local_midnight(day(on), "America/New_York")
    end = days.local_midnight(day(on) + days.DAY, "America/New_York")
    assert end - begin == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "America", "../etc/passwd", "a\0b"])
def test_an_unknown_zone_is_a_problem(name: str) -> None:
    with pytest.raises(Problem, match=r"^unknown timezone"):
        days.zone(name)


# ---- the clock ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "zone", "today"),
    [  # spec D17, acceptance 3
        ("2025-02-01T00:00", "America/Los_Angeles", "2025-01-31"),
        ("2025-02-01T07:59", "America/Los_Angeles", "2025-01-31"),
        ("2025-02-01T08:00", "America/Los_Angeles", "2025-02-01"),
        ("2025-01-31T11:00", "Pacific/Auckland", "2025-02-01"),
        ("2025-02-01T00:00", "UTC", "2025-02-01"),
    ],
)
def test_today_is_what_the_local_calendar_shows(now: str, zone: str, today: str) -> None:
    assert days.Clock(now=instant(now)).today(zone) == day(today)


@time_machine.travel("2025-03-01T12:34:56Z", tick=False)
def test_the_clock_is_read_once() -> None:
    assert days.Clock.read() == days.Clock(now=datetime(2025, 3, 1, 12, 34, 56, tzinfo=UTC))


def test_another_day_is_today_everywhere() -> None:
    clock = days.Clock.read(as_of="2025-03-01", dry_run=True)
    assert {clock.today(z) for z in ("Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago")} == {
        day("2025-03-01")
    }


def test_another_day_needs_a_dry_run() -> None:
    with pytest.raises(BadOption, match=r"^--as-of can only be used with --dry-run\.$"):
        days.Clock.read(as_of="2025-03-01")


@pytest.mark.parametrize(
    ("now", "at", "weekdays", "is_open"),
    [  # a Monday; New York is five hours behind
        ("2025-03-03T13:59", "09:00", "", False),
        ("2025-03-03T14:00", "09:00", "", True),
        ("2025-03-03T23:00", "09:00", "", True),
        ("2025-03-04T04:59", "09:00", "", True),
        ("2025-03-04T05:00", "09:00", "", False),
        ("2025-03-03T14:00", "", "mon,thu", True),
        ("2025-03-03T14:00", "", "Tue,THU", False),
        ("2025-03-03T04:59", "", "mon", False),
        ("2025-03-03T14:00", "10:00", "mon", False),
        ("2025-03-03T14:00", "", "", True),
        ("2025-03-09T07:00", "02:30", "", True),  # 03:00 EDT: 02:30 never comes
    ],
)
def test_a_gate_goes_by_the_local_hour_and_weekday(
    now: str, at: str, weekdays: str, is_open: bool
) -> None:
    clock = days.Clock(now=instant(now))
    assert clock.open_at("America/New_York", at=at, weekdays=weekdays) is is_open


def test_a_gate_does_not_hold_up_a_look_at_another_day() -> None:
    assert days.Clock.at("2025-03-01").open_at("UTC", at="23:59", weekdays="mon")


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ({"at": "9:00"}, "Invalid time '9:00'. Use HH:MM."),
        ({"at": "24:00"}, "Invalid time '24:00'. Use HH:MM."),
        ({"at": "09:60"}, "Invalid time '09:60'. Use HH:MM."),
        ({"at": "٠٩:٠٠"}, "Invalid time '٠٩:٠٠'. Use HH:MM."),
        ({"weekdays": "monday"}, "Invalid weekdays 'monday'. Use names such as mon,thu."),
        ({"weekdays": "mon, thu"}, "Invalid weekdays 'mon, thu'. Use names such as mon,thu."),
        ({"weekdays": "mon,"}, "Invalid weekdays 'mon,'. Use names such as mon,thu."),
    ],
)
def test_a_gate_that_cannot_be_read_is_refused(gate: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadOption) as refusal:
        days.check_gate(**gate)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("gate", [{}, {"at": "00:00"}, {"at": "23:59", "weekdays": "MON,sun"}])
def test_a_good_gate_passes(gate: dict[str, str]) -> None:
    days.check_gate(**gate)


# ---- options (spec A9) ----------------------------------------------------------------------


def test_a_month_is_read() -> None:
    assert days.parse_month("2025-03") == day("2025-03-01")


@pytest.mark.parametrize(
    "text", ["2025-13", "2025-00", "2025-3", "0000-01", "March", "", "2025-03-01"]
)
def test_a_bad_month_is_refused(text: str) -> None:
    with pytest.raises(BadOption) as refusal:
        days.parse_month(text)
    assert str(refusal.value) == f"Invalid month '{text}'. Use YYYY-MM."


def test_a_date_is_read() -> None:
    assert days.parse_date("2024-02-29", option="--as-of") == day("2024-02-29")


@pytest.mark.parametrize(
    "text", ["2025-02-29", "20250301", "2025-3-1", "today", "", "2025-W09-1"]
)
def test_a_bad_date_is_refused(text: str) -> None:
    with pytest.raises(BadOption) as refusal:
        days.parse_date(text, option="--as-of")
    assert str(refusal.value) == f"Invalid date '{text}' for --as-of. Use YYYY-MM-DD."


@pytest.mark.parametrize(
    ("check", "count", "sentence"),
    [
        (days.positive, 0, "--days must be a positive integer."),
        (days.positive, -7, "--days must be a positive integer."),
        (days.positive, 36_501, "--days must be at most 36500."),
        (days.zero_or_more, -1, "--days must be zero or a positive integer."),
        (days.zero_or_more, 10**12, "--days must be at most 36500."),
    ],
)
def test_a_bad_count_of_days_is_refused(check: object, count: int, sentence: str) -> None:
    with pytest.raises(BadOption) as refusal:
        check("--days", count)  # type: ignore[operator]
    assert str(refusal.value) == sentence


def test_a_good_count_of_days_passes() -> None:
    assert (days.positive("--days", 1), days.zero_or_more("--days-before", 0)) == (1, 0)
