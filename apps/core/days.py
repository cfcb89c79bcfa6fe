"""Days and periods: whose today it is, months from an anchor, local hours.

Instants are UTC; business dates are plain dates and never a truncated instant (spec A2).
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.relativedelta import relativedelta
from django.core.validators import RegexValidator
from django.utils import timezone

from apps.core.problems import BadOption, Problem

DAY = timedelta(days=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAYS_LIST = RegexValidator(r"^(\d{1,3}(,\d{1,3})*)?\Z", "Days separated by commas: 3,1.")
MOST_DAYS = 36_500  # a century; far more and dates run out of the calendar


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the IANA time zone of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "America"
        raise Problem(f"unknown timezone '{name}'") from None


@cache
def _countries() -> dict[str, str]:
    table = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return {row[2]: row[0] for row in rows}


def zone_country(name: str) -> str:
    """Return the country (ISO 3166-1 alpha-2) that a time zone is of, by the IANA's table.

    Nothing for a zone of no country (``UTC``), or one that is known by an older name.
    """
    return _countries().get(name, "")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, read once at the edge of a job and handed down (spec A2.2)."""

    now: datetime
    as_of: date | None = None

    @classmethod
    def read(cls, *, as_of: str = "", dry_run: bool = False) -> Self:
        """Read the clock, or in a dry run look at the day ``as_of`` (YYYY-MM-DD; spec A6.5)."""
        if not as_of:
            return cls(now=timezone.now())
        if not dry_run:
            raise BadOption("--as-of can only be used with --dry-run.")
        return cls.at(as_of)

    @classmethod
    def at(cls, as_of: str) -> Self:
        """Return the clock at noon UTC of the day ``as_of`` (YYYY-MM-DD), today everywhere."""
        day = parse_date(as_of, option="--as-of")
        return cls(now=datetime.combine(day, time(12), tzinfo=UTC), as_of=day)

    def today(self, zone_name: str) -> date:
        """Return the date that a calendar hanging in that zone shows."""
        return self.as_of or self.now.astimezone(zone(zone_name)).date()

    def open_at(self, zone_name: str, *, at: str = "", weekdays: str = "") -> bool:
        """Tell whether a local-time gate is open: not before ``at``, only on ``weekdays``.

        Both are checked by ``check_gate``. A clock that looks at another day has no gate.
        """
        if self.as_of or not (at or weekdays):
            return True
        local = self.now.astimezone(zone(zone_name))
        if weekdays and WEEKDAYS[local.weekday()] not in weekdays.lower().split(","):
            return False
        return not at or local.time() >= time.fromisoformat(at)


def check_gate(*, at: str = "", weekdays: str = "") -> None:
    """Refuse a local-time gate that cannot be read (``09:00``, ``mon,thu``)."""
    if at and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", at):
        raise BadOption(f"Invalid time '{at}'. Use HH:MM.")
    if weekdays and not set(weekdays.lower().split(",")) <= set(WEEKDAYS):
        raise BadOption(f"Invalid weekdays '{weekdays}'. Use names such as mon,thu.")


def parse_date(text: str, *, option: str) -> date:
    """Return the date written YYYY-MM-DD."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadOption(f"Invalid date '{text}' for {option}. Use YYYY-MM-DD.")


def read_days(text: str) -> set[int]:
    """Return the numbers of a list of days: ``3,1``."""
    try:
        return {int(part) for part in text.split(",") if part}
    except ValueError:
        raise Problem(f"'{text}' is no list of days") from None


def write_day(day: date) -> str:
    """Write a date for people: ``10 June 2025``."""
    return f"{day.day} {day:%B %Y}"


def parse_month(text: str) -> date:
    """Return the first day of the month written YYYY-MM."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}", text):
            return date.fromisoformat(f"{text}-01")
    except ValueError:
        pass
    raise BadOption(f"Invalid month '{text}'. Use YYYY-MM.")


def positive(option: str, days: int) -> int:
    """Return a count of days of at least one."""
    if days < 1:
        raise BadOption(f"{option} must be a positive integer.")
    return _at_most(option, days)


def zero_or_more(option: str, days: int) -> int:
    """Return a count of days of at least zero."""
    if days < 0:
        raise BadOption(f"{option} must be zero or a positive integer.")
    return _at_most(option, days)


def _at_most(option: str, days: int) -> int:
    if days > MOST_DAYS:
        raise BadOption(f"{option} must be at most {MOST_DAYS}.")
    return days


def add_months(anchor: date, months: int) -> date:
    """Return the same day ``months`` months later, clipped to the month's last day.

    Always count from the anchor: 31 Jan → 28 Feb → 31 Mar. Counting from the previous
    result drifts to the 28th for ever (spec A4.1).
    """
    return anchor + relativedelta(months=months)


def first_of_month(day: date) -> date:
    """Return the first day of the month that ``day`` is in."""
    return day.replace(day=1)


def last_of_month(day: date) -> date:
    """Return the last day of the month that ``day`` is in."""
    return day.replace(day=days_in_month(day))


def days_in_month(day: date) -> int:
    """Return how many days the month of ``day`` has."""
    return calendar.monthrange(day.year, day.month)[1]


def day_of_month(month: date, day: int) -> date:
    """Return day ``day`` of a month; 29 to 31 mean the last day of shorter ones (spec A4.4)."""
    return month.replace(day=min(day, days_in_month(month)))


def months_between(earlier: date, later: date) -> int:
    """Return how many month names apart two dates are."""
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def local_instant(day: date, at: time, zone_name: str) -> datetime:
    """Return the UTC instant of a local wall-clock time.

    A time that the spring change skips moves forward to the first valid instant; one that
    autumn repeats means its first occurrence (spec A2.6).
    """
    here = zone(zone_name)
    wall = datetime.combine(day, at)
    instant = wall.replace(tzinfo=here).astimezone(UTC)
    if instant.astimezone(here).replace(tzinfo=None) == wall:
        return instant
    # The clocks change between these two readings of the skipped time: with the offset
    # that holds after the change, and with the one before it.
    before = wall.replace(tzinfo=here, fold=1).astimezone(UTC)
    after = instant
    while after - before > timedelta(seconds=1):
        between = before + (after - before) // 2
        if between.astimezone(here).replace(tzinfo=None) < wall:
            before = between
        else:
            after = between
    return after.replace(microsecond=0)


def local_midnight(day: date, zone_name: str) -> datetime:
    """Return the UTC instant at which a local calendar day begins."""
    return local_instant(day, time(0), zone_name)
