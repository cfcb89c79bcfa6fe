"""send_stale_deal_reminders … (spec D14)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.problems import BadOption
from apps.crm.models import Deal, StaleDealAlert
from apps.crm.services import (
    check_stale_deals,
    log_activity,
    send_stale_deal_reminders,
    snooze_deal,
)
from apps.firms.models import Firm, Membership, Role, User
from apps.notifications.models import Channel, Delivery, Notification
from apps.notifications.services import prefer
from tests.crm.dealing import after, colleague, deal_of, on, run, stage_of
from tests.factories import DealFactory, FirmFactory, MembershipFactory, StageFactory

pytestmark = pytest.mark.django_db

STALE = after(14)


@pytest.fixture
def boss(firm: Firm) -> User:
    """The owner of the firm."""
    user: User = MembershipFactory(
        firm=firm, roles=[Role.OWNER], user__username="boss", user__is_staff=True
    ).user
    return user


def night(day: date) -> str:
    """Run both jobs on a day, and return what the second says."""
    with on(day):
        check_stale_deals()
        return run("send_stale_deal_reminders")


def told() -> list[tuple[str, str, str]]:
    """Return who was told what, in order: (person, type, day)."""
    rows = Notification.objects.order_by("pk")
    return [
        (row.recipient_user.username, row.type, f"{row.created_at:%Y-%m-%d}") for row in rows
    ]


def deals_in(notification: Notification) -> list[str]:
    deals = Deal.objects.in_bulk(notification.context["deals"])
    return [deals[pk].title for pk in notification.context["deals"]]


# ---- what it does ---------------------------------------------------------------------------


def test_reminds_the_owner_of_a_stale_deal_and_counts_it(firm: Firm, bob: User) -> None:
    deal_of(firm, owner=bob)
    assert night(STALE) == (
        f"Firm Acme Consulting (ID: {firm.pk}): "
        "1 reminder sent to 1 owner (1 deal), 0 escalated\n"
    )
    reminder = Notification.objects.get()
    assert (reminder.recipient_user, reminder.firm) == (bob, firm)
    assert reminder.dedupe_key == f"stale-deals:{bob.pk}:2025-03-15"
    alert = StaleDealAlert.objects.get()
    assert (alert.reminder_count, alert.last_reminded_on) == (1, STALE)
    channels = reminder.deliveries.order_by("channel").values_list("channel", "status")
    assert list(channels) == [("email", "queued"), ("in_app", "delivered")]


def test_says_in_one_line_what_it_did(firm: Firm, boss: User) -> None:
    stage = stage_of(firm)
    for count in (1, 2, 2):
        owner = colleague(firm)
        for _ in range(count):
            deal_of(firm, stage=stage, owner=owner)
    assert night(STALE) == (
        f"Firm Acme Consulting (ID: {firm.pk}): "
        "3 reminders sent to 3 owners (5 deals), 0 escalated\n"
    )


def test_sends_an_owner_of_six_stale_deals_one_message(firm: Firm, bob: User) -> None:
    stage = stage_of(firm)
    for _ in range(6):
        deal_of(firm, stage=stage, owner=bob)
    assert "1 reminder sent to 1 owner (6 deals)" in night(STALE)
    assert len(deals_in(Notification.objects.get())) == 6


def test_puts_the_largest_first_within_each_currency_then_the_longest_idle(
    firm: Firm, bob: User
) -> None:
    stage = stage_of(firm)
    long_ago = datetime(2025, 2, 1, 12, tzinfo=UTC)
    for title, currency, amount, how in (
        ("Dollar, small", "USD", 100, {}),
        ("Dollar, large", "USD", 900_000, {}),
        ("Yen", "JPY", 120_000, {}),
        ("Dollar, small and old", "USD", 100, {"created_at": long_ago}),
        ("Euro", "EUR", 1, {}),
    ):
        how |= {"title": title, "currency": currency, "amount_minor": amount}
        deal_of(firm, stage=stage, owner=bob, **how)
    night(STALE)
    assert deals_in(Notification.objects.get()) == [
        "Euro", "Yen", "Dollar, large", "Dollar, small and old", "Dollar, small"
    ]  # fmt: skip


def test_does_nothing_the_second_time(firm: Firm, bob: User) -> None:
    deal_of(firm, owner=bob)
    night(STALE)
    before = list(StaleDealAlert.objects.values())
    assert "0 reminders sent to 0 owners (0 deals), 0 escalated" in night(STALE)
    assert list(StaleDealAlert.objects.values()) == before
    assert Notification.objects.count() == 1


def test_lets_a_deal_that_goes_stale_later_that_day_wait_until_tomorrow(
    firm: Firm, bob: User
) -> None:
    first = deal_of(firm, owner=bob)
    night(STALE)
    late = deal_of(firm, owner=bob, stage=first.stage, title="Late")
    assert "0 reminders sent" in night(STALE)
    assert late.alerts.get().reminder_count == 0
    assert "1 reminder sent to 1 owner (1 deal)" in night(after(15))
    assert deals_in(Notification.objects.last()) == ["Late"]


# ---- still stale ----------------------------------------------------------------------------


def test_leaves_out_a_deal_that_was_touched_since_it_was_flagged(firm: Firm, bob: User) -> None:
    stage = stage_of(firm)
    deal_of(firm, stage=stage, owner=bob, title="Idle")
    called, snoozed = (deal_of(firm, stage=stage, owner=bob) for _ in range(2))
    with on(STALE):
        check_stale_deals()
        now = datetime.now(UTC)
        log_activity(
            deal=called,
            type="call",
            note="",
            occurred_at=now,
            is_automated=False,
            actor=bob,
            now=now,
        )
        snooze_deal(deal=snoozed, until=after(20), today=STALE, actor=bob, reason="")
        assert "1 reminder sent to 1 owner (1 deal)" in run("send_stale_deal_reminders")
    assert deals_in(Notification.objects.get()) == ["Idle"]
    assert called.alerts.get().reminder_count == 0


def test_says_nothing_when_all_were_touched(firm: Firm, bob: User) -> None:
    deal_of(firm, owner=bob)
    with on(STALE):
        check_stale_deals()
        Deal.objects.update(last_activity_at=datetime.now(UTC))
        assert "0 reminders sent to 0 owners (0 deals)" in run("send_stale_deal_reminders")
    assert not Notification.objects.exists()


# ---- how often ------------------------------------------------------------------------------


def test_reminds_four_times_a_week_apart_then_escalates_then_is_silent(
    firm: Firm, bob: User, boss: User
) -> None:
    manager = colleague(firm, user__username="manager")
    deal_of(firm, owner=bob, stage=stage_of(firm, pipeline__manager=manager))
    said = {days: night(after(14 + days)) for days in range(80)}
    days = [datetime.fromisoformat(day).date() - STALE for *_, day in told()]
    assert [one.days for one in days] == [0, 7, 14, 21, 28]
    assert [(who, type) for who, type, _ in told()] == [
        *[("bob", "stale_deals")] * 4, ("manager", "stale_deals_escalated")
    ]  # fmt: skip
    assert "0 reminders sent to 0 owners (0 deals), 1 escalated" in said[28]
    alert = StaleDealAlert.objects.get()
    assert (alert.reminder_count, alert.last_reminded_on) == (4, after(35))
    assert (alert.escalated_on, alert.resolved_on) == (after(42), None)
    escalated = Notification.objects.get(type="stale_deals_escalated")
    assert escalated.dedupe_key == f"stale-deals-escalated:{manager.pk}:2025-04-12"


def test_begins_anew_when_the_deal_was_touched_in_between(firm: Firm, bob: User) -> None:
    deal_of(firm, owner=bob)
    night(STALE)
    night(after(21))
    Deal.objects.update(last_activity_at=datetime(2025, 3, 25, 12, tzinfo=UTC))
    night(after(25))
    assert "1 reminder sent" in night(after(24 + 14))
    counts = StaleDealAlert.objects.order_by("pk").values_list("reminder_count", flat=True)
    assert list(counts) == [2, 1]


def test_catches_up_after_days_without_a_run(firm: Firm, bob: User) -> None:
    deal_of(firm, owner=bob)
    assert "1 reminder sent" in night(after(20))
    assert "0 reminders sent" in night(after(26))
    assert "1 reminder sent" in night(after(29))  # two days late
    assert "0 reminders sent" in night(after(35))
    assert "1 reminder sent" in night(after(36))


# ---- to whom --------------------------------------------------------------------------------


def no_owner(bob: User) -> None:
    Deal.objects.update(owner=None)


def deactivated(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)


def blocked_by_the_directory(bob: User) -> None:
    Membership.objects.filter(user=bob).update(is_active=False, blocked_by="directory")


def not_a_member_any_more(bob: User) -> None:
    Membership.objects.filter(user=bob).delete()


def deleted(bob: User) -> None:
    bob.delete()


@pytest.mark.parametrize(
    "leave", [no_owner, deactivated, blocked_by_the_directory, not_a_member_any_more, deleted]
)
def test_tells_owners_and_admins_what_is_nobodys(
    firm: Firm, bob: User, boss: User, leave: Any
) -> None:
    admin = MembershipFactory(firm=firm, roles=[Role.ADMIN], user__username="admin").user
    MembershipFactory(roles=[Role.OWNER])  # of another firm
    deal_of(firm, owner=bob)
    leave(bob)
    assert "2 reminders sent to 2 owners (1 deal)" in night(STALE)
    assert sorted(who for who, *_ in told()) == [admin.username, boss.username]
    assert StaleDealAlert.objects.get().reminder_count == 1


def test_tells_who_is_in_charge_of_their_own_deals_and_nobodys_in_one_message(
    firm: Firm, bob: User, boss: User
) -> None:
    admin = MembershipFactory(firm=firm, roles=[Role.ADMIN], user__username="admin").user
    stage = stage_of(firm)
    for title, owner in (("Boss", boss), ("Nobody", None), ("Admin", admin), ("Bob", bob)):
        deal_of(firm, stage=stage, title=title, owner=owner)
    assert "3 reminders sent to 3 owners (4 deals)" in night(STALE)
    lists = {one.recipient_user.username: deals_in(one) for one in Notification.objects.all()}
    assert {who: sorted(titles) for who, titles in lists.items()} == {
        "boss": ["Boss", "Nobody"], "admin": ["Admin", "Nobody"], "bob": ["Bob"]
    }  # fmt: skip
    assert set(StaleDealAlert.objects.values_list("reminder_count", flat=True)) == {1}


@pytest.mark.parametrize("gone", ["nobody", "inactive", "elsewhere"])
def test_escalates_to_those_in_charge_where_no_manager_works(
    firm: Firm, bob: User, boss: User, gone: str
) -> None:
    manager = {
        "nobody": lambda: None,
        "inactive": lambda: colleague(firm, user__is_active=False),
        "elsewhere": lambda: colleague(FirmFactory()),
    }[gone]()
    deal_of(firm, owner=bob, stage=stage_of(firm, pipeline__manager=manager))
    night(STALE)
    StaleDealAlert.objects.update(reminder_count=4)
    assert "0 reminders sent to 0 owners (0 deals), 1 escalated" in night(after(21))
    assert told()[-1][:2] == ("boss", "stale_deals_escalated")


def test_sends_a_manager_a_reminder_and_an_escalation_on_one_day(
    firm: Firm, bob: User, boss: User
) -> None:
    stage = stage_of(firm, pipeline__manager=boss)
    deal_of(firm, owner=bob, stage=stage)
    night(STALE)
    StaleDealAlert.objects.update(reminder_count=4)
    deal_of(firm, owner=boss, stage=stage)
    assert "1 reminder sent to 1 owner (1 deal), 1 escalated" in night(after(21))
    assert [type for _, type, _ in told()] == [
        "stale_deals", "stale_deals", "stale_deals_escalated"
    ]  # fmt: skip


def test_says_so_when_nobody_is_in_charge_and_counts_nothing(firm: Firm) -> None:
    deal_of(firm)
    assert night(STALE) == (
        "  - Acme Consulting: stale deals are nobody's, and nobody is in charge\n"
        f"Firm Acme Consulting (ID: {firm.pk}): "
        "0 reminders sent to 0 owners (0 deals), 0 escalated\n"
    )
    assert StaleDealAlert.objects.get().reminder_count == 0


def wants(user: User, firm: Firm, channel: Channel, *, wanted: bool) -> None:
    prefer(firm_id=firm.pk, recipient_key=f"user:{user.pk}", channel=channel, wanted=wanted)


def test_tells_in_the_app_only_who_has_opted_out_of_email(firm: Firm, bob: User) -> None:
    wants(bob, firm, Channel.EMAIL, wanted=False)
    deal_of(firm, owner=bob)
    assert "1 reminder sent to 1 owner (1 deal)" in night(STALE)
    assert list(Delivery.objects.values_list("channel", flat=True)) == ["in_app"]


def test_goes_on_to_the_manager_when_the_owner_wants_no_message_at_all(
    firm: Firm, bob: User, boss: User
) -> None:
    for channel in (Channel.EMAIL, Channel.IN_APP):
        wants(bob, firm, channel, wanted=False)
    deal_of(firm, owner=bob)
    assert night(STALE) == (
        "  ⚠ bob: wants no such messages\n"
        f"Firm Acme Consulting (ID: {firm.pk}): "
        "0 reminders sent to 0 owners (0 deals), 0 escalated\n"
    )
    for week in (3, 4, 5, 6):
        night(after(7 * week))
    assert told()[-1][:2] == ("boss", "stale_deals_escalated")


# ---- when, and for whom ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "sent"), [("2025-03-20T13:59Z", 0), ("2025-03-20T14:00Z", 1)]
)
def test_waits_for_ten_in_the_morning_when_the_schedule_says_so(
    firm: Firm, bob: User, moment: str, sent: int
) -> None:
    deal_of(firm, owner=bob)
    with time_machine.travel(moment, tick=False):
        check_stale_deals()
        send_stale_deal_reminders(at="10:00")
    assert Notification.objects.count() == sent


def test_goes_by_each_firms_own_day() -> None:
    east = FirmFactory(name="East", timezone="Pacific/Auckland")
    west = FirmFactory(name="West", timezone="America/Los_Angeles")
    for firm in (east, west):
        deal_of(firm, owner=colleague(firm))
    with time_machine.travel("2025-03-20T09:00Z", tick=False):
        check_stale_deals()
        send_stale_deal_reminders()
    days = {one.firm.name: one.context["on"] for one in Notification.objects.all()}
    assert days == {"East": "2025-03-20", "West": "2025-03-20"}
    with time_machine.travel("2025-03-26T12:00Z", tick=False):  # the 27th in Auckland
        send_stale_deal_reminders()
    assert Notification.objects.filter(firm=east).count() == 2
    assert Notification.objects.filter(firm=west).count() == 1


def test_leaves_the_neighbour_untouched(firm: Firm, bob: User) -> None:
    neighbour = FirmFactory()
    mine = deal_of(firm, owner=bob)
    # The same person works there too, and has as much to do.
    MembershipFactory(firm=neighbour, user=bob, roles=["staff"])
    other = deal_of(neighbour, owner=bob)
    with on(STALE):
        check_stale_deals()
        before = list(StaleDealAlert.objects.filter(deal=other).values())
        run("send_stale_deal_reminders", firm_id=firm.pk)
    assert Notification.objects.get().context["deals"] == [mine.pk]
    assert list(StaleDealAlert.objects.filter(deal=other).values()) == before
    with on(STALE):
        send_stale_deal_reminders()
    assert Notification.objects.get(firm=neighbour).context["deals"] == [other.pk]


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_does_not_serve_firms_that_are_not_served(firm: Firm, bob: User, status: str) -> None:
    deal_of(firm, owner=bob)
    with on(STALE):
        check_stale_deals()
    Firm.objects.update(status=status)
    with on(STALE):
        words = f"Firm {firm.pk} is {status}; skipped.\n"
        assert run("send_stale_deal_reminders", firm_id=firm.pk) == words
        assert run("send_stale_deal_reminders") == ""
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"at": "25:00"}, "Invalid time '25:00'. Use HH:MM."),
    ],
)
def test_refuses_options_it_cannot_use(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadOption) as refusal:
        send_stale_deal_reminders(**options)
    assert str(refusal.value) == sentence


# ---- when something goes wrong --------------------------------------------------------------


def test_goes_on_after_a_message_that_cannot_be_planned(firm: Firm, bob: User) -> None:
    stage = stage_of(firm)
    deal_of(firm, stage=stage, owner=bob, currency="XXQ")
    ada = colleague(firm, user__username="ada")
    deal_of(firm, stage=stage, owner=ada)
    with on(STALE):
        check_stale_deals()
        with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
            run("send_stale_deal_reminders")
    assert told() == [("ada", "stale_deals", "2025-03-15")]
    counts = StaleDealAlert.objects.order_by("pk").values_list("reminder_count", flat=True)
    assert list(counts) == [0, 1]


def test_shows_in_a_dry_run_whom_it_would_tell_of_how_much(
    firm: Firm, bob: User, boss: User
) -> None:
    stage = stage_of(firm, pipeline__manager=boss)
    for amount in (4_500_000, 1_200_000):
        deal_of(firm, stage=stage, owner=bob, amount_minor=amount)
    deal_of(firm, stage=stage, owner=bob, amount_minor=120_000, currency="JPY")
    old = deal_of(firm, stage=stage, owner=bob)
    with on(STALE):
        check_stale_deals()
    old.alerts.update(reminder_count=4, last_reminded_on=date(2025, 3, 1))
    before = list(StaleDealAlert.objects.order_by("pk").values())
    with on(STALE):
        assert run("send_stale_deal_reminders", dry_run=True) == (
            "  ✓ Would remind bob: 3 deals, ¥120000, $57000.00\n"
            "  ✓ Would escalate to boss: 1 deal, $1000.00\n"
            f"Firm Acme Consulting (ID: {firm.pk}): 1 reminder would be sent to 1 owner "
            "(3 deals), 1 would be escalated\n"
        )
    assert list(StaleDealAlert.objects.order_by("pk").values()) == before
    assert not Notification.objects.exists()


def queries_for(deals: int) -> int:
    """How many statements it takes to remind a new firm's ten owners of so many deals."""
    firm = FirmFactory()
    stage, contact = stage_of(firm), deal_of(firm).contact
    Deal.objects.all().delete()
    owners = [colleague(firm) for _ in range(10)]
    rows = DealFactory.build_batch(
        deals, stage=stage, pipeline=stage.pipeline, firm=firm, contact=contact
    )
    for number, row in enumerate(rows):
        row.owner = owners[number % 10]
    Deal.objects.bulk_create(rows)
    with on(STALE):
        check_stale_deals(firm_id=firm.pk)
        with CaptureQueriesContext(connection) as captured:
            report = send_stale_deal_reminders(firm_id=firm.pk)
    assert (report.done, report.failed) == (10, 0)
    assert StaleDealAlert.objects.filter(reminder_count=1).count() == deals
    StaleDealAlert.objects.all().delete()
    return len(captured)


def test_asks_the_database_no_more_for_sixty_deals_each_than_for_one() -> None:
    few, many = queries_for(10), queries_for(600)
    assert few <= 25
    assert many <= few + 1  # the counters of 600 alerts are two pages


def test_asks_the_database_once_for_each_fifty_owners(firm: Firm) -> None:
    stage = StageFactory(pipeline__firm=firm)
    for _ in range(120):
        deal_of(firm, stage=stage, owner=colleague(firm))
    with on(STALE):
        check_stale_deals()
        with CaptureQueriesContext(connection) as captured:
            assert send_stale_deal_reminders().done == 120
    assert len(captured) <= 3 * 15 + 10


def test_keeps_a_long_list_short_and_says_what_is_left_out(firm: Firm, bob: User) -> None:
    stage = stage_of(firm)
    for number in range(53):
        deal_of(firm, stage=stage, owner=bob, amount_minor=(number + 1) * 100)
    night(STALE)
    context = Notification.objects.get().context
    assert len(context["deals"]) == 50
    assert (context["more"], context["more_minor"]) == (3, {"USD": 100 + 200 + 300})
    assert set(StaleDealAlert.objects.values_list("reminder_count", flat=True)) == {1}


def test_waits_a_week_counted_on_the_calendar_also_when_the_clocks_change(
    firm: Firm, bob: User
) -> None:
    deal_of(firm, owner=bob, created_at=datetime(2025, 2, 19, 17, tzinfo=UTC))
    assert "1 reminder sent" in night(date(2025, 3, 5))  # standard time
    assert "0 reminders sent" in night(date(2025, 3, 11))
    with time_machine.travel("2025-03-12T03:59Z", tick=False):  # 23:59 on the 11th, DST
        assert "0 reminders sent" in run("send_stale_deal_reminders")
    with time_machine.travel("2025-03-12T04:00Z", tick=False):
        assert "1 reminder sent" in run("send_stale_deal_reminders")
    assert date(2025, 3, 12) - date(2025, 3, 5) == timedelta(days=7)
