"""The calendar shows what ran, was missed and is to come, in somebody's zone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.console.lanes import WIDTH, Lane, Span
from apps.firms.models import Firm
from apps.jobs.models import JobPause, JobRun
from tests.console.world import (
    JOB,
    NOW,
    a_run,
    a_schedule,
    an_item,
    granted,
    note_silences,
    queries_of,
    someone,
    superuser,
    text_of,
)
from tests.factories import FirmFactory

pytestmark = pytest.mark.django_db

CALENDAR = "/admin/console/calendar/"


@pytest.fixture
def root(client: Client) -> Iterator[Client]:
    client.force_login(superuser())
    with time_machine.travel(NOW, tick=False):
        yield client


@pytest.fixture
def alder() -> Firm:
    return FirmFactory(name="Alder", slug="alder", timezone="Europe/Berlin")


def lane_of(answer: Any) -> Lane:
    assert answer.status_code == 200
    ((_, lane),) = answer.context["lanes"]
    assert isinstance(lane, Lane)
    return lane


def marks(lane: Lane, tone: str) -> list[str]:
    return [mark.words for mark in lane.marks if mark.tone == tone]


# ---- days -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "hours", "labels"),
    [
        ("UTC", (2025, 3, 30), 24, "00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00"),
        ("Europe/Berlin", (2025, 3, 30), 23, "00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00"),
        (
            "Europe/Berlin",
            (2025, 10, 26),
            25,
            "00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00",
        ),
        (
            "America/New_York",
            (2025, 3, 9),
            23,
            "00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00",
        ),
        (
            "America/New_York",
            (2025, 11, 2),
            25,
            "00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00",
        ),
        ("America/Sao_Paulo", (2018, 11, 4), 23, "03:00 06:00 09:00 12:00 15:00 18:00 21:00"),
        (
            "Asia/Kathmandu",
            (2025, 3, 30),
            24,
            "00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00",
        ),
    ],
)
def test_a_day_is_as_long_as_it_is_there(
    zone: str, day: tuple[int, int, int], hours: int, labels: str
) -> None:
    span = Span(zone, date(*day), 1, 1)
    assert span.hours_of(0) == hours
    assert [label.text for label in span.labels()] == labels.split()
    assert len([*span.changes()]) == (hours != 24)


def test_hours_stand_where_they_are_on_a_day_of_23_hours() -> None:
    span = Span("Europe/Berlin", date(2025, 3, 30), 1, 1)
    where = {label.text: label.x for label in span.labels()}
    assert where["00:00"] == 0
    assert where["03:00"] == pytest.approx(WIDTH * 2 / 23, abs=0.1)  # two o'clock never was
    assert where["12:00"] == pytest.approx(WIDTH * 11 / 23, abs=0.1)


def test_says_on_which_days_the_clocks_change(root: Client, alder: Firm) -> None:
    a_schedule()
    text = text_of(root.get(f"{CALENDAR}?span=7d&zone={alder.slug}"))
    assert "Times are those of Europe/Berlin." in text
    assert "30 March 2025 has 23 hours: the clocks change." in text


def test_begins_at_the_midnight_of_the_zone(root: Client, alder: Firm) -> None:
    a_schedule()
    span = root.get(f"{CALENDAR}?zone=alder").context["span"]
    assert (span.start, span.end) == (
        datetime(2025, 3, 30, 22, tzinfo=UTC),
        datetime(2025, 3, 31, 22, tzinfo=UTC),
    )
    assert root.get(CALENDAR).context["span"].zone_name == "UTC"


def test_looks_first_at_the_own_firms_zone(client: Client, alder: Firm) -> None:
    client.force_login(someone("ann", firm=alder))
    assert client.get(CALENDAR).context["span"].zone_name == "Europe/Berlin"
    assert client.get(f"{CALENDAR}?zone=").context["span"].zone_name == "UTC"


@pytest.mark.parametrize(
    ("span", "first", "days", "earlier"),
    [
        ("24h", "2025-03-31", 1, "?span=24h&day=2025-03-30"),
        ("7d", "2025-03-26", 7, "?span=7d&day=2025-03-24"),
        ("30d", "2025-03-04", 30, "?span=30d&day=2025-03-01"),
        ("x", "2025-03-31", 1, "?span=x&day=2025-03-30"),
    ],
)
def test_shows_so_many_days(
    root: Client, span: str, first: str, days: int, earlier: str
) -> None:
    answer = root.get(f"{CALENDAR}?span={span}")
    assert (str(answer.context["span"].first), answer.context["span"].days) == (first, days)
    assert answer.context["earlier"] == earlier


# ---- lanes ----------------------------------------------------------------------------------


def test_a_day_has_a_mark_for_each_run_missed_time_and_time_to_come(root: Client) -> None:
    a_schedule()
    for hour in (8, 9, 11, 12):
        a_run(NOW.replace(hour=hour, minute=10), state="failed" if hour == 9 else "done")
    a_run(NOW.replace(hour=9, minute=11), dry_run=True)
    note_silences()
    failed = JobRun.objects.get(state="failed")
    lane = lane_of(root.get(CALENDAR))
    assert marks(lane, "good") == [
        "Mon 31 Mar 08:10: 1 done",
        "Mon 31 Mar 11:10: 1 done",
        "Mon 31 Mar 12:10: 1 done",
    ]
    assert [(m.words, m.run) for m in lane.marks if m.tone == "bad"] == [
        ("Mon 31 Mar 09:10: 1 failed", failed.pk)
    ]
    assert marks(lane, "missed") == ["Mon 31 Mar 10:10: missed"]
    assert marks(lane, "future")[0] == "Mon 31 Mar 13:10"
    assert len(marks(lane, "future")) == 11
    assert lane.next_at == NOW.replace(hour=13, minute=10)


def test_draws_words_as_words_and_leads_from_a_failure_to_its_run(root: Client) -> None:
    a_schedule()
    failed = a_run(NOW.replace(hour=9, minute=10), state="failed")
    JobPause.objects.create(job=JOB, since=NOW, reason="<script>alert(1)</script>")
    page = root.get(CALENDAR).content.decode()
    assert "<title>Paused: &lt;script&gt;alert(1)&lt;/script&gt;</title>" in page
    assert "<script>alert" not in page
    words = "Mon 31 Mar 09:10: 1 failed"
    link = f'<a href="/admin/console/runs/{failed.pk}/" aria-label="{JOB}, {words}">'
    assert f'{link}<rect class="bad" ' in page
    assert f"<title>{words}</title></rect></a>" in page


def test_says_the_same_in_words(root: Client) -> None:
    a_schedule()
    for hour in (8, 9, 11, 12):
        a_run(NOW.replace(hour=hour, minute=10), state="lost" if hour == 9 else "done")
    note_silences()
    text = text_of(root.get(CALENDAR))
    words = text[text.index("The same in words") :]
    assert f"{JOB} 3 done, 1 lost newest failure: #" in words
    assert "1 31 Mar 2025, 10:10 31 Mar 2025, 13:10" in words


def test_what_runs_each_minute_is_a_band_by_the_hour(root: Client) -> None:
    a_schedule("* * * * *")
    for minute in range(12 * 60 + 30):
        if not 180 <= minute < 240:
            a_run(NOW.replace(hour=0, minute=0) + timedelta(minutes=minute, seconds=5))
    JobRun.objects.filter(started_at__hour=7, started_at__minute=30).update(state="failed")
    note_silences()
    lane = lane_of(root.get(CALENDAR))
    assert len(marks(lane, "good")) == 12  # one with a foot of what failed
    assert marks(lane, "bad") == ["Mon 31 Mar 07:00: 59 done, 1 failed"]
    assert marks(lane, "missed") == ["Mon 31 Mar 03:00: missed 60 times"]
    assert lane.missed == 60
    assert len(lane.marks) < 50


def test_longer_spans_have_cells(root: Client) -> None:
    a_schedule()
    for hours in range(48):
        a_run(NOW - timedelta(hours=hours, minutes=20))
    week = lane_of(root.get(f"{CALENDAR}?span=7d"))
    assert marks(week, "good")[-1] == "Mon 31 Mar 12:00: 1 done"
    assert marks(week, "good")[-2] == "Mon 31 Mar 06:00: 6 done"
    month = lane_of(root.get(f"{CALENDAR}?span=30d"))
    assert marks(month, "good") == [
        "Sat 29 Mar 00:00: 11 done",
        "Sun 30 Mar 00:00: 24 done",
        "Mon 31 Mar 00:00: 13 done",
    ]
    assert marks(month, "future")[0] == "Mon 31 Mar 00:00: due 11 times"


def test_half_an_hour_from_utc_each_run_is_in_its_own_day(root: Client) -> None:
    FirmFactory(slug="pune", timezone="Asia/Kolkata")
    a_schedule()
    for minute in (5, 55):  # 23:35 and 00:25 there
        a_run(datetime(2025, 3, 30, 18, minute, tzinfo=UTC))
    week = lane_of(root.get(f"{CALENDAR}?span=7d&zone=pune"))
    assert marks(week, "good") == ["Sun 30 Mar 18:00: 1 done", "Mon 31 Mar 00:00: 1 done"]


def test_a_pause_is_shown_with_its_reason_and_nothing_is_due_in_it(root: Client) -> None:
    a_schedule()
    a_run(NOW.replace(hour=8, minute=10))
    JobPause.objects.create(
        job=JOB,
        since=NOW.replace(hour=8, minute=30),
        until=NOW.replace(hour=15),
        reason="Moving house",
    )
    answer = root.get(CALENDAR)
    lane = lane_of(answer)
    assert marks(lane, "pause") == ["Paused: Moving house"]
    assert marks(lane, "missed") == []
    assert marks(lane, "future")[0] == "Mon 31 Mar 16:10"
    assert "31 Mar 2025, 08:30 – 31 Mar 2025, 15:30: Moving house" in text_of(answer)


def test_the_line_of_now_stands_where_now_is(root: Client) -> None:
    a_schedule()
    assert root.get(CALENDAR).context["now_x"] == round(WIDTH * 12.5 / 24, 1)
    assert root.get(f"{CALENDAR}?day=2025-03-01").context["now_x"] is None


def test_shows_a_firms_people_their_runs_and_no_troubles_of_the_platform(
    client: Client, alder: Firm
) -> None:
    a_schedule()
    seen = a_run(NOW.replace(hour=8, minute=10))
    an_item(seen, alder)
    a_run(NOW.replace(hour=9, minute=10))
    JobPause.objects.create(job=JOB, since=NOW - timedelta(hours=1), reason="Secret")
    client.force_login(someone("ann", firm=alder))
    with time_machine.travel(NOW, tick=False):
        answer = client.get(CALENDAR)
    lane = lane_of(answer)
    assert (sum(lane.counts.values()), lane.missed, lane.pauses) == (1, 0, [])
    assert "Secret" not in answer.content.decode()


def test_refuses_who_has_nothing_to_see(client: Client) -> None:
    client.force_login(someone("stranger"))
    assert client.get(CALENDAR).status_code == 403


@pytest.mark.parametrize("way", ["superuser", "grant", "staff"])
@pytest.mark.parametrize("span", ["24h", "30d"])
def test_takes_twelve_statements_at_most(
    client: Client, alder: Firm, way: str, span: str
) -> None:
    ways = {
        "superuser": superuser,
        "grant": lambda: granted("ann"),
        "staff": lambda: someone("ann", firm=alder),
    }
    client.force_login(ways[way]())
    a_schedule()
    with time_machine.travel(NOW, tick=False):
        for number in range(60):
            an_item(a_run(NOW - timedelta(hours=number * 2)), alder)
        assert queries_of(client, f"{CALENDAR}?span={span}") <= 12
