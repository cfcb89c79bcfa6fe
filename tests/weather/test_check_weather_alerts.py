"""check_weather_alerts … (spec D20)."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent
from apps.core.watching import watched_by
from apps.firms.models import Firm, Role
from apps.leasing.models import Property
from apps.notifications.models import Notification
from apps.weather.models import WeatherAlert
from apps.weather.services import check_weather_alerts
from sandbox import Sandbox
from tests.factories import ContactFactory, LeaseFactory, MembershipFactory, UnitFactory
from tests.factories.weather import WeatherThresholdFactory
from tests.fieldwork.nightly import Trips
from tests.test_every_job import changed, every_row
from tests.weather.watching import (
    FREEZING,
    HOT,
    MILD,
    alerted,
    at,
    check,
    episodes,
    feels,
    home_of,
    live_in,
    told,
)

pytestmark = pytest.mark.django_db


# ---- what it does ---------------------------------------------------------------------------


@pytest.mark.usefixtures("neighbour")
def test_warns_whoever_lives_where_it_is_too_hot(maple: Property, sandbox: Sandbox) -> None:
    live_in(maple)
    feels(sandbox, HOT)
    assert check() == [
        "Checking weather alerts...",
        "  ⚠ Maple Court: extreme heat 41.0°C (threshold 39.4°C) - alerted 2 tenants",
        "Summary: Properties checked: 2, Alerts sent: 1, Already active: 0, Errors: 0",
    ]
    assert len(told()) == 2
    alert = WeatherAlert.objects.get()
    assert (alert.firm, alert.property, alert.kind) == (maple.firm, maple, "heat")
    assert (alert.severity, alert.notified_severity) == ("moderate", "moderate")
    event = AuditEvent.objects.get()
    assert (event.action, event.firm, event.object_id) == (
        "weather_alert_opened", maple.firm, str(alert.pk)
    )  # fmt: skip


def test_does_nothing_the_second_time(maple: Property, sandbox: Sandbox) -> None:
    feels(sandbox, HOT)
    check()
    before = every_row()
    assert check() == [
        "Checking weather alerts...",
        "  - Maple Court: extreme heat alert already active",
        "Summary: Properties checked: 1, Alerts sent: 0, Already active: 1, Errors: 0",
    ]
    assert changed(before, every_row()) == []


def test_leaves_no_trace_in_a_dry_run(maple: Property, sandbox: Sandbox) -> None:
    feels(sandbox, HOT)
    before = every_row()
    assert check(dry_run=True)[1] == (
        "  ⚠ Maple Court: extreme heat 41.0°C (threshold 39.4°C) - would alert 1 tenant"
    )
    assert changed(before, every_row()) == []


def test_leaves_one_without_coordinates_out(firm: Firm, sandbox: Sandbox) -> None:
    home_of(firm, "Oak Street", latitude=None)
    assert check() == [
        "Checking weather alerts...",
        "  - Oak Street: skipped (no coordinates)",
        "Summary: Properties checked: 1, Alerts sent: 0, Already active: 0, Errors: 0",
    ]


def test_asks_about_many_in_one_call_and_about_neighbours_once(
    firm: Firm, sandbox: Sandbox
) -> None:
    for name, north in (("A", "42.651"), ("B", "42.654"), ("C", "42.70"), ("D", "51.45")):
        home_of(firm, name, latitude=north, timezone="Europe/London", renters=0)
    check()
    [asked] = sandbox.requests
    assert asked.params["latitude"] == "42.65,42.70,51.45"


def test_asks_the_authority_only_where_it_warns(firm: Firm, sandbox: Sandbox) -> None:
    home_of(firm, "Harbor View", timezone="Europe/London")
    home_of(firm, "Isla Verde", timezone="America/Puerto_Rico", longitude="-66.01")
    check()
    asked = [call.params["point"] for call in sandbox.requests if call.vendor == "nws"]
    assert asked == ["42.65,-66.01"]


# ---- episodes: each row is a check, and how many alerts it sends -----------------------------


@pytest.mark.parametrize(
    "checks",
    [
        # A hot day is told of once (acceptance 1).
        [(0, 40, 1), (6, 40, 0), (12, 40, 0), (18, 40, 0)],
        # Hot, a day of relief, hot again (acceptance 2).
        [(0, 40, 1), (6, 28, 0), (12, 28, 0), (18, 28, 0), (24, 28, 0), (30, 40, 1)],
        # Flapping around the threshold (acceptance 3).
        [
            (0, 38.9, 0),
            (6, 39.5, 1),
            (12, 38.9, 0),
            (18, 39.5, 0),
            (24, 38.9, 0),
            (30, 39.5, 0),
        ],
        # Near the threshold it is not over, however long; well back it is.
        [(0, 40, 1), (24, 37.5, 0), (48, 37.5, 0), (72, 40, 0)],
        [(0, 40, 1), (24, 37.4, 0), (48, 37.4, 0), (72, 40, 1)],
        # One calm check is not enough, and those in between must be in a row.
        [(0, 40, 1), (24, 28, 0), (48, 40, 0)],
        [(0, 40, 1), (6, 28, 0), (12, 38, 0), (18, 28, 0), (48, 40, 0)],
        # Two calm checks end it twelve hours after the last hit, not before.
        [(0, 40, 1), (6, 28, 0), (11.75, 28, 0), (23.75, 40, 0)],
        [(0, 40, 1), (6, 28, 0), (12, 28, 0), (24, 40, 1)],
        # Not again within twelve hours after it closed, then again.
        [(0, 40, 1), (6, 28, 0), (12, 28, 0), (23.75, 40, 0), (24, 40, 1)],
        # What is not known is neither hot nor calm.
        [(0, 40, 1), (6, None, 0), (12, None, 0), (18, None, 0), (24, 40, 0)],
        [(0, None, 0), (6, 40, 1)],
        # Worse than what people were told.
        [(0, 40, 1), (6, 51.6, 0), (12, 51.7, 1), (18, 53, 0), (24, 40, 0), (30, 52, 0)],
    ],
)
@pytest.mark.usefixtures("maple")
def test_sends(checks: list[tuple[float, float | None, int]], sandbox: Sandbox) -> None:
    sent = []
    for hours, degrees, _ in checks:
        feels(sandbox, degrees)
        sent.append(alerted(hours))
    assert sent == [count for _, _, count in checks]


@pytest.mark.usefixtures("maple")
def test_says_that_it_is_over_and_counts_an_observation_once(sandbox: Sandbox) -> None:
    feels(sandbox, HOT)
    check()
    feels(sandbox, MILD)
    for hours in (12, 12, 12.1):  # observations are made every quarter of an hour
        check(hours)
    assert episodes() == [("extreme heat", "moderate", True)]
    assert check(12.25)[1] == "  ✓ Maple Court: extreme heat is over"
    assert episodes() == [("extreme heat", "moderate", False)]
    trail = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(trail) == ["weather_alert_opened", "weather_alert_closed"]
    feels(sandbox, HOT)
    assert check(13)[1] == (
        "  - Maple Court: extreme heat again, the last alert has just ended"
    )


@pytest.mark.usefixtures("maple")
def test_says_when_it_has_become_worse(sandbox: Sandbox) -> None:
    feels(sandbox, HOT)
    check()
    feels(sandbox, 52.0)
    assert check(6)[1] == (
        "  ⚠ Maple Court: extreme heat 52.0°C (threshold 39.4°C) - "
        "upgraded to extreme, alerted 1 tenant"
    )
    assert episodes() == [("extreme heat", "extreme", True)]
    first, second = Notification.objects.order_by("pk")
    assert (first.type, first.context["upgraded"]) == ("weather_alert", False)
    assert (second.type, second.context["upgraded"]) == ("urgent_weather_alert", True)


@pytest.mark.usefixtures("maple")
def test_keeps_each_kind_of_weather_apart(sandbox: Sandbox) -> None:
    feels(sandbox, HOT)
    check()
    sandbox.open_meteo.set_weather(
        42.65, -73.76, apparent_temperature=HOT, wind_speed_10m=19.0, wind_gusts_10m=36.0
    )
    assert check(6)[1:3] == [
        "  - Maple Court: extreme heat alert already active",
        "  ⚠ Maple Court: high winds 36.0 m/s (threshold 25.9 m/s) - alerted 1 tenant",
    ]
    assert episodes() == [
        ("extreme heat", "moderate", True), ("high winds", "extreme", True)
    ]  # fmt: skip


@pytest.mark.usefixtures("maple")
def test_ignores_an_observation_older_than_two_hours(sandbox: Sandbox) -> None:
    sandbox.open_meteo.set_weather(42.65, -73.76, apparent_temperature=HOT, minutes_ago=120)
    assert alerted(0) == 1
    sandbox.open_meteo.set_weather(42.65, -73.76, apparent_temperature=MILD, minutes_ago=135)
    assert check(6)[1] == ("  - Maple Court: the latest observation is of 2025-06-10 15:45 UTC")
    assert episodes() == [("extreme heat", "moderate", True)]


# ---- thresholds -----------------------------------------------------------------------------


def test_goes_by_the_propertys_thresholds_then_the_firms(firm: Firm, sandbox: Sandbox) -> None:
    maple, oak = home_of(firm, "Maple Court"), home_of(firm, "Oak Street")
    WeatherThresholdFactory(firm=firm, property=None, heat="35.0", cold="-5.0")
    WeatherThresholdFactory(property=oak, heat="38.0")
    other = home_of(MembershipFactory().firm, "Birch Court")
    feels(sandbox, 36.0)
    assert alerted() == 1
    assert WeatherAlert.objects.get().property == maple
    sandbox.open_meteo.set_weather(42.65, -73.76, temperature_2m=-4.0, wind_speed_10m=0.5)
    assert alerted(6) == 0
    sandbox.open_meteo.set_weather(42.65, -73.76, temperature_2m=-6.0, wind_speed_10m=0.5)
    assert alerted(12) == 2
    assert not WeatherAlert.objects.filter(property=other).exists()


def test_has_no_cold_where_the_temperature_is_missing(
    maple: Property, sandbox: Sandbox
) -> None:
    sandbox.open_meteo.set_weather(42.65, -73.76, temperature_2m=None, wind_speed_10m=10)
    assert alerted() == 0
    sandbox.open_meteo.set_weather(42.65, -73.76, temperature_2m=FREEZING, wind_speed_10m=None)
    assert alerted(6) == 0
    sandbox.open_meteo.set_weather(42.65, -73.76, temperature_2m=FREEZING, wind_speed_10m=0)
    assert alerted(12) == 1


# ---- whom it tells --------------------------------------------------------------------------


def test_tells_each_renter_once_and_no_guarantor(maple: Property, sandbox: Sandbox) -> None:
    two_units = live_in(maple)
    live_in(maple, two_units)
    lease = LeaseFactory(unit=UnitFactory(property=maple))
    guarantor, partner = (ContactFactory(firm=maple.firm) for _ in range(2))
    for person, role in ((guarantor, "guarantor"), (partner, "co_renter")):
        lease.parties.create(firm=maple.firm, contact=person, role=role)
    gone = live_in(maple, status="ended", end_date=date(2025, 6, 1))
    moved_out = live_in(maple, end_date=date(2025, 6, 9))
    still_there = live_in(maple, end_date=date(2025, 6, 10))
    coming = live_in(maple, start_date=date(2025, 6, 11))
    feels(sandbox, HOT)
    check()
    heard = told()
    assert len(heard) == len(set(heard)) == 5
    for person in (two_units, partner, still_there):
        assert f"contact:{person.pk}" in heard
    for person in (guarantor, gone, moved_out, coming):
        assert f"contact:{person.pk}" not in heard


@pytest.mark.parametrize(
    ("timezone", "lives_there"),
    [
        ("Pacific/Auckland", False),  # 11 June there, and the lease has ended
        ("America/Los_Angeles", True),
    ],
)
def test_goes_by_the_date_at_the_property(
    firm: Firm, sandbox: Sandbox, timezone: str, lives_there: bool
) -> None:
    home = home_of(firm, timezone=timezone, renters=0)
    live_in(home, end_date=date(2025, 6, 10))
    feels(sandbox, HOT)
    check()
    assert len(told()) == lives_there


def test_tells_the_managers_and_without_any_whoever_is_in_charge(
    maple: Property, sandbox: Sandbox
) -> None:
    owner = MembershipFactory(firm=maple.firm, roles=[Role.OWNER]).user
    MembershipFactory(firm=maple.firm, roles=[Role.STAFF])
    feels(sandbox, HOT)
    check()
    assert told(recipient_user__isnull=False) == [f"user:{owner.pk}"]
    manager = MembershipFactory(firm=maple.firm, roles=[Role.MANAGER]).user
    feels(sandbox, 52.0)
    check(6)
    assert told(recipient_user__isnull=False)[1:] == [f"user:{manager.pk}"]


# ---- trouble --------------------------------------------------------------------------------


def test_lets_one_bad_item_spare_the_rest(firm: Firm, sandbox: Sandbox) -> None:
    homes = [home_of(firm, name) for name in ("Ash", "Beech", "Cedar")]
    feels(sandbox, HOT)
    with at(), watched_by(Trips(homes[1].pk)):
        report = check_weather_alerts()
    assert (report.tallies["sent"], report.failed) == (2, 1)
    assert {alert.property for alert in WeatherAlert.objects.all()} == {homes[0], homes[2]}


def test_concludes_nothing_when_the_weather_cannot_be_known(
    maple: Property, sandbox: Sandbox
) -> None:
    feels(sandbox, HOT)
    check()
    for hours in (12, 18, 24):
        sandbox.open_meteo.misbehave("malformed")
        assert check(hours) == [
            "Checking weather alerts...",
            "  ✗ Maple Court: weather service unavailable",
            "Summary: Properties checked: 1, Alerts sent: 0, Already active: 0, Errors: 1",
            "CommandError: 1 item(s) failed; see the log.",
        ]
    assert episodes() == [("extreme heat", "moderate", True)]
    assert check(30)[1] == "  - Maple Court: extreme heat alert already active"


def test_warns_of_the_weather_although_the_authority_is_silent(
    maple: Property, sandbox: Sandbox
) -> None:
    feels(sandbox, HOT)
    sandbox.nws.misbehave("error_before", count=None)
    assert check()[1:3] == [
        "  ✗ Maple Court: official alerts unavailable",
        "  ⚠ Maple Court: extreme heat 41.0°C (threshold 39.4°C) - alerted 1 tenant",
    ]


@pytest.mark.usefixtures("maple")
def test_passes_an_official_alert_on_although_the_weather_is_unknown(sandbox: Sandbox) -> None:
    sandbox.open_meteo.misbehave("error_before", count=None)
    sandbox.nws.warn(42.65, -73.76, event="Tornado Warning")
    assert check()[1:3] == [
        "  ✗ Maple Court: weather service unavailable",
        "  ⚠ Maple Court: Tornado Warning - alerted 1 tenant",
    ]


def test_leaves_out_only_what_is_nowhere_on_earth_or_in_no_zone(
    firm: Firm, maple: Property, sandbox: Sandbox
) -> None:
    home_of(firm, "Nowhere", latitude="91.0")
    lost = home_of(firm, "Lost")
    Property.objects.filter(pk=lost.pk).update(timezone="Mars/Olympus")
    feels(sandbox, HOT)
    assert check()[1:4] == [
        "  ✗ Lost: unknown timezone 'Mars/Olympus'",
        "  ✗ Nowhere: its coordinates are nowhere on Earth",
        "  ⚠ Maple Court: extreme heat 41.0°C (threshold 39.4°C) - alerted 1 tenant",
    ]


def test_leaves_a_suspended_firm_alone(maple: Property, sandbox: Sandbox) -> None:
    Firm.objects.update(status="suspended")
    feels(sandbox, HOT)
    assert check()[-1].startswith("Summary: Properties checked: 0,")
    assert check(firm_id=maple.firm_id)[1] == f"Firm {maple.firm_id} is suspended; skipped."
    assert sandbox.requests == []


def test_checks_one_property_only(firm: Firm, maple: Property, sandbox: Sandbox) -> None:
    home_of(firm, "Oak Street")
    feels(sandbox, HOT)
    check(property=maple.pk)
    assert WeatherAlert.objects.get().property == maple
    with pytest.raises(CommandError, match=r"^Property with ID 99999 does not exist\.$"):
        call_command("check_weather_alerts", property=99999)


def test_asks_no_more_questions_for_more_properties(firm: Firm, sandbox: Sandbox) -> None:
    feels(sandbox, HOT)
    counts = []
    for first in (0, 5):
        for number in range(first, first * 5 + 5):
            home_of(firm, f"Home {number}", timezone="Europe/London")
        WeatherAlert.objects.all().delete()
        Notification.objects.all().delete()
        with (
            at(),
            CaptureQueriesContext(
                connection,
            ) as queries,
        ):
            assert check_weather_alerts().tallies["sent"] == first * 5 + 5
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_reads_thresholds_as_they_were_typed(maple: Property, sandbox: Sandbox) -> None:
    WeatherThresholdFactory(property=maple, heat=Decimal("41.0"))
    feels(sandbox, 40.9)
    assert alerted(0) == 0
    feels(sandbox, 41.0)
    assert alerted(6) == 1
