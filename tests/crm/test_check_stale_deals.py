"""check_stale_deals … (spec D13)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.problems import BadOption
from apps.crm.models import Deal, StaleDealAlert
from apps.crm.services import (
    cancel_activity,
    check_stale_deals,
    hold_activity,
    log_activity,
    move_deal,
    plan_activity,
    win_deal,
)
from apps.firms.models import Firm, FirmSettings
from tests.crm.dealing import FIRST, after, colleague, deal_of, on, run, stage_of
from tests.factories import (
    DealActivityFactory,
    DealFactory,
    FirmFactory,
    StageFactory,
    StaleDealAlertFactory,
)

pytestmark = pytest.mark.django_db


def checked_on(day: date) -> list[str]:
    """Run the job on a day, and return the titles of the deals that are flagged then."""
    with on(day):
        check_stale_deals()
    return list(
        Deal.objects.filter(is_stale=True).order_by("pk").values_list("title", flat=True)
    )


# ---- what it does ---------------------------------------------------------------------------


def test_flags_a_deal_on_the_fourteenth_day_and_not_the_day_before(firm: Firm) -> None:
    deal_of(firm, title="Fit-out")
    assert checked_on(date(2025, 3, 14)) == []
    assert checked_on(date(2025, 3, 15)) == ["Fit-out"]


def test_says_since_when_and_opens_an_alert(firm: Firm) -> None:
    deal = deal_of(firm)
    checked_on(after(20))
    deal.refresh_from_db()
    assert (deal.is_stale, deal.stale_since) == (True, date(2025, 3, 15))
    alert = StaleDealAlert.objects.get()
    assert (alert.deal, alert.firm, alert.opened_on) == (deal, firm, date(2025, 3, 21))
    assert (alert.resolved_on, alert.reminder_count, alert.last_reminded_on) == (None, 0, None)


def test_says_what_it_found_in_one_line_for_each_firm(firm: Firm) -> None:
    quiet = FirmFactory(name="Birch")
    stage = stage_of(firm)
    for _ in range(3):
        deal_of(firm, stage=stage)
    touched = deal_of(firm, stage=stage, stage_entered_at=datetime(2025, 3, 20, tzinfo=UTC))
    StaleDealAlertFactory(deal=touched)
    Deal.objects.filter(pk=touched.pk).update(is_stale=True, stale_since=after(14))
    for _ in range(2):
        StaleDealAlertFactory(deal=deal_of(firm, is_stale=True, stale_since=after(14)))
    deal_of(firm, status="won", closed_at=datetime(2025, 3, 2, tzinfo=UTC))
    deal_of(quiet, created_at=datetime(2025, 3, 20, tzinfo=UTC))
    with on(after(21)):
        assert run("check_stale_deals") == (
            f"Firm Acme Consulting (ID: {firm.pk}): "
            "6 open deals checked, 3 newly stale, 1 recovered, 5 stale in total\n"
            f"Firm Birch (ID: {quiet.pk}): "
            "1 open deals checked, 0 newly stale, 0 recovered, 0 stale in total\n"
        )


def test_does_nothing_the_second_time(firm: Firm) -> None:
    deal = deal_of(firm)
    checked_on(after(14))
    with on(after(14)):
        assert "1 open deals checked, 0 newly stale, 0 recovered, 1 stale in total" in run(
            "check_stale_deals"
        )
    checked_on(after(60))
    deal.refresh_from_db()
    assert deal.stale_since == after(14)
    assert StaleDealAlert.objects.count() == 1


def test_never_takes_its_own_flag_for_a_touch(firm: Firm) -> None:
    deal = deal_of(firm)
    for days in (14, 15, 16, 40):
        assert checked_on(after(days)) == [deal.title]
    with on(after(41)):
        deal.refresh_from_db()
        deal.save()  # as a job would that writes some column: updated_at is today
    assert checked_on(after(42)) == [deal.title]


def test_recovers_a_deal_that_was_touched(firm: Firm) -> None:
    deal = deal_of(firm)
    checked_on(after(14))
    Deal.objects.update(last_activity_at=datetime(2025, 3, 18, 12, tzinfo=UTC))
    assert checked_on(after(18)) == []
    deal.refresh_from_db()
    assert deal.stale_since is None
    assert StaleDealAlert.objects.get().resolved_on == after(18)
    assert checked_on(date(2025, 4, 1)) == [deal.title]
    assert StaleDealAlert.objects.open().get().opened_on == date(2025, 4, 1)


def test_begins_anew_what_was_touched_and_left_alone_again_between_two_runs(firm: Firm) -> None:
    deal = deal_of(firm, stage=stage_of(firm, stale_after_days=1))
    checked_on(after(1))
    Deal.objects.update(last_activity_at=datetime(2025, 3, 3, 12, tzinfo=UTC))
    with on(after(3)):
        assert "1 newly stale, 1 recovered, 1 stale in total" in run("check_stale_deals")
        assert "0 newly stale, 0 recovered, 1 stale in total" in run("check_stale_deals")
    deal.refresh_from_db()
    assert deal.stale_since == after(3)
    alerts = StaleDealAlert.objects.order_by("pk").values_list("opened_on", "resolved_on")
    assert list(alerts) == [(after(1), after(3)), (after(3), None)]


# ---- whose threshold ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "pipeline", "settings", "days"),
    [
        (None, None, 14, 14),
        (None, None, 30, 30),
        (None, 7, 14, 7),
        (3, 7, 14, 3),
        (30, None, 14, 30),
        (0, 7, 14, None),
        (None, 0, 14, None),
        (None, None, 0, None),
        (5, 0, 0, 5),
        (1, None, 14, 1),
    ],
)
def test_asks_the_stage_then_the_pipeline_then_the_firm(
    firm: Firm, stage: int | None, pipeline: int | None, settings: int, days: int | None
) -> None:
    FirmSettings.objects.update(stale_deal_days=settings)
    place = stage_of(firm, stale_after_days=stage, pipeline__stale_after_days=pipeline)
    deal_of(firm, stage=place)
    stale_from = next((n for n in range(60) if checked_on(after(n))), None)
    assert stale_from == days


def test_counts_fourteen_days_for_a_firm_without_settings(firm: Firm) -> None:
    FirmSettings.objects.all().delete()
    deal = deal_of(firm)
    assert checked_on(after(13)) == []
    assert checked_on(after(14)) == [deal.title]


def test_recovers_a_deal_that_was_moved_to_a_more_patient_stage(firm: Firm) -> None:
    stage = stage_of(firm)
    patient = StageFactory(pipeline=stage.pipeline, stale_after_days=30)
    deal = deal_of(firm, stage=stage)
    assert checked_on(after(14)) == [deal.title]
    with on(after(14)):
        move_deal(deal=deal, stage=patient, actor=None, now=datetime.now(UTC))
    assert checked_on(after(14)) == []
    assert checked_on(after(29)) == []
    assert checked_on(after(30)) == [deal.title]


# ---- what is a touch ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "last"),
    [
        ({}, FIRST),
        ({"stage_entered_at": datetime(2025, 3, 5, 12, tzinfo=UTC)}, date(2025, 3, 5)),
        ({"last_activity_at": datetime(2025, 3, 6, 12, tzinfo=UTC)}, date(2025, 3, 6)),
        (
            {
                "stage_entered_at": datetime(2025, 3, 9, 12, tzinfo=UTC),
                "last_activity_at": datetime(2025, 3, 6, 12, tzinfo=UTC),
            },
            date(2025, 3, 9),
        ),
        # What was put in late, about a time before the deal was begun.
        ({"last_activity_at": datetime(2025, 2, 1, tzinfo=UTC)}, FIRST),
        ({"stage_entered_at": datetime(2025, 2, 1, tzinfo=UTC)}, FIRST),
        # 23:30 in New York is the next day in UTC.
        ({"last_activity_at": datetime(2025, 3, 7, 4, 30, tzinfo=UTC)}, date(2025, 3, 6)),
    ],
)
def test_counts_from_the_latest_touch(firm: Firm, how: dict[str, Any], last: date) -> None:
    deal = deal_of(firm, **how)
    assert checked_on(last + timedelta(days=13)) == []
    assert checked_on(last + timedelta(days=14)) == [deal.title]
    deal.refresh_from_db()
    assert deal.stale_since == last + timedelta(days=14)


@pytest.mark.parametrize("type", ["call", "email_in", "email_out", "meeting", "note", "file"])
@pytest.mark.parametrize("is_automated", [False, True])
def test_counts_what_people_do_and_not_what_machines_do(
    firm: Firm, type: Any, is_automated: bool
) -> None:
    deal = deal_of(firm)
    with on(after(10)):
        now = datetime.now(UTC)
        log_activity(
            deal=deal,
            type=type,
            note="",
            occurred_at=now,
            is_automated=is_automated,
            actor=None,
            now=now,
        )
    assert checked_on(after(14)) == [deal.title] * is_automated
    assert checked_on(after(23)) == [deal.title] * is_automated
    assert checked_on(after(24)) == [deal.title]


# ---- what is left alone ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["won", "lost"])
def test_never_flags_a_closed_deal(firm: Firm, status: str) -> None:
    deal_of(firm, status=status, closed_at=datetime(2025, 3, 2, tzinfo=UTC))
    assert checked_on(after(300)) == []


def test_finds_a_deal_that_closed_without_its_flag(firm: Firm) -> None:
    deal = deal_of(firm)
    checked_on(after(14))
    with on(after(15)):
        now = datetime.now(UTC)
        win_deal(deal=deal, today=after(15), actor=None, reason="Signed", now=now)
    deal.refresh_from_db()
    assert (deal.is_stale, deal.stale_since) == (False, None)
    assert StaleDealAlert.objects.get().resolved_on == after(15)
    assert checked_on(after(16)) == []


def test_leaves_a_snoozed_deal_alone_until_its_day(firm: Firm) -> None:
    deal = deal_of(firm, snoozed_until=date(2025, 4, 1))
    assert checked_on(date(2025, 3, 31)) == []
    assert checked_on(date(2025, 4, 1)) == [deal.title]
    deal.refresh_from_db()
    assert deal.stale_since == after(14)


def test_recovers_a_deal_that_is_snoozed(firm: Firm) -> None:
    deal = deal_of(firm)
    assert checked_on(after(14)) == [deal.title]
    Deal.objects.update(snoozed_until=after(20))
    assert checked_on(after(15)) == []
    assert StaleDealAlert.objects.get().resolved_on == after(15)


# ---- what is planned ------------------------------------------------------------------------


def at_noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


def test_waits_for_a_meeting_and_flags_when_it_was_not_held(firm: Firm) -> None:
    deal = deal_of(firm)
    DealActivityFactory(deal=deal, occurred_at=None, scheduled_for=at_noon(after(19)))
    assert checked_on(after(14)) == []
    assert checked_on(after(19)) == []  # it may be going on
    assert checked_on(after(20)) == [deal.title]
    deal.refresh_from_db()
    assert deal.stale_since == after(14)


def test_counts_from_a_meeting_that_was_held(firm: Firm) -> None:
    deal = deal_of(firm)
    with on(after(1)):
        meeting = plan_activity(
            deal=deal,
            type="meeting",
            note="",
            scheduled_for=at_noon(after(12)),
            is_automated=False,
            actor=None,
            now=at_noon(after(1)),
        )
    held_at = at_noon(after(12))
    hold_activity(activity=meeting, occurred_at=held_at, actor=None, now=held_at)
    assert checked_on(after(25)) == []
    assert checked_on(after(26)) == [deal.title]


def test_does_not_wait_for_a_meeting_that_was_called_off(firm: Firm) -> None:
    deal = deal_of(firm)
    meeting = DealActivityFactory(deal=deal, occurred_at=None, scheduled_for=at_noon(after(19)))
    assert checked_on(after(14)) == []
    now = at_noon(after(15))
    cancel_activity(activity=meeting, actor=None, reason="They are away", now=now)
    assert checked_on(after(15)) == [deal.title]


@pytest.mark.parametrize(
    ("planned", "is_stale"),
    [
        (after(14), False),  # today
        (after(15), False),
        (after(28), False),  # in fourteen days
        (after(29), True),
        (after(13), True),  # yesterday
    ],
)
def test_waits_for_as_many_days_as_the_threshold_has(
    firm: Firm, planned: date, is_stale: bool
) -> None:
    deal = deal_of(firm)
    DealActivityFactory(deal=deal, occurred_at=None, scheduled_for=at_noon(planned))
    assert checked_on(after(14)) == [deal.title] * is_stale


def test_does_not_wait_for_what_a_machine_has_planned(firm: Firm) -> None:
    deal = deal_of(firm)
    DealActivityFactory(
        deal=deal, occurred_at=None, scheduled_for=at_noon(after(15)), is_automated=True
    )
    assert checked_on(after(14)) == [deal.title]


def test_does_not_wait_where_the_firm_says_that_plans_do_not_count(firm: Firm) -> None:
    FirmSettings.objects.filter(firm=firm).update(stale_deals_ignore_plans=True)
    deals = [deal_of(firm), deal_of(FirmFactory())]
    for deal in deals:
        DealActivityFactory(deal=deal, occurred_at=None, scheduled_for=at_noon(after(15)))
    assert checked_on(after(14)) == [deals[0].title]


# ---- whose day it is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "touched", "too_early", "time"),
    [
        # The same touch, at noon UTC on 1 March, is stale on the firm's own 15th.
        ("UTC", "2025-03-01T12:00Z", "2025-03-14T23:59Z", "2025-03-15T00:00Z"),
        ("Pacific/Auckland", "2025-03-01T12:00Z", "2025-03-15T10:59Z", "2025-03-15T11:00Z"),
        ("America/Los_Angeles", "2025-03-01T12:00Z", "2025-03-15T06:59Z", "2025-03-15T07:00Z"),
        # The clocks change in between: 9 March in the USA, 30 March in Europe, 2 November.
        ("America/New_York", "2025-03-02T04:59Z", "2025-03-15T03:59Z", "2025-03-15T04:00Z"),
        ("America/New_York", "2025-03-02T05:00Z", "2025-03-16T03:59Z", "2025-03-16T04:00Z"),
        ("Europe/Berlin", "2025-03-20T22:59Z", "2025-04-02T21:59Z", "2025-04-02T22:00Z"),
        ("America/New_York", "2025-10-25T03:59Z", "2025-11-07T04:59Z", "2025-11-07T05:00Z"),
        # A year with a leap day, and the turn of a year.
        ("UTC", "2024-02-20T23:59Z", "2024-03-04T23:59Z", "2024-03-05T00:00Z"),
        ("UTC", "2024-12-20T00:00Z", "2025-01-02T23:59Z", "2025-01-03T00:00Z"),
    ],
)
def test_counts_days_as_the_firms_calendar_does(
    zone: str, touched: str, too_early: str, time: str
) -> None:
    deal = deal_of(FirmFactory(timezone=zone), created_at=datetime.fromisoformat(touched))
    with time_machine.travel(too_early, tick=False):
        assert "0 newly stale" in run("check_stale_deals")
    with time_machine.travel(time, tick=False):
        assert "1 newly stale" in run("check_stale_deals")
    deal.refresh_from_db()
    local = datetime.fromisoformat(touched).astimezone(ZoneInfo(zone))
    assert deal.stale_since == local.date() + timedelta(days=14)


def test_finds_auckland_and_los_angeles_on_different_days_at_one_instant() -> None:
    there, here = (
        FirmFactory(timezone="Pacific/Auckland"),
        FirmFactory(timezone="America/Los_Angeles"),
    )
    noon = datetime(2025, 3, 1, 20, tzinfo=UTC)  # 1 March in Los Angeles, 2 March in Auckland
    for firm in (there, here):
        deal_of(firm, created_at=noon, title=firm.timezone)
    with time_machine.travel("2025-03-15T10:00Z", tick=False):  # 15 March, both
        check_stale_deals()
        flagged = Deal.objects.filter(is_stale=True)
        assert [deal.title for deal in flagged] == ["America/Los_Angeles"]
    with time_machine.travel("2025-03-15T12:00Z", tick=False):  # 16 March in Auckland
        check_stale_deals()
        assert Deal.objects.filter(is_stale=True).count() == 2


@pytest.mark.parametrize(
    ("moment", "flagged"), [("2025-03-20T13:59Z", 0), ("2025-03-20T14:00Z", 1)]
)
def test_waits_for_ten_in_the_morning_when_the_schedule_says_so(
    firm: Firm, moment: str, flagged: int
) -> None:
    deal_of(firm)
    with time_machine.travel(moment, tick=False):
        check_stale_deals(at="10:00")
    assert Deal.objects.filter(is_stale=True).count() == flagged


# ---- for whom -------------------------------------------------------------------------------


def test_leaves_the_neighbour_untouched(firm: Firm) -> None:
    deal, other = deal_of(firm), deal_of(FirmFactory())
    before = Deal.objects.filter(pk=other.pk).values().get()
    with on(after(14)):
        assert run("check_stale_deals", firm_id=firm.pk).count("\n") == 1
    assert Deal.objects.filter(pk=other.pk).values().get() == before
    assert StaleDealAlert.objects.get().deal == deal


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_does_not_serve_firms_that_are_not_served(firm: Firm, status: str) -> None:
    deal_of(firm)
    Firm.objects.update(status=status)
    assert checked_on(after(14)) == []
    with on(after(14)):
        words = f"Firm {firm.pk} is {status}; skipped.\n"
        assert run("check_stale_deals", firm_id=firm.pk) == words


def test_answers_for_a_firm_without_deals_when_asked_and_else_says_nothing(firm: Firm) -> None:
    assert run("check_stale_deals") == ""
    assert run("check_stale_deals", firm_id=firm.pk) == (
        f"Firm Acme Consulting (ID: {firm.pk}): "
        "0 open deals checked, 0 newly stale, 0 recovered, 0 stale in total\n"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"at": "10"}, "Invalid time '10'. Use HH:MM."),
    ],
)
def test_refuses_options_it_cannot_use(
    firm: Firm, options: dict[str, Any], sentence: str
) -> None:
    deal_of(firm)
    with on(after(14)), pytest.raises(BadOption) as refusal:
        check_stale_deals(**options)
    assert str(refusal.value) == sentence
    assert not StaleDealAlert.objects.exists()


def test_goes_on_after_a_firm_in_a_zone_that_nobody_knows(firm: Firm) -> None:
    lost = FirmFactory(name="Lost", timezone="Mars/Base")
    deal_of(lost)
    deal = deal_of(firm)
    with on(after(14)), pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log"):
        run("check_stale_deals")
    assert StaleDealAlert.objects.get().deal == deal


def test_goes_on_after_a_deal_that_cannot_be_flagged(firm: Firm) -> None:
    broken = deal_of(firm, title="Broken")
    StaleDealAlertFactory(deal=broken)  # an open alert, and no flag: there cannot be a second
    deals = [deal_of(firm, stage=broken.stage) for _ in range(3)]
    with on(after(14)):
        report = check_stale_deals()
    assert (report.done, report.failed) == (3, 1)
    assert set(Deal.objects.filter(is_stale=True)) == set(deals)


# ---- dry runs and large firms ---------------------------------------------------------------


def test_shows_in_a_dry_run_what_it_would_do(firm: Firm) -> None:
    stage = stage_of(firm)
    deal_of(firm, stage=stage, title="Fit-out")
    again = deal_of(
        firm,
        stage=stage,
        title="Audit",
        is_stale=True,
        stale_since=after(14),
        last_activity_at=at_noon(after(15)),
    )
    StaleDealAlertFactory(deal=again)
    before = list(Deal.objects.order_by("pk").values()), list(StaleDealAlert.objects.values())
    with on(after(16)):
        assert run("check_stale_deals", dry_run=True) == (
            "  ✓ Would be stale since 2025-03-15: Fit-out\n"
            "  ✓ Would recover: Audit\n"
            f"Firm Acme Consulting (ID: {firm.pk}): 2 open deals checked, "
            "1 would be newly stale, 1 would recover, 1 would be stale in total\n"
        )
    after_it = list(Deal.objects.order_by("pk").values()), list(StaleDealAlert.objects.values())
    assert after_it == before


def queries_for(deals: int) -> int:
    """How many statements it takes to flag so many deals of a new firm."""
    firm = FirmFactory()
    stage, owner = stage_of(firm), colleague(firm)
    rows = DealFactory.build_batch(
        deals, stage=stage, pipeline=stage.pipeline, firm=firm, contact=deal_of(firm).contact
    )
    Deal.objects.all().delete()
    for row in rows:
        row.owner = owner
    Deal.objects.bulk_create(rows)
    with on(after(14)), CaptureQueriesContext(connection) as captured:
        report = check_stale_deals(firm_id=firm.pk)
    assert (report.done, report.failed) == (deals, 0)
    assert Deal.objects.filter(is_stale=True).count() == deals
    StaleDealAlert.objects.all().delete()
    return len(captured)


def test_asks_the_database_once_for_each_five_hundred_deals() -> None:
    few, many = queries_for(10), queries_for(600)
    assert few <= 20
    assert many <= 2 * few
